"""How attention is computed: on blocks, on sparse matrices, or message by message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.functional.attention import block_attention, sparse_attention
from hetero_mmer.functional.dropout import dropout as drop
from hetero_mmer.functional.joint_attention import JointLayout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.relations import Relations

#: Attention weights of a relation: ``(edge_index [2, E], alpha [E, heads])``.
Weights = tuple[Adj, Tensor]

#: Most attention weights of a node, per channel of a head, that are computed jointly;
#: with longer blocks they would dominate the memory.
MAX_WEIGHTS = 4

_STEPS = ('propagate', 'message', 'aggregate', 'message_and_aggregate', 'edge_update')


def attend(
    conv: MessagePassing,
    kind: type[MessagePassing],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    edge_index: Adj | AllPairs,
    *,
    scale: float | None = None,
    return_attention_weights: bool = False,
) -> tuple[Tensor, Weights | None]:
    """Attention along one relation, on the fastest route that gives the same.

    Args:
        conv: The layer, with a ``dropout``. Its ``edge_update`` takes ``query_i`` and
            ``key_j``, its ``message`` ``value_j`` and ``alpha``.
        kind: The class whose steps the fast routes replace.
        query: Query of each target, ``[N_t, H, C]``.
        key: Key of each source, ``[N_s, H, C]``.
        value: Value of each source, ``[N_s, H, C]``.
        edge_index: The relation.
        scale: Factor of the scores; :math:`1 / \\sqrt{C}` by default.
        return_attention_weights: Whether weights are needed.

    Returns:
        Messages ``[N_t, H, C]``, and the weights if they are needed (or computed).
    """
    dropout = conv.dropout if conv.training else 0.0
    observed = observes_messages(conv, kind)
    if isinstance(edge_index, AllPairs):
        if not (observed or return_attention_weights):
            rows = edge_index.source_rows, edge_index.target_rows
            loops = edge_index.loops
            return block_attention(
                query, key, value, *rows, loops=loops, dropout=dropout, scale=scale
            ), None
        edge_index = edge_index.edge_index()
    if not observed and has_sparse_products(conv, edge_index, query):
        out, alpha = sparse_attention(
            query, key, value, edge_index, dropout=dropout, scale=scale
        )
    else:
        size = (key.size(0), query.size(0))
        alpha = conv.edge_updater(edge_index, size=size, query=query, key=key)
        out = conv.propagate(
            edge_index, size=size, value=value, alpha=drop(alpha, dropout)
        )
    return out, (edge_index, alpha)


def has_sparse_products(conv: MessagePassing, edge_index: Adj, x: Tensor) -> bool:
    """Whether edges may be the entries of a sparse matrix.

    Not under a compiler, nor on GPUs, where PyTorch's products are not tested here.

    Args:
        conv: The layer.
        edge_index: Its edges.
        x: What it computes with.
    """
    return (
        isinstance(edge_index, Tensor)
        and edge_index.layout is torch.strided
        and x.device.type == 'cpu'
        and x.dtype in (torch.float32, torch.float64)
        and conv.flow == 'source_to_target'
        and not torch.compiler.is_compiling()
    )


def observes_messages(conv: MessagePassing, kind: type[MessagePassing]) -> bool:
    """Whether a hook, an explainer or a subclass needs the single messages.

    Args:
        conv: The layer.
        kind: The class whose steps are known.
    """
    return (
        bool(conv.explain)
        or any(getattr(type(conv), s, None) is not getattr(kind, s) for s in _STEPS)
        or any(
            hooks
            for name, hooks in vars(conv).items()
            if name.endswith('_hooks') and name[1:].startswith(_STEPS)
        )
    )


def shares_projections(conv: Module, kind: type[MessagePassing]) -> bool:
    """Whether a stage may call ``query``, ``key_value`` and ``attend`` of a layer.

    Args:
        conv: The layer.
        kind: The class that has these methods.
    """
    hooks = (
        conv._forward_hooks
        or conv._forward_pre_hooks
        or conv._backward_hooks
        or conv._backward_pre_hooks
    )
    return not hooks and all(
        getattr(type(conv), step, None) is getattr(kind, step)
        for step in ('forward', 'attend')
    )


def joint_relations(
    convs: Mapping[EdgeType, Module],
    kind: type[MessagePassing],
    x_dict: Mapping[NodeType, Tensor],
    relations: Relations,
) -> tuple[Any, list[NodeType], JointLayout] | None:
    """Whether all relations of a stage are computed as one.

    So they are if one layer serves complete relations from each type to each, over the
    same blocks, which contain every node and are not too long.

    Args:
        convs: The layer of each relation.
        kind: The class of layers that can.
        x_dict: States of each node type, ``[N, F]``.
        relations: The relations.

    Returns:
        The layer, the types and where their nodes lie, or ``None``.
    """
    conv: Any = next(iter(convs.values()), None)
    if (
        conv is None
        or any(other is not conv for other in convs.values())
        or not shares_projections(conv, kind)
        or observes_messages(conv, kind)
        or (found := relations.all_to_all(tuple(convs.keys()))) is None
    ):
        return None
    types, layout = found
    size = max((sum(group.num_sources) for group in layout.groups), default=0)
    if (
        layout.num_nodes != [x_dict[n].size(0) for n in types]
        or not 0 < size <= MAX_WEIGHTS * conv.out_channels // conv.heads
    ):
        return None
    return conv, types, layout
