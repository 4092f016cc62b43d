from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.functional.joint_attention import JointLayout, joint_layout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.attention_conv import AttentionConv


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
    ):
        return None
    relations = {(t[0], t[-1]): edge_index_dict[t] for t in convs.keys()}  # noqa: SIM118
    types = list(dict.fromkeys(src for src, _ in relations))
    sources = {n: [src for src, dst in relations if dst == n] for n in types}
    if len(relations) != len(types) ** 2 or any(
        sources[n] != types
        for n in types  # Messages come in this order.
    ):
        return None
    if any(
        not isinstance(pairs, AllPairs) or pairs.loops == (src == dst)
        for (src, dst), pairs in relations.items()
    ):
        return None
    ranges = {n: relations[n, n].src for n in types}
    if not all(
        torch.equal(pairs.src, ranges[src]) and torch.equal(pairs.dst, ranges[dst])
        for (src, dst), pairs in relations.items()
    ) or any(int(r.diff().sum()) != x_dict[n].size(0) for n, r in ranges.items()):
        return None
    layout = joint_layout(list(ranges.values()))
    # The scores, which are kept for backward, take no more memory than the states.
    size = max((sum(group.sizes) for group in layout.groups), default=0)
    return (types, layout) if 0 < size <= 4 * conv.out_channels // conv.heads else None


def shares_projections(conv: Module) -> bool:
    """Whether the steps of an :class:`AttentionConv` may be called one by one."""
    own = all(
        getattr(type(conv), step, None) is getattr(AttentionConv, step)
        for step in ('forward', 'attend')
    )
    hooks = conv._forward_hooks or conv._forward_pre_hooks or conv._backward_hooks
    return own and not hooks
