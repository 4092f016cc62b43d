"""The metrics of multi-label emotion recognition, by unmistakable names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional import classification as tm

from hetero_mmer.errors import InputError
from hetero_mmer.functional.multilabel import (
    binarize,
    f1_per_sample,
    jaccard_per_sample,
    weighted_accuracy,
)
from hetero_mmer.metrics.check import check_probs
from hetero_mmer.metrics.threshold import Threshold, choose_threshold


def multilabel_metrics(
    probs: Tensor,
    y: Tensor,
    *,
    threshold: float | Tensor = 0.5,
    label_names: Sequence[str] | None = None,
    empty: Literal['zero', 'one'] = 'zero',
) -> dict[str, float]:
    """All metrics of a set of predictions.

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
        label_names: Names in ``wa_<label>``; by default 0, 1, ….
        empty: What ``acc_jaccard`` and ``f1_samples`` give a sample with neither
            true nor predicted labels; ``zero`` is the papers' convention.

    Raises:
        InputError: For shapes that differ, values that are no probabilities, or
            labels other than 0 and 1.

    Example:
        >>> probs = torch.tensor([[0.9, 0.2], [0.8, 0.4]])
        >>> metrics = multilabel_metrics(probs, torch.tensor([[1, 0], [0, 0]]))
        >>> metrics['acc_jaccard'], metrics['hamming_loss'], metrics['wa_0']
        (0.5, 0.25, 0.5)
    """
    check_probs(probs, y)
    probs, y = probs.detach(), y.long()
    names = range(y.size(1)) if label_names is None else label_names
    if len(names) != y.size(1):
        raise InputError(f'{y.size(1)} labels need as many names (got {len(names)})')
    if empty not in ('zero', 'one'):
        raise InputError(f"'empty' is one of ('zero', 'one') (got '{empty}')")
    none = float(empty == 'one')
    pred = binarize(probs, threshold).long()
    counts: dict[str, Any] = {
        'preds': pred,
        'target': y,
        'num_labels': y.size(1),
        'validate_args': False,  # It would refuse a single label.
    }
    values = {
        'acc_jaccard': jaccard_per_sample(pred, y, empty=none).mean(),
        'acc_subset': tm.multilabel_exact_match(**counts),
        'hamming_loss': tm.multilabel_hamming_distance(**counts, average='micro'),
        'f1_micro': tm.multilabel_f1_score(**counts, average='micro'),
        'f1_macro': tm.multilabel_f1_score(**counts, average='macro'),
        'f1_samples': f1_per_sample(pred, y, empty=none).mean(),
        'precision_micro': tm.multilabel_precision(**counts, average='micro'),
        'recall_micro': tm.multilabel_recall(**counts, average='micro'),
        'map': _mean_average_precision(probs, y),
    }
    accuracies = zip(names, weighted_accuracy(pred, y), strict=True)
    values |= {f'wa_{name}': value for name, value in accuracies}
    # Seven digits is what float32 holds; adding zero makes 0 of -0.
    return {name: round(float(value), 7) + 0.0 for name, value in values.items()}


class MultilabelMetrics(Metric):
    """:func:`multilabel_metrics` over a stream of batches.

    Args:
        threshold: See :func:`multilabel_metrics`; ``tuned`` or ``per-label`` for the
            one that is best on these very samples, as on a validation split.
        label_names: See :func:`multilabel_metrics`.
        empty: See :func:`multilabel_metrics`.

    Example:
        >>> metrics = MultilabelMetrics()
        >>> metrics.update(torch.tensor([[0.9, 0.2]]), torch.tensor([[1, 0]]))
        >>> metrics.update(torch.tensor([[0.8, 0.4]]), torch.tensor([[0, 0]]))
        >>> metrics.compute()['acc_subset']
        0.5
    """

    full_state_update = False
    probs: list[Tensor]
    y: list[Tensor]

    def __init__(
        self,
        *,
        threshold: Threshold = 0.5,
        label_names: Sequence[str] | None = None,
        empty: Literal['zero', 'one'] = 'zero',
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.label_names = label_names
        self.empty = empty
        self.add_state('probs', default=[], dist_reduce_fx='cat')
        self.add_state('y', default=[], dist_reduce_fx='cat')

    def update(self, probs: Tensor, y: Tensor) -> None:
        """Adds a batch of probabilities and true labels, both ``[B, L]``."""
        check_probs(probs, y)
        self.probs.append(probs.detach())
        self.y.append(y.detach())

    def compute(self) -> dict[str, float]:
        """The metrics of everything added since the last reset."""
        if not len(self.probs):
            raise InputError('metrics need at least one sample (got none)')
        probs, y = _cat(self.probs), _cat(self.y)
        return multilabel_metrics(
            probs,
            y,
            threshold=choose_threshold(self.threshold, probs, y),
            label_names=self.label_names,
            empty=self.empty,
        )


def _mean_average_precision(probs: Tensor, y: Tensor) -> Tensor:
    with warnings.catch_warnings():  # A label without positives counts as 0.
        warnings.filterwarnings('ignore', 'No positive samples', UserWarning)
        return tm.multilabel_average_precision(
            probs, y, num_labels=y.size(1), validate_args=False
        )


def _cat(parts: list[Tensor] | Tensor) -> Tensor:
    return parts if isinstance(parts, Tensor) else torch.cat(parts)
