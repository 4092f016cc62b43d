"""Shuffles of (modality, label) cells between samples and between modalities.

Both take cells ``[B, M, L, *]``: vectors, or the labels that move along with them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shuffle_samples(x: Tensor, perm: Tensor) -> Tensor:
    """Permutes the cells of every label and modality among the samples.

    CARAT (Peng et al., AAAI 2024), Eq. 11.

    Args:
        x: Cells, ``[B, M, L, *]``.
        perm: For each label and modality the sample that each one gets its cell
            from, ``[L, M, B]``.

    Example:
        >>> x = torch.tensor([10, 20, 30]).view(3, 1, 1)
        >>> shuffle_samples(x, torch.tensor([[[2, 0, 1]]])).flatten()
        tensor([30, 10, 20])
    """
    return x.gather(0, _index(perm.permute(2, 1, 0), x))


def shuffle_modalities(x: Tensor, perm: Tensor) -> Tensor:
    """Permutes the cells of every label and sample among the modalities.

    CARAT (Peng et al., AAAI 2024), Eq. 12.

    Args:
        x: Cells, ``[B, M, L, *]``.
        perm: For each label and sample the modality that each one gets its cell
            from, ``[L, B, M]``.

    Example:
        >>> x = torch.tensor([10, 20, 30]).view(1, 3, 1)
        >>> shuffle_modalities(x, torch.tensor([[[2, 0, 1]]])).flatten()
        tensor([30, 10, 20])
    """
    return x.gather(1, _index(perm.permute(1, 2, 0), x))


def permutations(keys: Tensor, free: Tensor) -> Tensor:
    """Permutations of the last dimension that keep some places fixed.

    Args:
        keys: Random numbers below infinity, ``[*, K]``; equally likely orders give
            equally likely permutations.
        free: Which places may move, ``[*, K]``.

    Returns:
        For each place the place that it gets its value from, ``[*, K]``.

    Example:
        >>> free = torch.tensor([True, False, True])
        >>> permutations(torch.tensor([0.9, 0.1, 0.5]), free)
        tensor([2, 1, 0])
    """
    place = torch.arange(keys.size(-1), device=keys.device).to(keys.dtype)
    first = torch.where(free, place, torch.inf).argsort(dim=-1, stable=True)
    drawn = torch.where(free, keys, torch.inf).argsort(dim=-1, stable=True)
    return torch.empty_like(drawn).scatter(-1, first, drawn)


def _index(perm: Tensor, x: Tensor) -> Tensor:
    return perm.view(*perm.shape, *[1] * (x.dim() - 3)).expand_as(x)
