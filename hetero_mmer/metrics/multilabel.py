from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from hetero_mmer.functional.multilabel import (
    confusion_counts,
    exact_match,
    f1_score,
    hamming_loss,
    jaccard_index,
    precision,
    recall,
    weighted_accuracy,
)
from hetero_mmer.metrics.average_precision import mean_average_precision
from hetero_mmer.metrics.check import check_names, check_probs, check_zero_division
from hetero_mmer.metrics.decision import decide


def multilabel_metrics(
    probs: Tensor,
    y: Tensor,
    *,
    threshold: float | Tensor = 0.5,
    pred: Tensor | None = None,
    label_names: Sequence[str] | None = None,
    zero_division: Literal[0, 1] = 0,
) -> dict[str, Tensor]:
    """All metrics of a set of predictions, as tensors without dimensions.

    ========================= =================================================
    Name                      Value
    ========================= =================================================
    ``acc_jaccard``           mean Jaccard index of the samples
    ``acc_subset``            share of samples with all labels right
    ``hamming_loss``          share of wrong cells
    ``f1_micro``              F1 of the pooled counts
    ``f1_macro``              mean F1 of the labels (0 for a label that is
                              neither present nor predicted)
    ``f1_samples``            mean F1 of the samples
    ``precision_micro``       precision of the pooled counts
    ``recall_micro``          recall of the pooled counts
    ``map``                   mean average precision of the labels (0 for a
                              label without positives)
    ``wa_<label>``            mean recall of the label's two classes (NaN for a
                              label without positives or without negatives)
    ========================= =================================================

    Args:
        probs: Probabilities ``[N, L]``.
        y: True labels ``[N, L]``.
        threshold: A label is positive if its probability is above it; one for
            all labels, or ``[L]``.
        pred: Decisions ``[N, L]`` of a model that decides by itself, without a
            threshold; ``map`` is one of probabilities all the same.
        label_names: Names in ``wa_<label>``; by default 0, 1, ….
        zero_division: What ``acc_jaccard`` and ``f1_samples`` give a sample with
            neither true nor predicted labels; 0 is the papers' convention. Other
            metrics have 0.

    Raises:
        InputError: For shapes that differ, values that are no probabilities, or
            labels other than 0 and 1.

    Example:
        >>> import torch
        >>> probs = torch.tensor([[0.9, 0.2], [0.8, 0.4]])
        >>> metrics = multilabel_metrics(probs, torch.tensor([[1, 0], [0, 0]]))
        >>> metrics['acc_jaccard'], metrics['hamming_loss'], metrics['wa_0']
        (tensor(0.5000), tensor(0.2500), tensor(0.5000))
    """
    check_probs(probs, y)
    check_zero_division(zero_division)
    names = check_names(y.size(1), label_names)
    pred = decide(probs, threshold, pred)
    labels, samples = (confusion_counts(pred, y, dim=dim) for dim in (0, 1))
    pooled = labels.sum(1)
    values = {
        'acc_jaccard': jaccard_index(samples, zero_division=zero_division).mean(),
        'acc_subset': exact_match(samples).mean(),
        'hamming_loss': hamming_loss(pooled),
        'f1_micro': f1_score(pooled),
        'f1_macro': (f1_score(labels) / y.size(1)).sum(),  # torchmetrics' rounding.
        'f1_samples': f1_score(samples, zero_division=zero_division).mean(),
        'precision_micro': precision(pooled),
        'recall_micro': recall(pooled),
        'map': mean_average_precision(probs.detach(), y),
    }
    accuracies = zip(names, weighted_accuracy(labels), strict=True)
    return values | {f'wa_{name}': value for name, value in accuracies}
