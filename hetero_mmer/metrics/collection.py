from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MultilabelExactMatch,
    MultilabelF1Score,
    MultilabelHammingDistance,
    MultilabelPrecision,
    MultilabelRecall,
)
from torchmetrics.wrappers.abstract import WrapperMetric

from hetero_mmer.errors import InputError
from hetero_mmer.functional.multilabel import f1_score, jaccard_index
from hetero_mmer.metrics.average_precision import MeanAveragePrecision
from hetero_mmer.metrics.check import check_names, check_probs, check_zero_division
from hetero_mmer.metrics.decision import decide
from hetero_mmer.metrics.sample_mean import SampleMean
from hetero_mmer.metrics.threshold import Threshold
from hetero_mmer.metrics.tuned import TunedMetrics
from hetero_mmer.metrics.weighted_accuracy import WeightedAccuracy

#: Batches that are counted at once, since ten metrics take milliseconds each time.
_COUNT_EVERY: Final = 64


def metric_collection(
    num_labels: int,
    *,
    label_names: Sequence[str] | None = None,
    zero_division: Literal[0, 1] = 0,
) -> MetricCollection:
    """The metrics of :func:`~hetero_mmer.metrics.multilabel_metrics` over batches.

    They take decisions ``preds``, which :func:`~hetero_mmer.metrics.decide` makes,
    true labels ``target`` and, for ``map``, probabilities ``probs``, by these names.
    All but ``map`` keep counts only.

    Args:
        num_labels: Number of labels.
        label_names: See :func:`~hetero_mmer.metrics.multilabel_metrics`.
        zero_division: See :func:`~hetero_mmer.metrics.multilabel_metrics`.

    Raises:
        InputError: For wrong arguments.

    Example:
        >>> import torch
        >>> from hetero_mmer.metrics import decide
        >>> metrics = metric_collection(2)
        >>> probs, y = torch.tensor([[0.9, 0.2]]), torch.tensor([[1, 0]])
        >>> metrics.update(preds=decide(probs, 0.5).long(), target=y, probs=probs)
        >>> metrics.compute()['acc_subset']
        tensor(1.)
    """
    names = check_names(num_labels, label_names)
    check_zero_division(zero_division)
    # Arguments would be checked for two labels at least.
    options: dict[str, Any] = {'num_labels': num_labels, 'validate_args': False}
    micro, macro = ({**options, 'average': name} for name in ('micro', 'macro'))
    metrics: dict[str, Metric | MetricCollection] = {
        'acc_jaccard': SampleMean(
            jaccard_index, num_labels, zero_division=zero_division
        ),
        'acc_subset': MultilabelExactMatch(**options),
        'hamming_loss': MultilabelHammingDistance(**micro),
        'f1_micro': MultilabelF1Score(**micro),
        'f1_macro': MultilabelF1Score(**macro),
        'f1_samples': SampleMean(f1_score, num_labels, zero_division=zero_division),
        'precision_micro': MultilabelPrecision(**micro),
        'recall_micro': MultilabelRecall(**micro),
        'map': MeanAveragePrecision(num_labels),
        'wa': WeightedAccuracy(names),
    }
    return MetricCollection(metrics)


class MultilabelMetrics(WrapperMetric):
    """:func:`~hetero_mmer.metrics.multilabel_metrics` over a stream of batches.

    Args:
        num_labels: Number of labels.
        threshold: See :func:`~hetero_mmer.metrics.multilabel_metrics`; ``tuned`` or
            ``per-label`` for the one that is best on these very samples, as on a
            validation split.
        label_names: See :func:`~hetero_mmer.metrics.multilabel_metrics`.
        zero_division: See :func:`~hetero_mmer.metrics.multilabel_metrics`.

    Raises:
        InputError: For wrong arguments.

    Example:
        >>> import torch
        >>> metrics = MultilabelMetrics(2)
        >>> metrics.update(torch.tensor([[0.9, 0.2]]), torch.tensor([[1, 0]]))
        >>> metrics.update(torch.tensor([[0.8, 0.4]]), torch.tensor([[0, 0]]))
        >>> metrics.compute()['acc_subset']
        tensor(0.5000)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        threshold: Threshold = 0.5,
        label_names: Sequence[str] | None = None,
        zero_division: Literal[0, 1] = 0,
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        names = check_names(num_labels, label_names)
        self.metrics: Any = (
            TunedMetrics(threshold, label_names=names, zero_division=zero_division)
            if isinstance(threshold, str)
            else metric_collection(
                num_labels, label_names=names, zero_division=zero_division
            )
        )

    def update(self, probs: Tensor, y: Tensor, *, pred: Tensor | None = None) -> None:
        """Adds a batch, all ``[B, L]``.

        Args:
            probs: Probabilities.
            y: True labels.
            pred: Decisions of a model that decides by itself, in every batch or none.

        Raises:
            InputError: As :func:`~hetero_mmer.metrics.multilabel_metrics`.
        """
        check_probs(probs, y)
        probs, y = probs.detach(), y.detach()
        if isinstance(self.threshold, str):
            self.metrics.update(probs=probs, target=y, pred=pred)
        else:
            self._waiting.append((decide(probs, self.threshold, pred), y, probs))
            if len(self._waiting) == _COUNT_EVERY:
                self._count()
        self._update_count += 1

    def compute(self) -> dict[str, Tensor]:
        """The metrics of everything added since the last reset."""
        if not self.update_called:
            raise InputError('metrics need at least one sample (got none)')
        self._count()
        return self.metrics.compute()

    def reset(self) -> None:
        """Forgets everything that was added."""
        super().reset()
        self._waiting.clear()
        self.metrics.reset()

    def _count(self) -> None:
        """Hands the batches that wait to the metrics."""
        if self._waiting:
            pred, y, probs = map(torch.cat, zip(*self._waiting, strict=True))
            self.metrics.update(preds=pred.long(), target=y.long(), probs=probs)
            self._waiting.clear()
