from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module

from hetero_mmer.functional.masked import masked_bce
from hetero_mmer.functional.shuffle import (
    permutations,
    shuffle_modalities,
    shuffle_samples,
)


class LabelAggregation(Module):
    """Logits of all labels from the states of all labels, for each modality.

    CARAT (Peng et al., AAAI 2024), Eq. 11 to 14: the states of a modality's labels
    side by side go through two layers, the same for all modalities. In training, the
    layers also learn from states of different samples and modalities.

    Args:
        num_states: Number of states of each label, one for each modality.
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`d` of a state.
        shuffle_samples: Whether the loss also shuffles states between samples.
        shuffle_modalities: Whether it also shuffles states between modalities.

    Shapes:
        - **states**: ``[B, M, L, d]``
        - **mask**: which modalities a sample has, ``[B, M]``
        - **output**: logits ``[B, M, L]`` and their mask ``[B, M]``

    Deviations:
        - The two shuffles come one after the other, as in Eq. 11 and 12, so that every
          state occurs once. The authors' code applies both to the target index, so
          that some states occur twice and others never.
        - In evaluation, the loss shuffles nothing.

    Example:
        >>> states, mask = torch.randn(2, 3, 6, 16), torch.ones(2, 3) > 0
        >>> LabelAggregation(3, 6, 16)(states, mask)[0].shape
        torch.Size([2, 3, 6])
    """

    def __init__(
        self,
        num_states: int,
        num_labels: int,
        channels: int,
        *,
        shuffle_samples: bool = True,
        shuffle_modalities: bool = True,
    ) -> None:
        super().__init__()
        self.shuffle_samples = shuffle_samples
        self.shuffle_modalities = shuffle_modalities
        self.lin_in = Linear(num_labels * channels, channels)
        self.lin_out = Linear(channels, num_labels)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        self.lin_in.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Aggregates the labels."""
        return self.lin_out(self.lin_in(states.flatten(2)).relu()), mask

    def loss(
        self, logits: Tensor, states: Tensor, y: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Eq. 14: ``bce_agg`` of the logits, ``bce_shuffled`` of shuffled states."""
        targets = y.unsqueeze(1).expand_as(logits)
        parts = {'bce_agg': masked_bce(logits, targets, mask)}
        if self.shuffle_samples or self.shuffle_modalities:
            samples, modalities = self.draw_permutations(mask)
            states, targets = (
                shuffle_modalities(shuffle_samples(x, samples), modalities)
                for x in (states, targets)
            )
            parts['bce_shuffled'] = masked_bce(self(states, mask)[0], targets, mask)
        return parts

    def draw_permutations(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Random permutations for Eq. 11 and 12; identities in evaluation.

        Args:
            mask: Which modalities a sample has, ``[B, M]``; cells of others stay.

        Returns:
            Of the samples for each label and modality, ``[L, M, B]``, and of the
            modalities for each label and sample, ``[L, B, M]``.
        """
        drawn = []
        for free, shuffles in (
            (mask.T, self.shuffle_samples),
            (mask, self.shuffle_modalities),
        ):
            free = free & shuffles & self.training
            free = free.expand(self.lin_out.out_features, -1, -1)
            keys = torch.rand(free.shape, device=mask.device)
            drawn.append(permutations(keys, free))
        return drawn[0], drawn[1]
