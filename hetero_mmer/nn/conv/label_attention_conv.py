from __future__ import annotations

from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, PairTensor

from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.attention_conv import AttentionConv
from hetero_mmer.nn.conv.route import Weights, attend


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

    propagate_type = AttentionConv.propagate_type
    edge_updater_type = AttentionConv.edge_updater_type
    edge_update, message = AttentionConv.edge_update, AttentionConv.message
    scale = 1.0

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
    ) -> Tensor | tuple[Tensor, Weights]:
        """Averages the items of each label."""
        value, query = (part.unsqueeze(1) for part in x)  # [N, 1, d]
        out, weights = attend(
            self,
            LabelAttentionConv,
            query,
            value,
            value,
            edge_index,
            return_attention_weights,
        )
        out = out.squeeze(1)
        return (out, weights) if return_attention_weights else out  # type: ignore

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.in_channels})'
