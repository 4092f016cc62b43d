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
from hetero_mmer.functional.joint_attention import JointLayout, joint_layout
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
    return_attention_weights: bool,
) -> tuple[Tensor, Weights | None]:
    """Attention along one relation, on the fastest route that gives the same.

    Args:
        conv: The layer, with ``dropout`` and ``scale``. Its ``edge_update`` takes
            ``query_i`` and ``key_j``, its ``message`` ``value_j`` and ``alpha``.
        kind: The class whose steps the fast routes replace.
        query: Query of each target, ``[N_t, H, C]``.
        key: Key of each source, ``[N_s, H, C]``.
        value: Value of each source, ``[N_s, H, C]``.
        edge_index: The relation.
        return_attention_weights: Whether weights are needed.

    Returns:
        Messages ``[N_t, H, C]``; and weights, on all routes but that of blocks.
    """
    dropout = conv.dropout if conv.training else 0.0
    options: dict[str, Any] = {'dropout': dropout, 'scale': conv.scale}
    fast = _has_known_steps(conv, kind)
    if isinstance(edge_index, AllPairs):
        if fast and not return_attention_weights:
            rows = edge_index.source_rows, edge_index.target_rows
            options['loops'] = edge_index.loops
            return block_attention(query, key, value, *rows, **options), None
        edge_index = edge_index.edge_index()
    if fast and _has_sparse_products(conv, edge_index, query):
        out, alpha = sparse_attention(query, key, value, edge_index, **options)
    else:
        size = (key.size(0), query.size(0))
        alpha = conv.edge_updater(edge_index, size=size, query=query, key=key)
        dropped = drop(alpha, dropout)
        out = conv.propagate(edge_index, size=size, value=value, alpha=dropped)
    return out, (edge_index, alpha)


def shares_projections(conv: Module, kind: type[MessagePassing]) -> bool:
    """Whether a stage may call ``query``, ``key_value`` and ``attend`` of a layer.

    Args:
        conv: The layer.
        kind: The class that has these methods.
    """
    return all(
        getattr(type(conv), step, None) is getattr(kind, step)
        for step in ('forward', 'attend')
    ) and not (
        conv._forward_hooks
        or conv._forward_pre_hooks
        or conv._backward_hooks
        or conv._backward_pre_hooks
    )


def joint_relations(
    convs: Mapping[EdgeType, Module],
    kind: type[MessagePassing],
    x_dict: Mapping[Any, Tensor],
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
    edge_types, layers = tuple(convs.keys()), set(convs.values())
    conv: Any = next(iter(layers), None)
    if (
        len(layers) != 1
        or not shares_projections(conv, kind)
        or not _has_known_steps(conv, kind)
    ):
        return None
    types = list(dict.fromkeys(src for src, _, _ in edge_types))
    layout: JointLayout | None = relations.once(
        ('joint', edge_types), lambda: _layout(types, edge_types, relations)
    )
    if layout is None or layout.num_nodes != [x_dict[n].size(0) for n in types]:
        return None
    size = max((sum(group.num_sources) for group in layout.groups), default=0)
    longest = MAX_WEIGHTS * conv.out_channels // conv.heads
    return (conv, types, layout) if 0 < size <= longest else None


def _layout(
    types: list[NodeType], edge_types: tuple[EdgeType, ...], relations: Relations
) -> JointLayout | None:
    """Where the nodes of all types lie, if relations join all to all in blocks."""
    pairs = {
        (edge_type[0], edge_type[2]): relation
        for edge_type in edge_types
        if isinstance(relation := relations[edge_type], AllPairs)
    }
    if not len(pairs) == len(edge_types) == len(types) ** 2 or any(
        # Joint messages come in the order of the types.
        [src for src, dst in pairs if dst == n] != types
        for n in types
    ):
        return None
    ranges = {n: pairs[n, n].src for n in types}
    # Each row lies in a block.
    same = all(
        r.numel() == 0 or int(r[:, 1].max()) == int(r.diff().sum())
        for r in ranges.values()
    ) and all(
        relation.loops == (src != dst)
        and torch.equal(relation.src, ranges[src])
        and torch.equal(relation.dst, ranges[dst])
        for (src, dst), relation in pairs.items()
    )
    return joint_layout(list(ranges.values())) if same else None


def _has_known_steps(conv: MessagePassing, kind: type[MessagePassing]) -> bool:
    """Whether no hook, explainer or subclass needs the single messages."""
    return (
        not conv.explain
        and all(getattr(type(conv), s, None) is getattr(kind, s) for s in _STEPS)
        and not any(
            hooks
            for name, hooks in vars(conv).items()
            if name.endswith('_hooks') and name[1:].startswith(_STEPS)
        )
    )


def _has_sparse_products(conv: MessagePassing, edge_index: Adj, x: Tensor) -> bool:
    """Whether edges may be the entries of a sparse matrix.

    Not under a compiler, nor on GPUs, where PyTorch's products are not tested here.
    """
    return (
        isinstance(edge_index, Tensor)
        and edge_index.layout is torch.strided
        and x.device.type == 'cpu'
        and x.dtype in (torch.float32, torch.float64)
        and conv.flow == 'source_to_target'
        and not torch.compiler.is_compiling()
    )
