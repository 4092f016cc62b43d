"""Losses of logits that stand for plain binary cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from hetero_mmer.graph import targets


class BCE(Module):
    """Binary cross-entropy, mean over samples and labels.

    Shapes:
        - **logits**, **y**: ``[B, L]``
        - **output**: ``[]``
    """

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        return F.binary_cross_entropy_with_logits(logits, y)


class WeightedBCE(Module):
    r"""Cross-entropy in which a label's positives weigh as much as its negatives.

    .. math::
        -\tfrac{N - N_i}{N_i} \, y_i \log \hat{y}_i - (1 - y_i) \log(1 - \hat{y}_i)

    where :math:`N_i` of N training samples have label i; a label without positives has
    weight 1.

    Args:
        max_weight: The highest weight.

    Shapes:
        - **logits**, **y**: ``[B, L]``
        - **output**: ``[]``
    """

    pos_weight: Tensor

    def __init__(self, *, max_weight: float = 100.0) -> None:
        super().__init__()
        self.max_weight = max_weight
        self.register_buffer('pos_weight', torch.empty(0))

    def fit(self, batches: Iterable[HeteroData]) -> None:
        """Counts the labels of the train split."""
        counts = [(y.sum(dim=0), len(y)) for y in map(targets, batches)]
        positive = torch.stack([count for count, _ in counts]).sum(dim=0)
        negative = sum(size for _, size in counts) - positive
        weight = (negative / positive).clamp(max=self.max_weight)
        self.pos_weight = weight.where(positive > 0, torch.ones_like(weight))

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        weight = self.pos_weight.to(logits.dtype) if self.pos_weight.numel() else None
        return F.binary_cross_entropy_with_logits(logits, y, pos_weight=weight)


class Focal(Module):
    r"""Cross-entropy that looks away from what is easy.

    Lin et al., "`Focal Loss for Dense Object Detection
    <https://arxiv.org/abs/1708.02002>`_" (ICCV 2017), Eq. 5, for each label:

    .. math::
        -\alpha_t (1 - p_t)^{\gamma} \log p_t

    with :math:`p_t` the probability of what is true.

    Args:
        gamma: :math:`\gamma`.
        alpha: Weight of positives; negatives have :math:`1 - \alpha`. Both weigh 1 if
            ``None``.

    Shapes:
        - **logits**, **y**: ``[B, L]``
        - **output**: ``[]``
    """

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        log_p = -F.binary_cross_entropy_with_logits(logits, y, reduction='none')
        loss = -((1 - log_p.exp()) ** self.gamma) * log_p
        if self.alpha is not None:
            loss = loss * (self.alpha * y + (1 - self.alpha) * (1 - y))
        return loss.mean()


class Asymmetric(Module):
    r"""Focal loss that looks away from easy negatives more than from positives.

    Ridnik et al., "`Asymmetric Loss For Multi-Label Classification
    <https://arxiv.org/abs/2009.14119>`_" (ICCV 2021), Eq. 7:

    .. math::
        -y (1 - p)^{\gamma_+} \log p - (1 - y) p_m^{\gamma_-} \log(1 - p_m), \qquad
        p_m = \max(p - m, 0)

    Args:
        gamma_negative: :math:`\gamma_-`.
        gamma_positive: :math:`\gamma_+`.
        margin: m, below which negatives do not count.

    Shapes:
        - **logits**, **y**: ``[B, L]``
        - **output**: ``[]``

    Deviations:
        Mean over samples and labels, where the authors' code sums.
    """

    def __init__(
        self,
        *,
        gamma_negative: float = 4.0,
        gamma_positive: float = 1.0,
        margin: float = 0.05,
    ) -> None:
        super().__init__()
        self.gamma_negative = gamma_negative
        self.gamma_positive = gamma_positive
        self.margin = margin

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch."""
        p = logits.sigmoid()
        shifted = (p - self.margin).clamp(min=0)
        positive = (1 - p) ** self.gamma_positive * F.logsigmoid(logits)
        # 1 - p_m is at least the margin or 1 - p, of which the logarithm is exact.
        log_rest = torch.where(
            shifted > 0, torch.log((1 - p + self.margin).clamp(max=1)), 0.0
        )
        negative = shifted**self.gamma_negative * log_rest
        return -(y * positive + (1 - y) * negative).mean()
