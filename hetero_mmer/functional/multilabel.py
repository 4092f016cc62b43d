r"""Multi-label scores as functions of counts, and exact thresholds.

Counts are the tensor ``[4, ...]`` of :func:`confusion_counts`, and a score has the
remaining shape. With the counts of labels, ``[4, L]``, ``f1_score(counts.sum(1))`` is
the micro average and ``f1_score(counts).mean()`` the macro average; with those of
samples, ``[4, N]``, the latter is the average over samples.

``zero_division`` is the value of 0 / 0, as in scikit-learn.
"""

from __future__ import annotations

from typing import Literal

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


def confusion_counts(pred: Tensor, y: Tensor, *, dim: int = 0) -> Tensor:
    """True positives, false positives, false negatives and true negatives.

    Args:
        pred: Predicted labels ``[N, L]``, boolean or 0/1.
        y: True labels ``[N, L]``, boolean or 0/1.
        dim: What is counted over: 0 for the counts of each label, ``[4, L]``, 1 for
            those of each sample, ``[4, N]``.

    Example:
        >>> pred, y = torch.tensor([[1, 1], [0, 1]]), torch.tensor([[1, 0], [0, 1]])
        >>> confusion_counts(pred, y)
        tensor([[1, 1],
                [0, 1],
                [0, 0],
                [1, 0]])
    """
    pred, y = pred.bool(), y.bool()
    cells = (pred & y, pred & ~y, ~pred & y, ~pred & ~y)
    return torch.stack([cell.sum(dim) for cell in cells])


def precision(counts: Tensor, *, zero_division: Literal[0, 1] = 0) -> Tensor:
    """Precision :math:`TP / (TP + FP)`.

    Example:
        >>> precision(torch.tensor([3, 1, 0, 0]))
        tensor(0.7500)
    """
    tp, fp, _, _ = counts
    return _ratio(tp, tp + fp, zero_division)


def recall(counts: Tensor, *, zero_division: Literal[0, 1] = 0) -> Tensor:
    """Recall :math:`TP / (TP + FN)`.

    Example:
        >>> recall(torch.tensor([3, 0, 1, 0]))
        tensor(0.7500)
    """
    tp, _, fn, _ = counts
    return _ratio(tp, tp + fn, zero_division)


def f1_score(counts: Tensor, *, zero_division: Literal[0, 1] = 0) -> Tensor:
    """F1 score :math:`2 TP / (2 TP + FP + FN)`.

    Example:
        >>> f1_score(torch.tensor([[1, 0], [1, 0], [1, 0], [0, 3]]), zero_division=1)
        tensor([0.5000, 1.0000])
    """
    tp, fp, fn, _ = counts
    return _ratio(2 * tp, 2 * tp + fp + fn, zero_division)


def jaccard_index(counts: Tensor, *, zero_division: Literal[0, 1] = 0) -> Tensor:
    r"""Jaccard index :math:`|y \wedge p| / |y \vee p| = TP / (TP + FP + FN)`.

    Example:
        >>> pred, y = torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])
        >>> jaccard_index(confusion_counts(pred, y, dim=1), zero_division=1)
        tensor([0.5000, 1.0000])
    """
    tp, fp, fn, _ = counts
    return _ratio(tp, tp + fp + fn, zero_division)


def exact_match(counts: Tensor) -> Tensor:
    """1 where nothing is wrong, else 0; its mean over samples is subset accuracy.

    Example:
        >>> exact_match(torch.tensor([[1, 1], [0, 1], [0, 0], [1, 0]]))
        tensor([1., 0.])
    """
    _, fp, fn, _ = counts
    return (fp + fn == 0).to(torch.get_default_dtype())


def hamming_loss(counts: Tensor) -> Tensor:
    """Share of wrong cells, :math:`1 - (TP + TN) / (TP + FP + FN + TN)`.

    Example:
        >>> hamming_loss(torch.tensor([1, 1, 1, 1]))
        tensor(0.5000)
    """
    tp, _, _, tn = counts
    return 1 - (tp + tn) / counts.sum(0)


def weighted_accuracy(counts: Tensor) -> Tensor:
    r"""Weighted accuracy :math:`(TP \cdot N / P + TN) / 2N`, the mean of both recalls.

    :math:`P` and :math:`N` are the numbers of positives and negatives; where one of
    them is 0 the value is NaN.

    Example:
        >>> pred = torch.tensor([[1, 0], [1, 0], [0, 0]])
        >>> y = torch.tensor([[1, 0], [0, 0], [0, 0]])
        >>> weighted_accuracy(confusion_counts(pred, y))
        tensor([0.7500,    nan])
    """
    tp, fp, fn, tn = counts
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


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


def _ratio(numerator: Tensor, denominator: Tensor, zero_division: float) -> Tensor:
    value = numerator / denominator.clamp(min=1)
    return value.masked_fill(denominator == 0, zero_division)
