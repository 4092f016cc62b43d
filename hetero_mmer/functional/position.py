"""Encodings of an item's place in its sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoidal_encoding(
    pos: Tensor, channels: int, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    r"""Sinusoidal position encoding of Vaswani et al. (NeurIPS 2017), Sec. 3.5.

    .. math::
        p_{2k} = \sin(\omega_k t), \quad p_{2k+1} = \cos(\omega_k t), \quad
        \omega_k = 10000^{-2k / d}

    Args:
        pos: Place :math:`t` of each item, counted from 0, ``[N]``.
        channels: Width :math:`d` of the encoding.
        dtype: Float type to compute in.

    Returns:
        The encoding, ``[N, d]``.

    Example:
        >>> sinusoidal_encoding(torch.tensor([0, 1]), 2)
        tensor([[0.0000, 1.0000],
                [0.8415, 0.5403]])
    """
    even = torch.arange(0, channels, 2, device=pos.device, dtype=dtype)
    omega = torch.exp(even * (-math.log(10000.0) / channels))
    angle = pos.to(dtype).view(-1, 1) * omega  # [N, ceil(d / 2)]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :channels]
