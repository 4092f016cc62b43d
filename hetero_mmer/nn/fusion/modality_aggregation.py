from __future__ import annotations

from torch import Tensor
from torch.nn import Linear, Module

from hetero_mmer.functional.masked import masked_bce, masked_mean


class ModalityAggregation(Module):
    """A label's logit from its states in all modalities.

    CARAT (Peng et al., AAAI 2024), appendix C.1: "AGG" of the ablations, the states of
    a label side by side through two layers. A missing modality is filled with the mean
    of the others.

    Args:
        num_states: Number of states of each label, one for each modality.
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`d` of a state.

    Shapes:
        - **states**: ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``
        - **output**: logits ``[B, 1, L]`` and their mask ``[B, 1]``

    Deviations:
        What follows the concatenation is not given; it has the layers of the paper's
        aggregation, with weights of its own for each label in the last one.

    Example:
        >>> import torch
        >>> states, mask = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> ModalityAggregation(3, 6, 16)(states, mask)[0].shape
        torch.Size([2, 1, 6])
    """

    def __init__(self, num_states: int, num_labels: int, channels: int) -> None:
        super().__init__()
        self.lin_in = Linear(num_states * channels, channels)
        self.lin_out = Linear(channels, num_labels)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        self.lin_in.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Aggregates the modalities."""
        mean = masked_mean(states, mask).unsqueeze(1)
        filled = (
            states.where(mask[:, :, None, None], mean).transpose(1, 2).flatten(2)
        )  # [B, L, M·d]
        logits = self.lin_out(self.lin_in(filled).relu())  # [B, L, L]
        logits = logits.diagonal(dim1=1, dim2=2)  # The logit of label i from row i.
        return logits.unsqueeze(1), mask.any(dim=1, keepdim=True)

    def loss(
        self, logits: Tensor, states: Tensor, y: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Eq. 14 without shuffles: ``bce_agg``."""
        rows = mask.any(dim=1, keepdim=True)
        return {'bce_agg': masked_bce(logits, y.unsqueeze(1), rows)}
