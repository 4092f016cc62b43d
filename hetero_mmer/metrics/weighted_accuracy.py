from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.classification import MultilabelStatScores

from hetero_mmer.functional.multilabel import weighted_accuracy


class WeightedAccuracy(MultilabelStatScores):
    """Weighted accuracy of each label, ``wa_<label>``.

    See :func:`~hetero_mmer.functional.multilabel.weighted_accuracy`.

    Args:
        label_names: Names of the labels.

    Example:
        >>> metric = WeightedAccuracy(['joy'])
        >>> metric.update(torch.tensor([[1], [1], [0]]), torch.tensor([[1], [0], [0]]))
        >>> metric.compute()
        {'wa_joy': tensor(0.7500)}
    """

    higher_is_better = True
    tp: Tensor
    fp: Tensor
    tn: Tensor
    fn: Tensor

    def __init__(self, label_names: Sequence[str]) -> None:
        # Arguments would be checked for two labels at least.
        super().__init__(len(label_names), average=None, validate_args=False)
        self.label_names = list(label_names)

    def compute(self) -> dict[str, Tensor]:
        """The values of everything added since the last reset."""
        values = weighted_accuracy(torch.stack([self.tp, self.fp, self.fn, self.tn]))
        names = (f'wa_{name}' for name in self.label_names)
        return dict(zip(names, values, strict=True))
