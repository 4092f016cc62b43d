"""Multi-label scores that torchmetrics does not have, and exact thresholds.

All functions take ``pred`` and ``y`` of shape ``[N, L]``, boolean or 0/1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def binarize(probs: Tensor, threshold: float | Tensor) -> Tensor:
    """Positive labels: those whose probability is above the threshold.

    The comparison is strict and in double precision, so that a threshold
    between two neighbouring floats still tells them apart.

    Args:
        probs: Probabilities ``[N, L]``.
        threshold: One for all labels, or ``[L]``.

    Example:
        >>> binarize(torch.tensor([[0.5, 0.6]]), 0.5)
        tensor([[False,  True]])
    """
    threshold = torch.as_tensor(threshold, dtype=torch.double, device=probs.device)
    return probs.double() > threshold


def jaccard_per_sample(pred: Tensor, y: Tensor, *, empty: float = 0.0) -> Tensor:
    r"""Jaccard index :math:`|y \wedge p| / |y \vee p|` of each sample, ``[N]``.

    Args:
        pred: Predicted labels.
        y: True labels.
        empty: Value of a sample with neither true nor predicted labels.

    Example:
        >>> pred = torch.tensor([[1, 1], [0, 0]])
        >>> jaccard_per_sample(pred, torch.tensor([[1, 0], [0, 0]]), empty=1.0)
        tensor([0.5000, 1.0000])
    """
    pred, y = pred.bool(), y.bool()
    return _ratio((pred & y).sum(1), (pred | y).sum(1), empty)


def f1_per_sample(pred: Tensor, y: Tensor, *, empty: float = 0.0) -> Tensor:
    r"""F1 :math:`2 |y \wedge p| / (|y| + |p|)` of each sample, ``[N]``.

    Args:
        pred: Predicted labels.
        y: True labels.
        empty: Value of a sample with neither true nor predicted labels.

    Example:
        >>> pred = torch.tensor([[1, 1], [0, 0]])
        >>> f1_per_sample(pred, torch.tensor([[1, 1], [0, 0]]))
        tensor([1., 0.])
    """
    pred, y = pred.bool(), y.bool()
    return _ratio(2 * (pred & y).sum(1), pred.sum(1) + y.sum(1), empty)


def weighted_accuracy(pred: Tensor, y: Tensor) -> Tensor:
    r"""Weighted accuracy :math:`(TP \cdot N / P + TN) / 2N` of each label, ``[L]``.

    It is the mean of the recalls of both classes, with :math:`P` and :math:`N`
    the number of positives and negatives of the label.

    Args:
        pred: Predicted labels.
        y: True labels; a label without positives or without negatives gives NaN.

    Example:
        >>> pred = torch.tensor([[1, 0], [1, 0], [0, 0]])
        >>> weighted_accuracy(pred, torch.tensor([[1, 0], [0, 0], [0, 0]]))
        tensor([0.7500,    nan])
    """
    pred, y = pred.bool(), y.bool()
    recall = (pred & y).sum(0) / y.sum(0)
    specificity = (~pred & ~y).sum(0) / (~y).sum(0)
    return (recall + specificity) / 2


def best_threshold(probs: Tensor, y: Tensor) -> float:
    """The threshold with the highest pooled F1 over all cells given.

    Exact: every division of the cells that a threshold can make is compared.
    The threshold lies midway between two observed probabilities; of equally
    good ones it is the one nearest to 0.5. Without positives it is 0.5.

    Args:
        probs: Probabilities, any shape.
        y: True labels, same shape.

    Example:
        >>> best_threshold(torch.tensor([0.75, 0.25, 0.0]), torch.tensor([1, 1, 0]))
        0.125
    """
    value, order = probs.flatten().double().sort(descending=True)
    y = y.flatten().bool()[order]
    upper, lower = value, torch.cat([value[1:], value.new_zeros(1)])
    cut = upper > lower  # A threshold cannot split equal probabilities.
    if not y.any() or not cut.any():
        return 0.5
    num_pred = torch.arange(1, y.numel() + 1, device=y.device)
    f1 = 2 * y.cumsum(0) / (num_pred + y.sum()).double()
    threshold = ((upper + lower) / 2)[cut]
    best = threshold[f1[cut] == f1[cut].max()]
    return best[(best - 0.5).abs().argmin()].item()


def _ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    value = numerator / denominator.clamp(min=1)
    return value.masked_fill(denominator == 0, empty)
