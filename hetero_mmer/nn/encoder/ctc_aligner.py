from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor
from torch.nn import LSTM, Module

from hetero_mmer.errors import InputError
from hetero_mmer.functional.ctc import InputLength, ctc_align, ctc_loss, interpolate
from hetero_mmer.functional.padding import pad


class CTCAligner(Module):
    r"""Makes the same number of items of every sequence, by where they belong.

    Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences"
    (ACL 2019), whose code aligns so for baselines, as does that of CARAT for unaligned
    data: a two-layer LSTM tells for each item j the probability of each place t, or of
    none, and each place gets the sum of all items, weighted by it:

    .. math::
        \mathbf{P}_j = \mathrm{softmax}(\mathrm{LSTM}(\mathbf{x})_j), \qquad
        \mathbf{x}'_t = \sum_j P_{jt} \mathbf{x}_j, \quad t = 1, \dots, N

    Called with items alone, as in CARAT, it has no loss; :meth:`align` learns the
    places of an anchor, such as the words, by CTC.

    Args:
        channels: Width of an item's features.
        num_items: Number of items :math:`N` of every sequence that comes out.
        normalize: Whether the weights of each place sum to one.
        ctc_input_length: How many steps the loss sees, all of the ``source``, or as
            many as the ``anchor`` has, as in TAILOR's code.

    Shapes:
        - **x**: ``[N, channels]``, sample after sample
        - **ptr**: ``[B + 1]``, where the items of each sample start
        - **output**: items ``[N · B', channels]`` for the B' samples that have any,
          and where those of each sample start ``[B + 1]``

    Raises:
        InputError: If nothing is to come out, or ``ctc_input_length`` is another.

    Deviations:
        - Lengths are those of each sample; in the code all are the longest.
        - PyTorch's CTC takes the place of a binding that is no longer built, whose
          gradient ignores the weight of the loss.
        - A sequence shorter than its anchor, of which CTC knows no path, is
          interpolated, and has no loss.

    Example:
        >>> items, ptr = CTCAligner(3, 2)(torch.randn(5, 3), torch.tensor([0, 5, 5]))
        >>> items.shape, ptr
        (torch.Size([2, 3]), tensor([0, 2, 2]))
    """

    def __init__(
        self,
        channels: int,
        num_items: int,
        *,
        normalize: bool = False,
        ctc_input_length: InputLength = 'source',
    ) -> None:
        super().__init__()
        if num_items < 1:
            raise InputError(f'an aligner makes at least one item (got {num_items})')
        if ctc_input_length not in get_args(InputLength):
            raise InputError(
                f"'ctc_input_length' is one of {get_args(InputLength)} "
                f"(got '{ctc_input_length}')"
            )
        self.num_items = num_items
        self.normalize = normalize
        self.ctc_input_length: InputLength = ctc_input_length
        self.lstm = LSTM(channels, num_items + 1, num_layers=2, batch_first=True)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        self.lstm.reset_parameters()

    def forward(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Aligns the sequences of all samples."""
        x, mask = pad(x, ptr)
        there = mask.any(dim=1)
        # Padding comes last, so the LSTM has read every item by then.
        out = ctc_align(x, self.lstm(x)[0], mask, normalize=self.normalize)
        new_ptr = torch.cat([ptr[:1], there.cumsum(0) * self.num_items])
        return out[there].flatten(0, 1), new_ptr

    def align(
        self, x: Tensor, mask: Tensor, anchor_length: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Aligns padded sequences to anchors, and tells how well that went.

        Args:
            x: Items, ``[B, S, channels]``, padded on the right with anything.
            mask: Where an item is, ``[B, S]``.
            anchor_length: Number of items of each anchor, ``[B]``, at most
                ``num_items``; 0 for a sample that lacks it.

        Returns:
            Items ``[B, num_items, channels]``, of which those beyond the anchor mean
            nothing; and the loss of each sample ``[B]``.
        """
        x, length = x.masked_fill(~mask.unsqueeze(-1), 0.0), mask.sum(dim=1)
        scores, _ = self.lstm(x)
        out = ctc_align(x, scores, mask, normalize=self.normalize)
        loss = ctc_loss(
            scores, length, anchor_length, input_length=self.ctc_input_length
        )
        stretched = interpolate(x, length, anchor_length, self.num_items)
        short = (length < anchor_length).view(-1, 1, 1)
        return torch.where(short, stretched, out), loss

    def extra_repr(self) -> str:
        """Number of items that come out."""
        return f'num_items={self.num_items}'
