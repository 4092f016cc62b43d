from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Module

from hetero_mmer.errors import InputError


class CARATLoss(Module):
    r"""The weighted sum of the losses of CARAT.

    CARAT (Peng et al., AAAI 2024), Eq. 15; the binary cross-entropy of the aggregation
    has the weight 1.

    Args:
        levels: Names of the levels of the fusion that are predicted from.
        bce_weights: :math:`\gamma_o, \gamma_\alpha, \gamma_\beta`, one for each level.
        reconstruction_weight: :math:`\gamma_r`.
        contrastive_weight: :math:`\gamma_c`.
        shuffle_weight: :math:`\gamma_s`.

    Shapes:
        - **parts**: each loss by its name, ``[]``
        - **output**: ``[]``

    Raises:
        InputError: If the number of ``bce_weights`` is not that of the levels.

    Example:
        >>> loss = CARATLoss(['lsr', 'frr'], bce_weights=(0.25, 1.0))
        >>> loss({'bce_lsr': torch.tensor(4.0), 'bce_agg': torch.tensor(0.5)})
        tensor(1.5000)
    """

    def __init__(
        self,
        levels: Sequence[str],
        *,
        bce_weights: Sequence[float] = (0.01, 0.1, 1.0),
        reconstruction_weight: float = 1.0,
        contrastive_weight: float = 1.0,
        shuffle_weight: float = 0.1,
    ) -> None:
        super().__init__()
        if levels and len(levels) != len(bce_weights):
            raise InputError(
                f"'bce_weights' has a weight for each of the levels {list(levels)} "
                f'(got {list(bce_weights)})'
            )
        bce = zip(levels, bce_weights, strict=False)
        self.weights = {
            **{f'bce_{level}': weight for level, weight in bce},
            'mse_semantic': reconstruction_weight,
            'mse_fusion': reconstruction_weight,
            'contrastive': contrastive_weight,
            'bce_agg': 1.0,
            'bce_shuffled': shuffle_weight,
        }

    def forward(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Eq. 15."""
        return torch.as_tensor(sum(self.weights[k] * v for k, v in parts.items()))
