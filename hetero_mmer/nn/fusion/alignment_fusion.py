from __future__ import annotations

from itertools import combinations

from torch import Tensor
from torch.nn import Module

from hetero_mmer.functional.masked import masked_mean, masked_mse
from hetero_mmer.nn.fusion.semantics import Semantics


class AlignmentFusion(Module):
    """The mean of all modalities, with a loss on their pairwise differences.

    CARAT (Peng et al., AAAI 2024), appendix D (1).

    Args:
        num_modalities: Number of modalities :math:`M`.
        channels: Width of a state.

    Shapes:
        - **u**: states ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``
        - **output**: states of the level ``aligned``, ``[B, 1, L, d]``, and ``lsr``,
          the states themselves, which take part in the loss only

    Example:
        >>> import torch
        >>> from hetero_mmer.nn.fusion import MeanSpace
        >>> u, mask = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> semantics = MeanSpace(3, 6, 16)(u, mask)
        >>> AlignmentFusion(3, 16)(u, semantics, mask)['aligned'].shape
        torch.Size([2, 1, 6, 16])
    """

    num_states = 1
    levels = ('aligned',)

    def __init__(self, num_modalities: int, channels: int) -> None:
        super().__init__()

    def reset_parameters(self) -> None:
        """Does nothing: there are no parameters."""

    def forward(
        self, u: Tensor, semantics: Semantics, mask: Tensor
    ) -> dict[str, Tensor]:
        """The states of all labels."""
        return {'lsr': u, 'aligned': masked_mean(u, mask).unsqueeze(1)}

    def loss(self, levels: dict[str, Tensor], mask: Tensor) -> Tensor:
        """Mean squared error between any two modalities that a sample has."""
        u = levels['lsr']
        losses = [
            masked_mse(u[:, [m]], u[:, [n]], mask[:, [m]] & mask[:, [n]])
            for m, n in combinations(range(u.size(1)), 2)
        ]
        return sum(losses, start=u.new_zeros(()))
