from __future__ import annotations

from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, PairTensor

from hetero_mmer.errors import InputError
from hetero_mmer.functional.attention import (
    block_attention,
    edge_attention,
    sparse_attention,
)
from hetero_mmer.functional.dropout import dropout as drop
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.route import is_plain, looks_at_messages


class LabelAttentionConv(MessagePassing):
    r"""Each label's own weighted mean of the items.

    The label-wise attention of CARAT (Peng et al., AAAI 2024), Eq. 1:

    .. math::
        \mathbf{u}_i = \sum_{j \in \mathcal{N}(i)} \alpha_{ij} \mathbf{h}_j, \qquad
        \alpha_{ij} = \mathrm{softmax}_j(\mathbf{w}_i^{\top} \mathbf{h}_j)

    The label vectors :math:`\mathbf{w}_i` are the states of the targets, so the layer
    has no weights of its own, and any other bipartite layer can take its place.

    Args:
        in_channels: Width of the items and of the label vectors.
        out_channels: Width of the result, which is the same; layers are made with two.
        dropout: Probability to drop an attention weight in training.

    Shapes:
        - **x**: items and label vectors, ``([N_s, d], [N_t, d])``
        - **edge_index**: ``[2, E]`` or ``AllPairs``
        - **output**: ``[N_t, d]``, zero for a target without items; with
          ``return_attention_weights=True`` also ``(edge_index [2, E], alpha [E, 1])``

    Example:
        >>> import torch
        >>> items, labels = torch.randn(3, 8), torch.randn(2, 8)
        >>> pairs = AllPairs(torch.tensor([[0, 3]]), torch.tensor([[0, 2]]))
        >>> LabelAttentionConv(8)((items, labels), pairs).shape
        torch.Size([2, 8])
    """

    #: Tells :class:`~hetero_mmer.nn.conv.Stage` to hand over complete relations.
    supports_all_pairs = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(aggr='sum', node_dim=0)
        if out_channels not in (None, in_channels):
            raise InputError(
                f'a mean of items is as wide as they are, {in_channels} '
                f'(got {out_channels})'
            )
        self.in_channels = in_channels
        self.dropout = dropout

    def forward(
        self,
        x: PairTensor,
        edge_index: Adj | AllPairs,
        return_attention_weights: bool = False,
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor]]:
        """Gathers the items of each label."""
        items, labels = x
        dropout = self.dropout if self.training else 0.0
        if isinstance(edge_index, AllPairs) and (
            return_attention_weights or looks_at_messages(self, LabelAttentionConv)
        ):
            edge_index = edge_index.edge_index()
        if isinstance(edge_index, AllPairs):
            value = items.unsqueeze(1)
            return block_attention(
                labels.unsqueeze(1),
                value,
                value,
                edge_index.source_rows(len(items)),
                edge_index.target_rows(len(labels)),
                loops=edge_index.loops,
                dropout=dropout,
                scale=1.0,
            ).squeeze(1)
        if is_plain(self, LabelAttentionConv, edge_index, items):
            query, value = labels.unsqueeze(1), items.unsqueeze(1)
            out, alpha = sparse_attention(
                query, value, value, edge_index, dropout=dropout, scale=1.0
            )
            out = out.squeeze(1)
            return (out, (edge_index, alpha)) if return_attention_weights else out
        size = (len(items), len(labels))
        alpha = self.edge_updater(edge_index, size=size, x=(items, labels))
        out = self.propagate(
            edge_index, size=size, x=(items, labels), alpha=drop(alpha, dropout)
        )
        return (out, (edge_index, alpha)) if return_attention_weights else out

    def edge_update(
        self, x_j: Tensor, x_i: Tensor, index: Tensor, ptr: Tensor | None, size_i: int
    ) -> Tensor:
        """Weight of each edge, ``[E, 1]``."""
        return edge_attention(
            x_i.unsqueeze(1),
            x_j.unsqueeze(1),
            index,
            ptr=ptr,
            num_nodes=size_i,
            scale=1.0,
        )

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        """Weighted item along each edge, ``[E, d]``."""
        return x_j * alpha

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.in_channels})'
