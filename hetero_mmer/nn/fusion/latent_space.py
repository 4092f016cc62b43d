from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear, Module, ModuleList, ReLU, Sequential

from hetero_mmer.functional.prototypes import (
    hard_intrinsic,
    prototype_similarity,
    soft_intrinsic,
)
from hetero_mmer.nn.fusion.semantics import Semantics
from hetero_mmer.nn.memory import Prototypes


class LatentSpace(Module):
    r"""Latent vectors of the cells, and the prototypes among them.

    CARAT (Peng et al., AAAI 2024), Eq. 8 to 10. Each modality has an encoder and a
    decoder of two layers. The semantic vector of a cell is its decoded latent vector,
    the intrinsic vector the decoded weighted mean of both prototypes of its modality
    and label (in training), or the decoded nearest one (in evaluation).

    A cell whose modality is missing has no latent vector. Both of its vectors are the
    decoded nearest prototype, by the mean similarity of the label's cells of the other
    modalities.

    Args:
        num_modalities: Number of modalities :math:`M`.
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`d` of a state.
        latent_channels: Width :math:`d_z` of a latent vector.
        momentum: :math:`\phi`, the share of a prototype kept at each embedding.
        normalize_prototypes: Whether prototypes are normalised, as in the paper.

    Shapes:
        - **u**: states ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``

    Deviations:
        Prototypes are not normalised by default, as in the authors' code; if they
        are, then once after each batch.

    Example:
        >>> space = LatentSpace(3, 6, 16, latent_channels=8)
        >>> space(torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0).latent.shape
        torch.Size([2, 3, 6, 8])
    """

    def __init__(
        self,
        num_modalities: int,
        num_labels: int,
        channels: int,
        *,
        latent_channels: int = 64,
        momentum: float = 0.99,
        normalize_prototypes: bool = False,
    ) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        widths = (channels, channels // 2, latent_channels)
        modalities = range(num_modalities)
        self.encoders = ModuleList(_mlp(*widths) for _ in modalities)
        self.decoders = ModuleList(_mlp(*reversed(widths)) for _ in modalities)
        self.prototypes = Prototypes(
            num_modalities,
            num_labels,
            latent_channels,
            momentum=momentum,
            normalize=normalize_prototypes,
        )

    def reset_parameters(self) -> None:
        """Resets all parameters and the prototypes."""
        for mlp in (*self.encoders, *self.decoders):
            mlp[0].reset_parameters()
            mlp[2].reset_parameters()
        self.prototypes.reset_parameters()

    def forward(self, u: Tensor, mask: Tensor) -> Semantics:
        """The semantics of all cells."""
        z = _each(self.encoders, u)
        latent = F.normalize(z, dim=-1)
        # A copy: they are updated before the backward pass, which needs these values.
        prototypes = self.prototypes.values.clone()
        similarity = prototype_similarity(latent, prototypes, mask)
        hard = hard_intrinsic(similarity, prototypes)
        soft = soft_intrinsic(similarity, prototypes) if self.training else hard
        cells = mask[:, :, None, None]
        intrinsic = _each(self.decoders, torch.where(cells, soft, hard))
        semantic = torch.where(cells, _each(self.decoders, z), intrinsic)
        return Semantics(semantic, intrinsic, latent)

    def embed(self, states: Tensor) -> Tensor:
        """Normalised latent vectors of any states ``[*, M, L, d]``."""
        return F.normalize(_each(self.encoders, states), dim=-1)

    def update_(self, u: Tensor, out: Semantics, y: Tensor, mask: Tensor) -> None:
        """Moves the prototypes towards the latent vectors of a batch."""
        assert out.latent is not None
        self.prototypes.update_(out.latent, y, mask)


def _mlp(in_channels: int, hidden_channels: int, out_channels: int) -> Sequential:
    return Sequential(
        Linear(in_channels, hidden_channels),
        ReLU(),
        Linear(hidden_channels, out_channels),
    )


def _each(modules: Iterable[Module], x: Tensor) -> Tensor:
    """Applies the module of each modality, ``[*, M, L, d]``."""
    parts = zip(modules, x.unbind(-3), strict=True)
    return torch.stack([module(part) for module, part in parts], dim=-3)
