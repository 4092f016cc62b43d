"""From rows that lie sample after sample to a padded rectangle."""

from __future__ import annotations

import torch
from torch import Tensor


def pad(x: Tensor, ptr: Tensor, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Pads the rows of each sample with zeros on the right; ``x[mask]`` is the inverse.

    Args:
        x: Rows, sample after sample, ``[N, *]``.
        ptr: Where the rows of each sample start, ``[B + 1]``.
        size: Number S of places, where longer samples are cut off; by default the
            longest sample has, and at least 1, as an LSTM needs.

    Returns:
        The padded rows ``[B, S, *]``, and the mask ``[B, S]``, true where a row is.

    Example:
        >>> x, mask = pad(torch.tensor([5, 6, 7]), torch.tensor([0, 1, 3]))
        >>> x
        tensor([[5, 0],
                [6, 7]])
        >>> mask
        tensor([[ True, False],
                [ True,  True]])
    """
    length = ptr.diff()
    longest = max(1, int(length.max()))
    place = torch.arange(longest if size is None else size, device=x.device)
    mask = place < length.unsqueeze(1)
    if len(place) < longest:
        x = x[(ptr[:-1].unsqueeze(1) + place)[mask]]
    out = x.new_zeros(*mask.shape, *x.shape[1:])
    out[mask] = x
    return out, mask
