from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn import HeteroConv
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer import schema
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.relations import Relations
from hetero_mmer.nn.conv.stage import (
    Attention,
    check_width,
    one_way,
    relation_for,
    returns_weights,
)


class F2LStage(HeteroConv):
    """Messages from the items of each modality to the cells of that modality.

    Each layer sees the cells of its own modality only. A layer with a bias or a root
    weight computes a message to cells without items, too.

    Args:
        convs: The layer of each modality, in the order of the cells; the same layer may
            serve several.
        num_labels: Number of labels :math:`L`.
        out_channels: Width of the messages.

    Shapes:
        - **x_dict**: items ``[ΣS, F]`` of each modality, cells ``[B·M·L, d]``
        - **edge_index_dict**: as of :class:`~hetero_mmer.nn.conv.Stage`
        - **output**: messages ``[B·M·L, d]``; with ``return_attention_weights=True``
          also the weights, as of :class:`~hetero_mmer.nn.conv.Stage`

    Raises:
        InputError: If the graph lacks a relation, or messages have another width.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> from hetero_mmer.nn.conv import LabelAttentionConv
        >>> x_dict = {'text': torch.randn(3, 8), 'audio': torch.randn(5, 8)}
        >>> graph = build_graph(x_dict, labels=[1, 0])
        >>> stage = F2LStage({m: LabelAttentionConv(8) for m in x_dict}, 2, 8)
        >>> x_dict['modality'] = torch.randn(4, 8)
        >>> stage(x_dict, graph.edge_index_dict).shape
        torch.Size([4, 8])
    """

    def __init__(
        self, convs: Mapping[NodeType, Module], num_labels: int, out_channels: int
    ) -> None:
        with one_way():
            super().__init__({schema.f2l(m): conv for m, conv in convs.items()})
        self.num_labels = num_labels
        self.out_channels = out_channels

    def forward(
        self,
        x_dict: Mapping[NodeType, Tensor],
        edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
        return_attention_weights: bool = False,
    ) -> Any:
        """Passes messages along every relation of the stage."""
        relations, edge_types = Relations.of(edge_index_dict), tuple(self.convs.keys())
        relations.require(edge_types)
        relations = relations.among_cells(edge_types, self.num_labels)
        size = (-1, len(edge_types), self.num_labels)
        cells = x_dict[schema.MODALITY].unflatten(0, size).unbind(1)  # M of [B, L, d]
        outs: list[Tensor] = []
        attention: Attention = {}
        for k, (edge_type, conv) in enumerate(self.convs.items()):
            x = x_dict[edge_type[0]], cells[k].flatten(0, 1)
            relation = relation_for(conv, relations, edge_type)
            if return_attention_weights and returns_weights(conv):
                out, (edge_index, alpha) = conv(
                    x, relation, return_attention_weights=True
                )
                attention[edge_type] = self._to_all_cells(edge_index, k), alpha
            else:
                out = conv(x, relation)
            check_width(out, self.out_channels, schema.MODALITY)
            outs.append(out.unflatten(0, (-1, self.num_labels)))
        message = torch.stack(outs, dim=1).flatten(0, 2)
        return (message, attention) if return_attention_weights else message

    def _to_all_cells(self, edge_index: Adj, modality: int) -> Adj:
        """Counts the targets ``[B·L]`` of a modality among all cells ``[B·M·L]``."""
        src, dst = edge_index
        sample, label = dst // self.num_labels, dst % self.num_labels
        cell = (sample * len(self.convs) + modality) * self.num_labels + label
        return torch.stack([src, cell])
