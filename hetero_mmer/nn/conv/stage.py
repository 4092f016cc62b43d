from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn import HeteroConv
from torch_geometric.nn.conv.hetero_conv import group
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.errors import InputError
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
        - **x_dict**: ``[N, F]`` for each node type; or for a relation, whose targets
          then have these states and not those of their type
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
        with warnings.catch_warnings():  # Types that are only sources are intended.
            warnings.filterwarnings('ignore', 'There exist node types')
            super().__init__(dict(convs), aggr)
        self.out_channels = out_channels

    def forward(
        self,
        x_dict: Mapping[Any, Tensor],
        edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
        return_attention_weights: bool = False,
    ) -> Any:
        """Passes messages along every relation of the stage."""
        relations = Relations.of(edge_index_dict)
        if missing := self.convs.keys() - relations.keys():
            raise InputError(
                f'the graph lacks the relations {sorted(missing)} of this stage'
            )
        if not return_attention_weights and (
            joint := joint_relations(self.convs, AttentionConv, x_dict, relations)
        ):
            conv, types, layout = joint
            outs = conv.attend_jointly(torch.cat([x_dict[n] for n in types]), layout)
            self._check_width(outs[0], types[0])
            parts = [_join(out, self.aggr) for out in outs]
            return dict(zip(types, parts, strict=True))
        messages: dict[NodeType, list[Tensor]] = {}
        attention: Attention = {}
        projections: dict[Any, Any] = {}
        for edge_type, conv in self.convs.items():
            src, _, dst = edge_type
            target = edge_type if edge_type in x_dict else dst
            layer: Any = conv
            x = x_dict[src] if src == target else (x_dict[src], x_dict[target])
            inputs: list[Any] = [x]
            if shares_projections(conv, AttentionConv):
                layer, inputs = conv.attend, []
                for project, name in ((conv.query, target), (conv.key_value, src)):
                    if (project, name) not in projections:
                        projections[project, name] = project(x_dict[name])
                    inputs.append(projections[project, name])
            relation = relations[edge_type]
            if not getattr(conv, 'supports_all_pairs', False):
                relation = relations.edge_index(edge_type)
            if return_attention_weights and _returns_weights(conv):
                out, attention[edge_type] = layer(
                    *inputs, relation, return_attention_weights=True
                )
            else:
                out = layer(*inputs, relation)
            self._check_width(out, dst)
            messages.setdefault(dst, []).append(out)
        x_out = {n: group(outs, self.aggr) for n, outs in messages.items()}
        return (x_out, attention) if return_attention_weights else x_out

    def _check_width(self, message: Tensor, node_type: NodeType) -> None:
        if self.out_channels not in (None, message.size(-1)):
            raise InputError(
                f"a layer's messages to '{node_type}' have the width of the states, "
                f'{self.out_channels} (got {message.size(-1)})'
            )


def send(
    stage: Stage,
    x_dict: Mapping[Any, Tensor],
    edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
    return_attention_weights: bool,
) -> tuple[dict[NodeType, Tensor], Attention]:
    """Messages of a stage, and weights, which are none if they are not needed."""
    out = stage(x_dict, edge_index_dict, return_attention_weights)
    return out if return_attention_weights else (out, {})


def _returns_weights(conv: Module) -> bool:
    return 'return_attention_weights' in inspect.signature(conv.forward).parameters


def _join(messages: Tensor, aggr: str | None) -> Tensor:
    """Joins the messages of M relations ``[N, M, d]`` as ``HeteroConv`` does."""
    if aggr is None:
        return messages
    if aggr == 'cat':
        return messages.flatten(1)
    out = getattr(torch, aggr)(messages, dim=1)
    return out[0] if isinstance(out, tuple) else out
