from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn import HeteroConv
from torch_geometric.nn.conv.hetero_conv import group
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.errors import InputError
from hetero_mmer.functional.joint_attention import JointLayout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.attention_conv import AttentionConv
from hetero_mmer.nn.conv.relations import Relations
from hetero_mmer.nn.conv.route import Weights, joint_relations, shares_projections

#: Attention weights of the relations of a stage, or of several stages.
Attention = dict[EdgeType, Weights]


class Stage(HeteroConv):
    """A ``HeteroConv`` for complete relations that insists on its relations.

    Differs from PyG's in four ways: a relation that the graph lacks is an error; a
    layer without support for :class:`~hetero_mmer.graph.AllPairs` gets explicit edges
    instead, so every PyG layer fits; relations that share an :class:`AttentionConv`
    share its projections, or are computed as one; and attention weights can be
    returned.

    A custom layer takes part in the first two as it is. To receive ``AllPairs``, it
    sets ``supports_all_pairs = True``; to return weights, its ``forward`` takes
    ``return_attention_weights`` as PyG's do.

    Args:
        convs: The layer of each relation; the same layer may serve several.
        aggr: How the results of several relations are joined at a target:
            ``sum``, ``mean``, ``min``, ``max``, or ``cat`` in the order of ``convs``;
            ``None`` stacks them.
        out_channels: Width of each layer's messages, if others are to be refused.

    Shapes:
        - **x_dict**: ``[N, F]`` for each node type
        - **edge_index_dict**: ``[2, E]`` or ``AllPairs`` for each relation, or
          :class:`Relations` of them that several stages share
        - **output**: ``[N_t, d]`` for each target type; with
          ``return_attention_weights=True`` also a dictionary from relations to
          ``(edge_index [2, E], alpha [E, heads])``, for the layers that have weights

    Raises:
        InputError: If the graph lacks a relation, or messages have another width.

    Example:
        >>> import torch
        >>> from torch_geometric.nn import SAGEConv
        >>> stage = Stage({('text', 'f2l', 'modality'): SAGEConv((4, 8), 8)})
        >>> x_dict = {'text': torch.randn(3, 4), 'modality': torch.randn(2, 8)}
        >>> pairs = AllPairs(torch.tensor([[0, 3]]), torch.tensor([[0, 2]]))
        >>> stage(x_dict, {('text', 'f2l', 'modality'): pairs})['modality'].shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        convs: Mapping[EdgeType, Module],
        *,
        aggr: str | None = 'sum',
        out_channels: int | None = None,
    ) -> None:
        with one_way():
            super().__init__(dict(convs), aggr)
        self.out_channels = out_channels

    def forward(
        self,
        x_dict: Mapping[NodeType, Tensor],
        edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
        return_attention_weights: bool = False,
    ) -> Any:
        """Passes messages along every relation of the stage."""
        relations = Relations.of(edge_index_dict)
        relations.require(self.convs.keys())
        if not return_attention_weights:
            joint = joint_relations(self.convs, AttentionConv, x_dict, relations)
            if joint is not None:
                return self._attend_jointly(x_dict, *joint)
        outs: dict[NodeType, list[Tensor]] = {}
        attention: Attention = {}
        projections: dict[Any, Any] = {}
        for edge_type, conv in self.convs.items():
            src, _, dst = edge_type
            layer: Any = conv
            inputs: tuple[Any, ...] = (x_dict[src],)
            if shares_projections(conv, AttentionConv):
                query, key = (conv, 'query', dst), (conv, 'key', src)
                if query not in projections:
                    projections[query] = conv.query(x_dict[dst])
                if key not in projections:
                    projections[key] = conv.key_value(x_dict[src])
                layer, inputs = conv.attend, (projections[query], projections[key])
            elif src != dst:
                inputs = ((x_dict[src], x_dict[dst]),)
            relation = relation_for(conv, relations, edge_type)
            if return_attention_weights and returns_weights(conv):
                out, attention[edge_type] = layer(
                    *inputs, relation, return_attention_weights=True
                )
            else:
                out = layer(*inputs, relation)
            check_width(out, self.out_channels, dst)
            outs.setdefault(dst, []).append(out)
        x_out = {node_type: group(xs, self.aggr) for node_type, xs in outs.items()}
        return (x_out, attention) if return_attention_weights else x_out

    def _attend_jointly(
        self,
        x_dict: Mapping[NodeType, Tensor],
        conv: Any,
        types: list[NodeType],
        layout: JointLayout,
    ) -> dict[NodeType, Tensor]:
        outs = conv.attend_jointly(torch.cat([x_dict[n] for n in types]), layout)
        check_width(outs[0], self.out_channels, types[0])
        parts = [_join(out, self.aggr) for out in outs]
        return dict(zip(types, parts, strict=True))


@contextmanager
def one_way() -> Iterator[None]:
    """Permits node types that are only sources, of which PyG warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'There exist node types')
        yield


def relation_for(
    conv: Module, relations: Relations, edge_type: EdgeType
) -> Adj | AllPairs:
    """A relation as a layer takes it."""
    if getattr(conv, 'supports_all_pairs', False):
        return relations[edge_type]
    return relations.edge_index(edge_type)


def returns_weights(conv: Module) -> bool:
    """Whether a layer can return attention weights."""
    return 'return_attention_weights' in inspect.signature(conv.forward).parameters


def check_width(message: Tensor, out_channels: int | None, node_type: str) -> None:
    """Refuses messages of another width than ``out_channels``.

    Raises:
        InputError: With both widths.
    """
    if out_channels not in (None, message.size(-1)):
        raise InputError(
            f"a layer's messages to '{node_type}' have the width of the states, "
            f'{out_channels} (got {message.size(-1)})'
        )


def _join(messages: Tensor, aggr: str | None) -> Tensor:
    """Joins the messages of M relations ``[N, M, d]`` as ``HeteroConv`` does."""
    if aggr is None:
        return messages
    if aggr == 'cat':
        return messages.flatten(1)
    out = getattr(torch, aggr)(messages, dim=1)
    return out[0] if isinstance(out, tuple) else out
