from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, LayerNorm, Linear, Module, ModuleList

from hetero_mmer.errors import InputError
from hetero_mmer.functional.attention import BlockRows, block_attention, block_rows
from hetero_mmer.nn.dropout import Dropout
from hetero_mmer.nn.encoder.item_encoder import item_encoder

#: Epsilon of the layer norms, as in the authors' code.
EPS = 1e-12


class TransformerEncoder(Module):
    r"""Transformer over the items of each sample, one modality at a time.

    The extractor of CARAT (Peng et al., AAAI 2024): a linear map (of ids: a learned
    embedding), a learned embedding of the position, and layers with a norm
    after each residual sum, as of Vaswani et al. (NeurIPS 2017). Items attend to
    all items of their sample, themselves included. Samples of different length need no
    padding: everything but attention works on single items.

    Args:
        in_channels: Width of an item's features.
        out_channels: Width :math:`d` of all states, also inside the feed-forward part.
        num_layers: Number of layers.
        heads: Number of attention heads.
        dropout: Dropout on embeddings, attention weights and both parts of a layer.
        max_positions: Number of position embeddings; later positions share the last.
            With 0 there are none.
        num_embeddings: Size of the vocabulary, if items are ids; ``in_channels`` is 1.

    Shapes:
        - **x**: ``[N, in_channels]``, sample after sample
        - **ptr**: ``[B + 1]``, where the items of each sample start
        - **pos**: ``[N]``, position of each item, or ``None`` for a set
        - **output**: ``[N, out_channels]``

    Raises:
        InputError: If ``heads`` does not divide ``out_channels``, ids are wider than
            1, or ``ptr`` does not cover all items.

    Example:
        >>> encoder = TransformerEncoder(3, 8, num_layers=1)
        >>> encoder(torch.randn(5, 3), torch.tensor([0, 4, 5])).shape
        torch.Size([5, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_layers: int = 4,
        heads: int = 8,
        dropout: float = 0.3,
        max_positions: int = 512,
        num_embeddings: int | None = None,
    ) -> None:
        super().__init__()
        self.lin = item_encoder(in_channels, out_channels, num_embeddings)
        self.position = None
        if max_positions > 0:
            self.position = Embedding(max_positions, out_channels)
        self.norm = LayerNorm(out_channels, eps=EPS)
        self.dropout = Dropout(dropout)
        self.layers = ModuleList(
            TransformerLayer(out_channels, heads=heads, dropout=dropout)
            for _ in range(num_layers)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in (self.lin, self.norm, *self.layers):
            module.reset_parameters()
        if self.position is not None:  # As in the authors' code.
            torch.nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Encodes the items of all samples."""
        x = self.lin(x)
        if self.position is not None and pos is not None:
            x = x + self.position(pos.clamp(max=self.position.num_embeddings - 1))
        x = self.dropout(self.norm(x))
        rows = block_rows(torch.stack([ptr[:-1], ptr[1:]], dim=-1))
        if rows.num_rows != x.size(0):
            raise InputError(
                f"'ptr' does not cover all {x.size(0)} items: make the batch after "
                'items were added or removed, not before'
            )
        for layer in self.layers:
            x = layer(x, rows)
        return x


class TransformerLayer(Module):
    """One layer of a :class:`TransformerEncoder`."""

    def __init__(self, channels: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise InputError(
                f"'heads' divides the width of a state, {channels} (got {heads})"
            )
        self.heads = heads
        self.lin_in = Linear(channels, 3 * channels)  # Query, key and value.
        self.lin_out = Linear(channels, channels)
        self.attention_norm = LayerNorm(channels, eps=EPS)
        self.lin_up = Linear(channels, channels)
        self.lin_down = Linear(channels, channels)
        self.norm = LayerNorm(channels, eps=EPS)
        self.dropout = Dropout(dropout)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in (self.lin_in, self.lin_out, self.lin_up, self.lin_down):
            module.reset_parameters()
        self.attention_norm.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, x: Tensor, rows: BlockRows) -> Tensor:
        """The next states ``[N, d]``; ``rows`` are the items of each sample."""
        size = (len(x), 3, self.heads, x.size(1) // self.heads)
        query, key, value = self.lin_in(x).view(size).unbind(1)
        dropout = self.dropout.p if self.training else 0.0
        message = block_attention(query, key, value, rows, rows, dropout=dropout)
        x = self.attention_norm(x + self.dropout(self.lin_out(message.flatten(1))))
        update = self.lin_down(F.gelu(self.lin_up(x)))
        return self.norm(x + self.dropout(update))
