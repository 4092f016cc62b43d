"""Attention between the nodes of several types, computed jointly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from hetero_mmer.functional.dropout import dropout as drop
from hetero_mmer.functional.ranges import expand_ranges

#: Blocks of different lengths are padded in groups of similar ones. On a CPU, another
#: group takes about as long as so many pairs of nodes.
PAIRS_OF_A_GROUP = 40_000


class Group(NamedTuple):
    """Some blocks, padded to the longest of them.

    As targets, the nodes of a block are concatenated; as sources, the nodes of each
    type are padded separately, since a softmax is over one type.
    """

    num_blocks: int  # K
    num_nodes: int  # of all blocks
    num_targets: int  # T, of the longest block
    num_sources: list[int]  # S, longest block of each type, [M]
    padding: Padding | None  # None if all blocks are of the same size
    empty: Tensor | None  # targets without a source of a type, [M, K, T], if any


class Padding(NamedTuple):
    """Where the nodes of a group's blocks lie among the padded ones."""

    target: Tensor  # place of each node among [K * T]
    source: Tensor  # place of each node among [K * ΣS]
    masked: Tensor  # True for padding and for the target itself, [K, T, ΣS]


class JointLayout(NamedTuple):
    """In which order the nodes of M types lie, block by block."""

    rank: Tensor  # of each node, type after type, [N]
    node: Tensor  # of each rank, [N]
    num_nodes: list[int]  # of each type, [M]
    groups: list[Group]

    def arrange(self, x: Tensor) -> Tensor:
        """Nodes ``[N, *]``, type after type, block by block."""
        return torch.empty_like(x).index_copy_(0, self.rank, x)


def joint_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: JointLayout,
    *,
    dropout: float = 0.0,
    scale: float | None = None,
) -> list[Tensor]:
    r"""Attention of every node to the nodes of M types in its block, but not to itself.

    The same numbers as :func:`~hetero_mmer.functional.attention.block_attention` of
    each pair of types, with a softmax for each, but their scores are one product.

    Args:
        query: Queries as the layout arranges them, ``[N, H, C]``.
        key: Keys, likewise.
        value: Values, likewise.
        layout: Where the nodes of each block lie; there is one at least.
        dropout: Probability to drop an attention weight.
        scale: What scores are multiplied with; :math:`1 / \sqrt{C}` by default.

    Returns:
        For each type the message to each of its nodes from each type,
        ``[N, M, H, C]``; zero where there is nothing to attend to.

    Example:
        >>> q = torch.zeros(3, 1, 1)  # Two nodes of the first type, one of the second.
        >>> v = torch.tensor([1.0, 3.0, 2.0]).view(3, 1, 1)
        >>> layout = joint_layout([torch.tensor([[0, 2]]), torch.tensor([[0, 1]])])
        >>> first, second = joint_attention(q, q, layout.arrange(v), layout)
        >>> first.squeeze(), second.squeeze()
        (tensor([[3., 2.],
                [1., 2.]]), tensor([2., 0.]))
    """
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    query = query * scale
    parts = [(query, key, value)]
    if len(layout.groups) > 1:  # The gradient of a split is a copy, even into one.
        sizes = [group.num_nodes for group in layout.groups]
        split = (x.split(sizes) for x in (query, key, value))
        parts = list(zip(*split, strict=True))
    messages = [
        _attend(*part, group, dropout)
        for part, group in zip(parts, layout.groups, strict=True)
    ]
    outs = _Collect.apply(layout, *itertools.chain(*messages))
    return [out.unflatten(-1, query.shape[1:]) for out in outs]


def joint_layout(ranges: Sequence[Tensor]) -> JointLayout:
    """Lays out the blocks of several types for :func:`joint_attention`.

    Args:
        ranges: For each type the first and last (exclusive) row of each block,
            ``[K, 2]``; each row of a type lies in one block.

    Example:
        >>> layout = joint_layout([torch.tensor([[0, 2], [2, 3]])])
        >>> layout.node, [group.num_targets for group in layout.groups]
        (tensor([2, 0, 1]), [2])
    """
    first = torch.stack([r[:, 0] for r in ranges], dim=1)  # [K, M]
    length = torch.stack([r[:, 1] - r[:, 0] for r in ranges], dim=1)
    num_nodes = length.sum(dim=0)
    total = length.sum(dim=1)
    blocks, num_groups = torch.arange(len(length), device=length.device), 1
    if bool((length != length[:1]).any()):
        # What is padded shrinks with their number, and what they cost grows.
        best = round(math.sqrt(int(total.square().sum()) / PAIRS_OF_A_GROUP))
        blocks, num_groups = total.argsort(stable=True), max(best, 1)
    start = first + num_nodes.cumsum(0) - num_nodes
    node = expand_ranges(start[blocks].flatten(), length[blocks].flatten())
    rank = torch.empty_like(node)
    rank[node] = torch.arange(len(node), device=node.device)
    chunks = blocks.chunk(num_groups) if len(blocks) else ()
    groups = [_group(length[chosen]) for chosen in chunks]
    return JointLayout(rank, node, num_nodes.tolist(), groups)


def _group(length: Tensor) -> Group:
    """Lays out blocks with so many nodes of each type, ``[K, M]``."""
    num_blocks, total = len(length), length.sum(dim=1)
    sizes, width = length.amax(dim=0), int(total.max())
    num_sources = int(sizes.sum())
    blocks = torch.arange(num_blocks, device=length.device)
    target = expand_ranges(blocks * width, total)
    begin = (blocks * num_sources).unsqueeze(1) + sizes.cumsum(0) - sizes
    source = expand_ranges(begin.flatten(), length.flatten())
    pad = torch.ones(num_blocks * num_sources, dtype=torch.bool, device=length.device)
    pad[source] = False
    masked = pad.view(num_blocks, 1, num_sources).repeat(1, width, 1)
    masked[target // width, target % width, source % num_sources] = True
    empty = torch.stack([m.all(dim=-1) for m in masked.split(sizes.tolist(), -1)])
    is_padded = bool((length != sizes).any())
    return Group(
        num_blocks,
        len(target),
        width,
        sizes.tolist(),
        Padding(target, source, masked) if is_padded else None,
        empty if bool(empty.any()) else None,
    )


def _attend(
    q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: float
) -> list[Tensor]:
    """Messages from each type inside the blocks of a group, M of ``[KT, HC]``."""
    padding = group.padding
    if padding is not None:
        q = _pad(q, padding.target, group.num_blocks * group.num_targets)
        num_sources = group.num_blocks * sum(group.num_sources)
        k, v = (_pad(x, padding.source, num_sources) for x in (k, v))
    q, k, v = (
        x.view(group.num_blocks, -1, *x.shape[1:]).transpose(1, 2)  # [K, H, T, C]
        for x in (q, k, v)
    )
    score = q @ k.transpose(-1, -2)  # [K, H, T, ΣS]
    lowest = torch.finfo(score.dtype).min  # Not -inf: a softmax over that is NaN.
    if padding is None:
        score.diagonal(dim1=-2, dim2=-1).fill_(lowest)
    else:
        score.masked_fill_(padding.masked.unsqueeze(1), lowest)
    messages = []
    for m, (part, v_m) in enumerate(
        zip(
            score.split(group.num_sources, -1),
            v.split(group.num_sources, -2),
            strict=True,
        )
    ):
        message = drop(part.softmax(dim=-1), dropout) @ v_m
        if group.empty is not None:
            message = message.masked_fill(group.empty[m, :, None, :, None], 0)
        messages.append(message.transpose(1, 2).flatten(2).flatten(0, 1))
    return messages


def _pad(x: Tensor, place: Tensor, num_places: int) -> Tensor:
    """Scatters rows ``[N, *]`` to their places ``[P, *]``, the rest is zero."""
    return x.new_zeros(num_places, *x.shape[1:]).index_copy_(0, place, x)


class _Collect(Function):
    """Scatters the messages ``[KT, HC]`` of each group and type to ``[N, M, HC]``.

    One copy instead of three (stack, concatenate, select).
    """

    @staticmethod
    def forward(layout: JointLayout, *messages: Tensor) -> tuple[Tensor, ...]:
        num_types = len(layout.num_nodes)
        shape = (len(layout.node), num_types, messages[0].size(1))
        out, rows = messages[0].new_empty(shape), iter(messages)
        for group, nodes in _groups(layout):
            for m, message in enumerate(itertools.islice(rows, num_types)):
                if group.padding is not None:
                    message = message.index_select(0, group.padding.target)
                out.select(1, m).index_copy_(0, nodes, message)
        # The base tensor is not used again, so autograd need not track views of it.
        return tuple(torch.unsafe_split_with_sizes(out, layout.num_nodes))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.layout = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        rows, out = torch.cat(grads), []
        for group, nodes in _groups(ctx.layout):
            for m in range(rows.size(1)):
                part = rows.select(1, m).index_select(0, nodes)
                if group.padding is not None:
                    num_places = group.num_blocks * group.num_targets
                    part = _pad(part, group.padding.target, num_places)
                out.append(part)
        return None, *out


def _groups(layout: JointLayout) -> Iterator[tuple[Group, Tensor]]:
    """Each group and its nodes."""
    sizes = [group.num_nodes for group in layout.groups]
    return zip(layout.groups, layout.node.split(sizes), strict=True)
