from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from hetero_mmer.functional.multilabel import confusion_counts


class SampleMean(Metric):
    """Mean over samples of a score of their labels, such as the Jaccard index.

    The state counts samples by their numbers of right positives and of wrong cells,
    which are integers: batches and processes add up to exactly the value of the whole.

    Args:
        score: :func:`~hetero_mmer.functional.multilabel.jaccard_index` or
            :func:`~hetero_mmer.functional.multilabel.f1_score`.
        num_labels: Number of labels.
        zero_division: Value of a sample with neither true nor predicted labels.

    Example:
        >>> from hetero_mmer.functional.multilabel import jaccard_index
        >>> metric = SampleMean(jaccard_index, 2)
        >>> y = torch.tensor([[1, 0], [0, 1]])
        >>> metric.update(torch.tensor([[1, 1], [0, 1]]), y)
        >>> metric.compute()
        tensor(0.7500)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    num_samples: Tensor

    def __init__(
        self,
        score: Callable[..., Tensor],
        num_labels: int,
        *,
        zero_division: Literal[0, 1] = 0,
    ) -> None:
        super().__init__()
        self.score = score
        self.size = num_labels + 1
        self.zero_division = zero_division
        zeros = torch.zeros(self.size**2, dtype=torch.long)
        self.add_state('num_samples', default=zeros, dist_reduce_fx='sum')

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Adds decisions and true labels, both ``[B, L]``."""
        tp, fp, fn, _ = confusion_counts(preds, target, dim=1)
        cell = tp * self.size + fp + fn
        counts = torch.bincount(cell, minlength=self.num_samples.numel())
        self.num_samples = self.num_samples + counts

    def compute(self) -> Tensor:
        """The value of everything added since the last reset."""
        cell = torch.arange(self.num_samples.numel(), device=self.num_samples.device)
        tp, wrong = cell // self.size, cell % self.size
        zero = torch.zeros_like(cell)
        counts = torch.stack([tp, wrong, zero, zero])
        score = self.score(counts, zero_division=self.zero_division)
        total = (self.num_samples * score.double()).sum()
        return (total / self.num_samples.sum()).to(score.dtype)
