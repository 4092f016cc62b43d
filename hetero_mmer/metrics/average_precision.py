from __future__ import annotations

import warnings

from torch import Tensor
from torchmetrics.classification import MultilabelAveragePrecision
from torchmetrics.functional.classification import multilabel_average_precision
from torchmetrics.utilities.data import dim_zero_cat


def mean_average_precision(probs: Tensor, y: Tensor) -> Tensor:
    """Mean of the labels' average precision; 0 for a label without positives.

    Args:
        probs: Probabilities ``[N, L]``.
        y: True labels ``[N, L]``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'No positive samples', UserWarning)
        return multilabel_average_precision(
            probs, y.long(), num_labels=y.size(1), validate_args=False
        )


class MeanAveragePrecision(MultilabelAveragePrecision):
    """torchmetrics' metric for one label and more, of an argument ``probs``.

    Args:
        num_labels: Number of labels.

    Example:
        >>> import torch
        >>> metric = MeanAveragePrecision(2)
        >>> metric.update(torch.tensor([[0.9, 0.2]]), torch.tensor([[1, 0]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def __init__(self, num_labels: int) -> None:
        # Arguments would be checked for two labels at least.
        super().__init__(num_labels, validate_args=False)

    def update(self, probs: Tensor, target: Tensor) -> None:
        """Adds probabilities and true labels, both ``[B, L]``."""
        super().update(probs, target)

    def compute(self) -> Tensor:
        """The value of everything added since the last reset."""
        return mean_average_precision(
            dim_zero_cat(self.preds), dim_zero_cat(self.target)
        )
