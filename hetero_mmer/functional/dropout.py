"""Dropout that draws sixteen bits for a number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, p: float) -> Tensor:
    """Sets each number to zero with probability ``p`` and scales up the others.

    On CPUs PyTorch's own takes longer to draw than HHMPN to multiply. Here four
    numbers share one draw of 64 bits, so ``p`` is rounded to a multiple of 1/65,536.

    Args:
        x: Numbers, of any shape.
        p: Probability, in [0, 1]; 0 returns ``x`` itself.

    Example:
        >>> dropout(torch.ones(2), 0.0)
        tensor([1., 1.])
        >>> torch.unique(dropout(torch.ones(1000), 0.5))
        tensor([0., 2.])
    """
    steps = round(p * 65536)
    if x.device.type != 'cpu' or not 0 < steps < 65536:
        return F.dropout(x, p)
    bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    mask = bits.view(torch.int16)[: x.numel()].view(x.shape) >= steps - 32768
    return x * (mask * (65536 / (65536 - steps))).to(x.dtype)
