"""Messages from the items of each modality to the cells of that modality."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer import schema
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.relations import Relations
from hetero_mmer.nn.conv.stage import Attention, Stage


def send_to_cells(
    stage: Stage,
    x_dict: Mapping[NodeType, Tensor],
    cells: Tensor,
    edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
    return_attention_weights: bool = False,
) -> tuple[Tensor, Attention]:
    """Passes messages from items to cells, each modality to its own.

    A layer sees the cells of its modality only, and those without items too, where a
    bias or a root weight is its message.

    Args:
        stage: Its relations are those of the modalities, in the order of the cells;
            ``aggr`` is ``None``.
        x_dict: Items of each modality, ``[ΣS, F]``.
        cells: States of the cells, ``[B, M, L, d]``.
        edge_index_dict: The relations of the graph.
        return_attention_weights: Whether weights are needed.

    Returns:
        The messages ``[B, M, L, d]``; and the weights, none if they are not needed.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> from hetero_mmer.nn.conv import LabelAttentionConv
        >>> x_dict = {'text': torch.randn(3, 8), 'audio': torch.randn(5, 8)}
        >>> graph = build_graph(x_dict, labels=[1, 0, 1])
        >>> convs = {schema.f2l(m): LabelAttentionConv(8) for m in x_dict}
        >>> stage, cells = Stage(convs, aggr=None), torch.randn(1, 2, 3, 8)
        >>> send_to_cells(stage, x_dict, cells, graph.edge_index_dict)[0].shape
        torch.Size([1, 2, 3, 8])
    """
    relations, edge_types = Relations.of(edge_index_dict), tuple(stage.convs.keys())
    num_samples, num_modalities, num_labels, _ = cells.shape
    own = relations.once(
        ('own cells', edge_types, num_labels),
        lambda: Relations(
            {
                edge_type: _own_cells(relation, num_modalities, num_labels)
                for edge_type, relation in relations.items()
                if edge_type in edge_types
            }
        ),
    )
    states = dict(zip(edge_types, cells.transpose(0, 1).flatten(1, 2), strict=True))
    out = stage({**x_dict, **states}, own, return_attention_weights)
    out, attention = out if return_attention_weights else (out, {})
    message = out[schema.MODALITY]  # [B·L, M, d]
    message = message.view(num_samples, num_labels, num_modalities, -1).transpose(1, 2)
    for edge_type, ((src, dst), alpha) in attention.items():
        k, sample = edge_types.index(edge_type), dst // num_labels
        cell = dst + (sample * (num_modalities - 1) + k) * num_labels
        attention[edge_type] = torch.stack([src, cell]), alpha
    return message, attention


def _own_cells(
    relation: Adj | AllPairs, num_modalities: int, num_labels: int
) -> Tensor | AllPairs:
    """Counts targets among the cells of one modality, ``[B·L]`` of ``[B·M·L]``."""
    if isinstance(relation, AllPairs):
        src, dst, cell = relation.src, relation.dst, relation.dst[:, :1]
    else:
        if isinstance(relation, EdgeIndex):  # Its sums fail without edges.
            relation = relation.as_tensor()
        src, dst = relation
        cell = dst
    sample, label = cell // (num_modalities * num_labels), cell % num_labels
    dst = dst + sample * num_labels + label - cell
    if isinstance(relation, AllPairs):
        return AllPairs(src, dst, relation.loops)
    return torch.stack([src, dst])
