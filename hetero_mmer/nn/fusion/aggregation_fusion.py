from __future__ import annotations

from torch import Tensor
from torch.nn import Linear, Module

from hetero_mmer.nn.fusion.semantics import Semantics


class AggregationFusion(Module):
    """One linear map of all modalities' states side by side.

    CARAT (Peng et al., AAAI 2024), appendix D (2).

    Args:
        num_modalities: Number of modalities :math:`M`.
        channels: Width of a state.

    Shapes:
        - **u**: states ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``
        - **output**: states of the level ``aggregated``, ``[B, 1, L, d]``

    Example:
        >>> import torch
        >>> from hetero_mmer.nn.fusion import MeanSpace
        >>> u, mask = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> semantics = MeanSpace(3, 6, 16)(u, mask)
        >>> AggregationFusion(3, 16)(u, semantics, mask)['aggregated'].shape
        torch.Size([2, 1, 6, 16])
    """

    num_states = 1
    levels = ('aggregated',)

    def __init__(self, num_modalities: int, channels: int) -> None:
        super().__init__()
        self.lin = Linear(num_modalities * channels, channels)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        self.lin.reset_parameters()

    def forward(
        self, u: Tensor, semantics: Semantics, mask: Tensor
    ) -> dict[str, Tensor]:
        """The states of all labels."""
        joined = semantics.semantic.transpose(1, 2).flatten(2)  # [B, L, M·d]
        return {'aggregated': self.lin(joined).unsqueeze(1)}

    def loss(self, levels: dict[str, Tensor], mask: Tensor) -> Tensor:
        """Zero: there is no target for the states."""
        return mask.new_zeros((), dtype=levels['aggregated'].dtype)
