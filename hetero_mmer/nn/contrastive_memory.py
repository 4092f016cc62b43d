from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor
from torch.nn import Module

from hetero_mmer.errors import InputError
from hetero_mmer.functional.contrastive import Anchors, supervised_contrastive_loss
from hetero_mmer.nn.memory import Queue


class ContrastiveMemory(Module):
    r"""Contrastive loss of cells against each other and those of past batches.

    CARAT (Peng et al., AAAI 2024), Eq. 6 and 7. A class is a (modality, label,
    polarity), so cells of one modality and label attract each other if the label
    has the same value in both. In training, the batch is then pushed to the queue.

    Args:
        channels: Width of an embedding.
        queue_size: Number of past embeddings.
        temperature: :math:`\tau`.
        anchors: Anchors whose losses are averaged: the batch (paper), or the batch and
            the queue (authors' code).

    Shapes:
        - **x**: normalised embeddings of K levels, ``[B, K, M, L, D]``
        - **y**: labels, 0 or 1, ``[B, L]``
        - **mask**: which modalities a sample has, ``[B, M]``; cells of others are
          left out
        - **output**: ``[]``

    Raises:
        InputError: For a temperature or a size that is not above 0.

    Example:
        >>> memory = ContrastiveMemory(4, queue_size=10)
        >>> x = torch.nn.functional.normalize(torch.randn(2, 3, 1, 2, 4), dim=-1)
        >>> memory(x, torch.ones(2, 2), torch.ones(2, 1) > 0) > 0
        tensor(True)
        >>> memory.queue.label
        tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    """

    def __init__(
        self,
        channels: int,
        *,
        queue_size: int = 8192,
        temperature: float = 0.07,
        anchors: Anchors = 'batch',
    ) -> None:
        super().__init__()
        if anchors not in get_args(Anchors):
            raise InputError(
                f"'anchors' is one of {get_args(Anchors)} (got '{anchors}')"
            )
        if not temperature > 0:
            raise InputError(f"'temperature' is above 0 (got {temperature})")
        self.temperature = temperature
        self.anchors = anchors
        self.queue = Queue(queue_size, channels)

    def reset_parameters(self) -> None:
        """Resets the queue."""
        self.queue.reset_parameters()

    def forward(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """The loss of a batch."""
        num_modalities, num_labels = x.shape[2:4]
        modality = torch.arange(num_modalities, device=x.device).view(-1, 1)
        label = torch.arange(num_labels, device=x.device)
        polarity = y.long().unsqueeze(1)  # [B, 1, L]
        classes = num_labels * (2 * modality + 1 - polarity) + label  # [B, M, L]
        classes = classes.unsqueeze(1).expand(x.shape[:-1])
        keep = mask[:, None, :, None].expand(x.shape[:-1])
        x, classes = x[keep], classes[keep]
        loss = supervised_contrastive_loss(
            x,
            classes,
            self.queue.values,
            self.queue.label,
            temperature=self.temperature,
            anchors=self.anchors,
        )
        if self.training:
            self.queue.push_(x, classes)
        return loss
