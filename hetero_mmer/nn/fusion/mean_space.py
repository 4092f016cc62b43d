from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Module

from hetero_mmer.functional.masked import masked_mean
from hetero_mmer.nn.fusion.semantics import Semantics


class MeanSpace(Module):
    r"""States as they are, and their mean over the batch.

    CARAT (Peng et al., AAAI 2024), Eq. 17: the ablation without latent vectors. The
    intrinsic vector of a modality and label is the mean of the batch; a missing
    modality is filled with it, too.

    Args:
        num_modalities: Number of modalities :math:`M`.
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`d` of a state.
        momentum: Share of the mean for evaluation that is kept at each batch.

    Shapes:
        - **u**: states ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``

    Deviations:
        In evaluation, a moving average over the training batches stands for the mean
        of the batch, so that a prediction does not depend on other samples.

    Example:
        >>> space = MeanSpace(1, 1, 1)
        >>> u, mask = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.ones(2, 1) > 0
        >>> space(u, mask).intrinsic.flatten()
        tensor([2., 2.])
    """

    mean: Tensor

    def __init__(
        self,
        num_modalities: int,
        num_labels: int,
        channels: int,
        *,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        shape = (num_modalities, num_labels, channels)
        self.register_buffer('mean', torch.zeros(shape))

    def reset_parameters(self) -> None:
        """Resets the mean to zero."""
        self.mean.zero_()

    def forward(self, u: Tensor, mask: Tensor) -> Semantics:
        """The semantics of all cells."""
        mean = self._batch_mean(u, mask) if self.training else self.mean
        intrinsic = mean.expand_as(u)
        semantic = torch.where(mask[:, :, None, None], u, intrinsic)
        return Semantics(semantic, intrinsic, None)

    @torch.no_grad()
    def update_(self, u: Tensor, out: Semantics, y: Tensor, mask: Tensor) -> None:
        """Moves the mean towards that of a batch."""
        self.mean.lerp_(self._batch_mean(u, mask), 1 - self.momentum)

    def _batch_mean(self, u: Tensor, mask: Tensor) -> Tensor:
        mean = masked_mean(u, mask, dim=0)
        return torch.where(mask.any(dim=0)[:, None, None], mean, self.mean.clone())
