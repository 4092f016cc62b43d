from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleList

from hetero_mmer.functional.masked import masked_mse
from hetero_mmer.nn.fusion.semantics import Semantics


class Reconstruction(Module):
    r"""Restores each modality's states from all modalities, at two levels.

    CARAT (Peng et al., AAAI 2024), Eq. 2 and 3. With a linear map :math:`R^m` for each
    modality, in the order of the modalities,

    .. math::
        \alpha^m = R^m(\hat{\mathbf{u}}^1 \Vert \dots \Vert \mathbf{d}^m \Vert \dots
        \Vert \hat{\mathbf{u}}^M), \qquad
        \beta^m = R^m(\alpha^1 \Vert \dots \Vert \alpha^M)

    where :math:`\hat{\mathbf{u}}` are semantic and :math:`\mathbf{d}` intrinsic
    vectors.

    Args:
        num_modalities: Number of modalities :math:`M`.
        channels: Width :math:`d` of a state.
        first_level: Whether there is the first level; without it, the second restores
            from the semantic vectors.
        second_level: Whether there is the second level.

    Shapes:
        - **u**: states ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``
        - **output**: states of the levels ``lsr`` (``u`` itself), ``frr`` (first) and
          ``srr`` (second), ``[B, M, L, d]``

    Deviations:
        - The loss has no term for the second level, as in the authors' script.
        - What takes the place of a level that is left out is not given: the other one
          works on the semantic vectors, and nothing is restored without both.

    Example:
        >>> from hetero_mmer.nn.fusion import MeanSpace
        >>> u, mask = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> list(Reconstruction(3, 16)(u, MeanSpace(3, 6, 16)(u, mask), mask))
        ['lsr', 'frr', 'srr']
    """

    def __init__(
        self,
        num_modalities: int,
        channels: int,
        *,
        first_level: bool = True,
        second_level: bool = True,
    ) -> None:
        super().__init__()
        self.num_states = num_modalities
        self.first_level = first_level
        self.second_level = second_level
        used = {'lsr': True, 'frr': first_level, 'srr': second_level}
        self.levels = tuple(level for level in used if used[level])
        needed = num_modalities if len(self.levels) > 1 else 0
        self.restore = ModuleList(
            Linear(num_modalities * channels, channels) for _ in range(needed)
        )

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for lin in self.restore:
            lin.reset_parameters()  # type: ignore[operator]

    def forward(
        self, u: Tensor, semantics: Semantics, mask: Tensor
    ) -> dict[str, Tensor]:
        """The states of each level; a missing modality is restored as any other."""
        out, x = {'lsr': u}, semantics.semantic
        if self.first_level:
            out['frr'] = x = self._restore(x, target=semantics.intrinsic)
        if self.second_level:
            out['srr'] = self._restore(x, target=x)
        return out

    def loss(self, levels: dict[str, Tensor], mask: Tensor) -> Tensor:
        """The part of Eq. 3 about the first level."""
        return masked_mse(levels.get('frr', levels['lsr']), levels['lsr'], mask)

    def _restore(self, x: Tensor, *, target: Tensor) -> Tensor:
        parts, restored = x.unbind(1), []  # M times [B, L, d]
        for m, lin in enumerate(self.restore):
            inputs = [*parts[:m], target[:, m], *parts[m + 1 :]]
            restored.append(lin(torch.cat(inputs, dim=-1)))
        return torch.stack(restored, dim=1)
