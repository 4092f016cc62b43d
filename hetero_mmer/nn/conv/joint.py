from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.functional.joint_attention import JointLayout, joint_layout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.attention_conv import AttentionConv
from hetero_mmer.nn.conv.route import looks_at_messages

#: Longer blocks go one relation at a time, for the sake of memory: weights per item
#: and channel. At this many they take as much as queries, keys, values and messages.
MAX_WEIGHTS = 4


def joint_relations(
    convs: Mapping[EdgeType, Module],
    x_dict: Mapping[NodeType, Tensor],
    edge_index_dict: Mapping[EdgeType, Adj | AllPairs],
) -> tuple[list[NodeType], JointLayout] | None:
    """The types of a stage and their rows, if all relations are computed as one.

    So it is if one :class:`AttentionConv` serves complete relations from each type to
    each, over the same blocks, which are not too long.

    Args:
        convs: The layer of each relation.
        x_dict: States of each node type, ``[N, F]``.
        edge_index_dict: The relations.

    Returns:
        The types and where their nodes lie, or ``None``.
    """
    conv = next(iter(convs.values()), None)
    if (
        not isinstance(conv, AttentionConv)
        or any(other is not conv for other in convs.values())
        or not shares_projections(conv)
        or looks_at_messages(conv, AttentionConv)
    ):
        return None
    relations = {(t[0], t[-1]): edge_index_dict[t] for t in convs.keys()}  # noqa: SIM118
    types = list(dict.fromkeys(src for src, _ in relations))
    if len(relations) != len(convs) or any(
        # Messages come in the order of the types.
        [src for src, dst in relations if dst == n] != types
        for n in {*types, *(dst for _, dst in relations)}
    ):
        return None
    pairs = {t: r for t, r in relations.items() if isinstance(r, AllPairs)}
    if len(pairs) < len(relations):
        return None
    layout = _layout(pairs, types)
    if layout is None or layout.num_nodes != [x_dict[n].size(0) for n in types]:
        return None
    size = max((sum(group.num_sources) for group in layout.groups), default=0)
    longest = MAX_WEIGHTS * conv.out_channels // conv.heads
    return (types, layout) if 0 < size <= longest else None


def _layout(
    relations: Mapping[tuple[NodeType, NodeType], AllPairs], types: Sequence[NodeType]
) -> JointLayout | None:
    """Where the nodes lie, made once for all layers; ``None`` for other blocks."""
    (first, *others), ends = relations.values(), list(relations)
    known = first.memo.get('joint')
    if known is not None:
        known_ends, known_others, layout = known
        if known_ends == ends and all(map(is_, known_others, others)):
            return layout
    ranges = {n: relations[n, n].src for n in types}
    # Each row lies in a block.
    same = all(
        r.numel() == 0 or int(r[:, 1].max()) == int(r.diff().sum())
        for r in ranges.values()
    ) and all(
        pairs.loops == (src != dst)
        and torch.equal(pairs.src, ranges[src])
        and torch.equal(pairs.dst, ranges[dst])
        for (src, dst), pairs in relations.items()
    )
    layout = joint_layout(list(ranges.values())) if same else None
    first.memo['joint'] = ends, others, layout
    return layout


def shares_projections(conv: Module) -> bool:
    """Whether the steps of an :class:`AttentionConv` may be called one by one."""
    own = all(
        getattr(type(conv), step, None) is getattr(AttentionConv, step)
        for step in ('forward', 'attend')
    )
    hooks = (
        conv._forward_hooks
        or conv._forward_pre_hooks
        or conv._backward_hooks
        or conv._backward_pre_hooks
    )
    return own and not hooks
