"""State that a model keeps between steps, as buffers that are saved with it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from hetero_mmer.errors import InputError
from hetero_mmer.functional.prototypes import update_prototypes


class Queue(Module):
    """The last embeddings that were pushed, with their classes.

    The memory of CARAT (Peng et al., AAAI 2024) for its contrastive loss. It starts
    as the authors' code does, with random vectors that only their variant of the loss
    reads, normalised over the slots, and with the class -1.

    Args:
        size: Number of slots.
        channels: Width of an embedding.

    Shapes:
        - **values**: ``[size, channels]``
        - **label**: ``[size]``, -1 in a slot that was never filled
        - **position**: ``[]``, the slot that is written next

    Raises:
        InputError: If there is no slot.

    Example:
        >>> queue = Queue(3, 1)
        >>> queue.push_(torch.arange(5.0).view(5, 1), torch.arange(5))
        >>> queue.label, queue.position
        (tensor([3, 4, 2]), tensor(2))
    """

    values: Tensor
    label: Tensor
    position: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        if size < 1:
            raise InputError(f'a queue has at least one slot (got {size})')
        self.register_buffer('values', torch.empty(size, channels))
        self.register_buffer('label', torch.empty(size, dtype=torch.long))
        self.register_buffer('position', torch.empty((), dtype=torch.long))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets the queue to its initial state."""
        self.values.copy_(F.normalize(torch.randn_like(self.values), dim=0))
        self.label.fill_(-1)
        self.position.zero_()

    @torch.no_grad()
    def push_(self, values: Tensor, label: Tensor) -> None:
        """Writes embeddings ``[N, channels]`` and classes ``[N]`` over the oldest."""
        size = len(self.label)
        step = torch.arange(len(label), device=label.device)[-size:]
        slot = (self.position + step) % size
        self.values[slot] = values[-size:].to(self.values.dtype)
        self.label[slot] = label[-size:]
        self.position.add_(len(label)).remainder_(size)

    def extra_repr(self) -> str:
        """Number of slots and width."""
        return f'{len(self.label)}, {self.values.size(1)}'


class Prototypes(Module):
    r"""A moving average of the embeddings of each class.

    CARAT (Peng et al., AAAI 2024), Eq. 8, with a class for each modality, label and
    polarity.

    Args:
        num_modalities: Number of modalities.
        num_labels: Number of labels.
        channels: Width of an embedding.
        momentum: :math:`\phi`, the share of a prototype kept at each embedding.
        normalize: Whether prototypes are normalised after each update.

    Shapes:
        - **values**: ``[num_modalities, num_labels, 2, channels]``

    Raises:
        InputError: If the momentum is not in [0, 1].

    Example:
        >>> Prototypes(3, 6, 64).values.shape
        torch.Size([3, 6, 2, 64])
    """

    values: Tensor

    def __init__(
        self,
        num_modalities: int,
        num_labels: int,
        channels: int,
        *,
        momentum: float = 0.99,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise InputError(f"'momentum' lies in [0, 1] (got {momentum})")
        self.momentum = momentum
        self.normalize = normalize
        shape = (num_modalities, num_labels, 2, channels)
        self.register_buffer('values', torch.zeros(shape))

    def reset_parameters(self) -> None:
        """Resets the prototypes to zero."""
        self.values.zero_()

    @torch.no_grad()
    def update_(self, x: Tensor, y: Tensor, mask: Tensor) -> None:
        """Averages in the embeddings ``[B, M, L, D]`` of labels ``[B, L]``.

        Those of modalities outside the mask ``[B, M]`` are left out.
        """
        new = update_prototypes(
            self.values,
            x.to(self.values.dtype),
            y,
            mask,
            momentum=self.momentum,
            normalize=self.normalize,
        )
        self.values.copy_(new)

    def extra_repr(self) -> str:
        """Shape and momentum."""
        return f'{list(self.values.shape)}, momentum={self.momentum}'
