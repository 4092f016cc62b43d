from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer import schema
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.relations import Relations
from hetero_mmer.nn.conv.stage import Attention, Stage, send


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
    num_samples, num_modalities, num_labels, _ = cells.shape
    relations, edge_types = Relations.of(edge_index_dict), tuple(stage.convs.keys())
    size = num_modalities, num_labels
    own = relations.once(
        ('own cells', edge_types, num_labels),
        lambda: Relations(
            {
                edge_type: _own_cells(relations[edge_type], k, *size)
                for k, edge_type in enumerate(edge_types)
                if edge_type in relations
            }
        ),
    )
    targets = dict(zip(edge_types, cells.transpose(0, 1).flatten(1, 2), strict=True))
    x_out, attention = send(stage, {**x_dict, **targets}, own, return_attention_weights)
    message = x_out[schema.MODALITY].unflatten(0, (num_samples, num_labels))
    for edge_type, ((src, dst), alpha) in attention.items():
        skipped = _skipped(dst // num_labels, edge_types.index(edge_type), *size)
        attention[edge_type] = torch.stack([src, dst + skipped]), alpha
    return message.transpose(1, 2), attention


def _own_cells(
    relation: Adj | AllPairs, modality: int, num_modalities: int, num_labels: int
) -> Tensor | AllPairs:
    """Counts targets among the cells of one modality, ``[B·L]`` of ``[B·M·L]``."""
    num_cells = num_modalities * num_labels
    size = modality, num_modalities, num_labels
    if isinstance(relation, AllPairs):
        sample = relation.dst[:, :1] // num_cells
        return replace(relation, dst=relation.dst - _skipped(sample, *size))
    if isinstance(relation, EdgeIndex):  # Its differences fail without edges.
        relation = relation.as_tensor()
    src, dst = relation
    return torch.stack([src, dst - _skipped(dst // num_cells, *size)])


def _skipped(
    sample: Tensor, modality: int, num_modalities: int, num_labels: int
) -> Tensor:
    """Number of cells of other modalities before those of a sample and modality."""
    return (sample * (num_modalities - 1) + modality) * num_labels
