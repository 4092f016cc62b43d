"""Reductions over the modalities that a sample has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_mse(x: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Sum over modalities of the mean squared error.

    Args:
        x: States, ``[B, M, L, d]``.
        target: States, ``[B, M, L, d]``.
        mask: Which modalities a sample has, ``[B, M]``; cells of others are
            left out.

    Example:
        >>> x, target = torch.ones(2, 2, 1, 3), torch.zeros(2, 2, 1, 3)
        >>> masked_mse(x, target, torch.tensor([[True, True], [True, False]]))
        tensor(2.)
    """
    error = (x - target).square().mean(dim=(2, 3)).masked_fill(~mask, 0.0)
    return (error.sum(dim=0) / mask.sum(dim=0).clamp(min=1)).sum()


def masked_max(x: Tensor, mask: Tensor) -> Tensor:
    """Highest value over the modalities that a sample has.

    CARAT (Peng et al., AAAI 2024), Eq. 4.

    Args:
        x: Scores, ``[*, B, M, L]``.
        mask: Which modalities a sample has, ``[B, M]``.

    Returns:
        Scores, ``[*, B, L]``.

    Example:
        >>> x = torch.tensor([[[1.0], [2.0], [3.0]]])
        >>> masked_max(x, torch.tensor([[True, True, False]]))
        tensor([[2.]])
    """
    return x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=-2)


def masked_mean(x: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Mean over the modalities that a sample has, or over the samples that have one.

    Args:
        x: Values, ``[B, M, *]``.
        mask: Which modalities a sample has, ``[B, M]``.
        dim: 1 for modalities, 0 for samples.

    Returns:
        Values, ``[B, *]`` or ``[M, *]``; 0 for a mean of nothing.

    Example:
        >>> x = torch.tensor([[[1.0], [2.0], [6.0]]])
        >>> masked_mean(x, torch.tensor([[True, True, False]]))
        tensor([[1.5000]])
    """
    weight = mask.view(*mask.shape, *[1] * (x.dim() - 2))
    count = weight.sum(dim=dim).clamp(min=1)
    return x.masked_fill(~weight, 0.0).sum(dim=dim) / count


def masked_std(x: Tensor, mask: Tensor) -> Tensor:
    """Standard deviation of the items that a sample has, as of a whole population.

    Args:
        x: Items, ``[B, S, F]``.
        mask: Where an item is, ``[B, S]``.

    Returns:
        Deviations, ``[B, F]``; 0 of nothing. No gradient flows where it is 0.

    Example:
        >>> x = torch.tensor([[[1.0], [3.0], [9.0]]])
        >>> masked_std(x, torch.tensor([[True, True, False]]))
        tensor([[1.]])
    """
    mean = masked_mean(x, mask).unsqueeze(1)
    variance = masked_mean((x - mean).square(), mask)
    varies = variance > 0
    return torch.where(varies, variance, 1.0).sqrt() * varies


def masked_bce(logits: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy, mean over the rows of a mask.

    Args:
        logits: Logits of some rows for each sample, ``[B, R, L]``.
        y: Targets, ``[B, R, L]``.
        mask: Which rows count, ``[B, R]``.

    Example:
        >>> logits, y = torch.tensor([[[0.0], [9.0]]]), torch.zeros(1, 2, 1)
        >>> masked_bce(logits, y, torch.tensor([[True, False]]))
        tensor(0.6931)
    """
    return F.binary_cross_entropy_with_logits(logits[mask], y[mask])
