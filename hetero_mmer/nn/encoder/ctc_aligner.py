from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import LSTM, Module
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from hetero_mmer.errors import InputError


class CTCAligner(Module):
    r"""Makes the same number of items of every sequence, by where they belong.

    The front of CARAT's authors' code for unaligned data, from Tsai et al.,
    "Multimodal Transformer for Unaligned Multimodal Language Sequences" (ACL 2019): a
    two-layer LSTM tells for each item j the probability of each place t, or of none,
    and each place gets the sum of all items, weighted by it:

    .. math::
        \mathbf{P}_j = \mathrm{softmax}(\mathrm{LSTM}(\mathbf{x})_j), \qquad
        \mathbf{x}'_t = \sum_j P_{jt} \mathbf{x}_j, \quad t = 1, \dots, T

    Args:
        channels: Width of an item's features.
        num_items: Number of items :math:`T` of every sequence that comes out.

    Shapes:
        - **x**: ``[N, channels]``, sample after sample
        - **ptr**: ``[B + 1]``, where the items of each sample start
        - **output**: items ``[T · B', channels]`` for the B' samples that have any,
          and where those of each sample start ``[B + 1]``

    Raises:
        InputError: If nothing is to come out.

    Example:
        >>> items, ptr = CTCAligner(3, 2)(torch.randn(5, 3), torch.tensor([0, 5, 5]))
        >>> items.shape, ptr
        (torch.Size([2, 3]), tensor([0, 2, 2]))
    """

    def __init__(self, channels: int, num_items: int) -> None:
        super().__init__()
        if num_items < 1:
            raise InputError(f'an aligner makes at least one item (got {num_items})')
        self.num_items = num_items
        self.lstm = LSTM(channels, num_items + 1, num_layers=2, batch_first=True)

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self.lstm.reset_parameters()

    def forward(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Aligns the sequences of all samples."""
        length = ptr.diff()
        new_ptr = torch.cat([ptr[:1], (length > 0).cumsum(0) * self.num_items])
        sequences = [s for s in x.split(length.tolist()) if len(s)]
        if not sequences:
            return x, new_ptr
        packed = pack_sequence(sequences, enforce_sorted=False)
        out, _ = self.lstm(packed)  # The LSTM sees no padding either.
        data = out.data.softmax(dim=-1)[:, 1:]  # The first stands for no place.
        places = unpack_sequence(PackedSequence(data, *out[1:]))
        aligned = [p.T @ s for p, s in zip(places, sequences, strict=True)]
        return torch.cat(aligned), new_ptr

    def extra_repr(self) -> str:
        """Number of items that come out."""
        return f'num_items={self.num_items}'
