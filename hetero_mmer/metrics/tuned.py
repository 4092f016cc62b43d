from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from hetero_mmer.metrics.multilabel import multilabel_metrics
from hetero_mmer.metrics.threshold import choose_threshold


class TunedMetrics(Metric):
    """All metrics at the threshold that is best on these very samples.

    The threshold is known at the end only, so that all probabilities are kept.

    Args:
        threshold: See :func:`~hetero_mmer.metrics.choose_threshold`.
        label_names: See :func:`~hetero_mmer.metrics.multilabel_metrics`.
        zero_division: See :func:`~hetero_mmer.metrics.multilabel_metrics`.

    Example:
        >>> import torch
        >>> metrics = TunedMetrics('tuned')
        >>> metrics.update(torch.tensor([[0.2, 0.1]]), torch.tensor([[1, 0]]))
        >>> metrics.compute()['acc_subset']
        tensor(1.)
    """

    is_differentiable = False
    full_state_update = False
    probs: list[Tensor]
    target: list[Tensor]
    pred: list[Tensor]

    def __init__(
        self,
        threshold: Literal['tuned', 'per-label'],
        *,
        label_names: Sequence[str] | None = None,
        zero_division: Literal[0, 1] = 0,
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.label_names = label_names
        self.zero_division = zero_division
        for name in ('probs', 'target', 'pred'):
            self.add_state(name, default=[], dist_reduce_fx='cat')

    def update(self, probs: Tensor, target: Tensor, pred: Tensor | None = None) -> None:
        """Adds a batch, all ``[B, L]``.

        Args:
            probs: Probabilities.
            target: True labels.
            pred: Decisions of a model that decides by itself, in every batch or none.
        """
        self.probs.append(probs)
        self.target.append(target)
        if pred is not None:
            self.pred.append(pred)

    def compute(self) -> dict[str, Tensor]:
        """The metrics of everything added since the last reset."""
        probs, y = dim_zero_cat(self.probs), dim_zero_cat(self.target)
        decided = len(self.pred) > 0
        return multilabel_metrics(
            probs,
            y,
            threshold=0.5 if decided else choose_threshold(self.threshold, probs, y),
            pred=dim_zero_cat(self.pred) if decided else None,
            label_names=self.label_names,
            zero_division=self.zero_division,
        )
