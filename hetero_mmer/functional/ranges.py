"""Ranges of rows."""

from __future__ import annotations

import torch
from torch import Tensor


def expand_ranges(start: Tensor, count: Tensor) -> Tensor:
    """Concatenates ``start[k], start[k] + 1, …`` with ``count[k]`` numbers each.

    Args:
        start: First number of each range, ``[K]``.
        count: Numbers in each range, ``[K]``.

    Example:
        >>> expand_ranges(torch.tensor([5, 0]), torch.tensor([2, 3]))
        tensor([5, 6, 0, 1, 2])
    """
    first = count.cumsum(0) - count
    offset = (start - first).repeat_interleave(count)
    return torch.arange(offset.numel(), device=start.device) + offset
