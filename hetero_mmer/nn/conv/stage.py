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
from hetero_mmer.functional.joint_attention import JointLayout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.joint import joint_relations, shares_projections


class Stage(HeteroConv):
    """A ``HeteroConv`` for complete relations that insists on its relations.

    Differs from PyG's in four ways: a relation that the graph lacks is an error, not
    a silent gap; a layer that knows no :class:`~hetero_mmer.graph.AllPairs` gets the
    explicit edges instead, so every PyG layer fits; relations that share an
    :class:`AttentionConv` share its projections, or are computed as one; and attention
    weights can be returned.

    A layer of one's own takes part in the first two as it is. To receive
    ``AllPairs``, it sets ``supports_all_pairs = True``; to return weights, its
    ``forward`` takes ``return_attention_weights`` as PyG's do.

    Args:
        convs: The layer of each relation; the same layer may serve several.
        aggr: How the results of several relations are joined at a target:
            ``sum``, ``mean``, ``min``, ``max``, or ``cat`` in the order of ``convs``.

    Shapes:
        - **x_dict**: ``[N, F]`` for each node type
        - **edge_index_dict**: ``[2, E]`` or ``AllPairs`` for each relation
        - **output**: ``[N_t, d]`` for each target type; with
          ``return_attention_weights=True`` also a dictionary from relations to
          ``(edge_index [2, E], alpha [E, heads])``, for the layers that have weights

    Raises:
        InputError: If the graph lacks a relation.

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
        self, convs: Mapping[EdgeType, Module], *, aggr: str | None = 'sum'
    ) -> None:
        with warnings.catch_warnings():  # One-way stages are meant to be.
            warnings.filterwarnings('ignore', 'There exist node types')
            super().__init__(dict(convs), aggr)

    def forward(
        self,
        x_dict: Mapping[NodeType, Tensor],
        edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
        return_attention_weights: bool = False,
    ) -> Any:
        """Passes messages along every relation of the stage."""
        missing = set(self.convs.keys()) - set(edge_index_dict)
        if missing:
            raise InputError(
                f'the graph lacks the relations {sorted(missing)} of this stage'
            )
        if not return_attention_weights:
            joint = joint_relations(self.convs, x_dict, edge_index_dict)
            if joint is not None:
                return self._all_at_once(x_dict, *joint)
        outs: dict[NodeType, list[Tensor]] = {}
        attention: dict[EdgeType, tuple[Tensor, Tensor]] = {}
        projected: dict[tuple[str, int, NodeType], Any] = {}
        for edge_type, conv in self.convs.items():
            src, _, dst = edge_type
            relation = edge_index_dict[edge_type]
            if isinstance(relation, AllPairs) and not _supports_all_pairs(conv):
                relation = relation.edge_index()
            kwargs = {}
            if return_attention_weights and _returns_attention(conv):
                kwargs['return_attention_weights'] = True
            if shares_projections(conv):
                query_key, key_key = ('q', id(conv), dst), ('k', id(conv), src)
                if query_key not in projected:
                    projected[query_key] = conv.query(x_dict[dst])
                if key_key not in projected:
                    projected[key_key] = conv.key_value(x_dict[src])
                out: Any = conv.attend(
                    projected[query_key], projected[key_key], relation, **kwargs
                )
            else:
                x = x_dict[src] if src == dst else (x_dict[src], x_dict[dst])
                out = conv(x, relation, **kwargs)
            if kwargs:
                out, attention[edge_type] = out
            outs.setdefault(dst, []).append(out)
        x_out = {node_type: group(xs, self.aggr) for node_type, xs in outs.items()}
        return (x_out, attention) if return_attention_weights else x_out

    def _all_at_once(
        self,
        x_dict: Mapping[NodeType, Tensor],
        types: list[NodeType],
        layout: JointLayout,
    ) -> dict[NodeType, Tensor]:
        conv: Any = next(iter(self.convs.values()))
        outs = conv.attend_jointly(torch.cat([x_dict[n] for n in types]), layout)
        parts = [_join(out, self.aggr) for out in outs]
        return dict(zip(types, parts, strict=True))


def _supports_all_pairs(conv: Module) -> bool:
    return getattr(conv, 'supports_all_pairs', False)


def _join(messages: Tensor, aggr: str | None) -> Tensor:
    """As ``HeteroConv`` joins the messages of M relations ``[N, M, d]``."""
    if aggr is None:
        return messages
    if aggr == 'cat':
        return messages.flatten(1)
    out = getattr(torch, aggr)(messages, dim=1)
    return out[0] if isinstance(out, tuple) else out


def _returns_attention(conv: Module) -> bool:
    return 'return_attention_weights' in inspect.signature(conv.forward).parameters
