from __future__ import annotations

from torch import Tensor
from torch.nn import Linear, Module


class LabelAggregation(Module):
    """Logits of all labels from the states of all labels, for each modality.

    CARAT (Peng et al., AAAI 2024), Eq. 13 and 14: the states of a modality's labels
    side by side go through two layers, the same for all modalities.

    Args:
        num_states: Number of states of each label, one for each modality.
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`d` of a state.

    Shapes:
        - **states**: ``[B, M, L, d]``
        - **present**: whether a sample has a modality, ``[B, M]``
        - **output**: logits ``[B, M, L]`` and which of them are there ``[B, M]``

    Example:
        >>> import torch
        >>> states, present = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> LabelAggregation(3, 6, 16)(states, present)[0].shape
        torch.Size([2, 3, 6])
    """

    #: Whether states may come from several samples and modalities.
    shuffles = True

    def __init__(self, num_states: int, num_labels: int, channels: int) -> None:
        super().__init__()
        self.lin_in = Linear(num_labels * channels, channels)
        self.lin_out = Linear(channels, num_labels)

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self.lin_in.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(self, states: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Aggregates the labels."""
        return self.lin_out(self.lin_in(states.flatten(2)).relu()), present
