from __future__ import annotations

import torch.nn
from torch import Tensor

from hetero_mmer.errors import InputError
from hetero_mmer.functional.dropout import dropout


class Dropout(torch.nn.Dropout):
    """PyTorch's dropout with fewer random bits, which take most of its time on CPUs.

    Args:
        p: Probability to set a number to zero, to a multiple of 1/65,536.

    Raises:
        InputError: If ``p`` is NaN.

    Example:
        >>> import torch
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)
        if p != p:  # Which PyTorch takes.
            raise InputError(f'a probability of dropout lies in [0, 1] (got {p})')

    def forward(self, x: Tensor) -> Tensor:
        """Drops in training, else changes nothing."""
        return dropout(x, self.p) if self.training else x
