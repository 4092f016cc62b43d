"""Attention between all items of a sample, of all modalities at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hetero_mmer.functional.dropout import dropout as drop
from hetero_mmer.functional.ranges import expand_ranges

#: Blocks of different lengths are padded in this many groups of similar ones.
NUM_GROUPS = 4


class Group(NamedTuple):
    """Some blocks, padded to the longest of them."""

    sizes: list[int]  # S, longest block of each type, [M]
    num_blocks: int
    real: Tensor | None  # which places have a node, [K, ΣS]; None if all have one
    silent: Tensor | None  # which hear nothing of a type, [M, K, ΣS]; None if none


class JointLayout(NamedTuple):
    """Where the nodes of M types lie, if they are padded block by block."""

    place: Tensor  # of each node, type after type, [N]
    num_nodes: list[int]  # of each type, [M]
    num_places: int
    groups: list[Group]

    def spread(self, x: Tensor) -> Tensor:
        """Nodes ``[N, *]`` at their places ``[P, *]``, zero where none is."""
        out = x.new_zeros(self.num_places, *x.shape[1:])
        return out.index_copy(0, self.place, x)

    def collect(self, x: Tensor) -> Tensor:
        """What lies at places ``[P, *]``, for each node ``[N, *]``."""
        return x.index_select(0, self.place)


def joint_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    groups: Sequence[Group],
    *,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    r"""Attention of every node to the nodes of M types in its block, but not to itself.

    The same numbers as :func:`~hetero_mmer.functional.attention.block_attention` of
    each pair of types, with a softmax for each, but their scores are one product.

    Args:
        query: Queries at the places of a :class:`JointLayout`, ``[P, H, C]``.
        key: Keys, ``[P, H, C]``.
        value: Values, ``[P, H, C]``.
        groups: The layout's groups, at least one.
        dropout: Probability to drop an attention weight.
        scale: What scores are multiplied with; :math:`1 / \sqrt{C}` by default.

    Returns:
        The message to each place from each type, ``[P, M, H, C]``; zero where there
        is nothing to attend to.

    Example:
        >>> q = torch.zeros(3, 1, 1)  # Two nodes of the first type, one of the second.
        >>> v = torch.tensor([1.0, 3.0, 2.0]).view(3, 1, 1)
        >>> layout = joint_layout([torch.tensor([[0, 2]]), torch.tensor([[0, 1]])])
        >>> joint_attention(q, q, v, layout.groups).squeeze()
        tensor([[3., 2.],
                [1., 2.],
                [2., 0.]])
    """
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    query = query * scale
    if len(groups) == 1:
        return _attend(query, key, value, groups[0], dropout)
    sizes = [group.num_blocks * sum(group.sizes) for group in groups]
    parts = zip(
        query.split(sizes), key.split(sizes), value.split(sizes), groups, strict=True
    )
    return torch.cat([_attend(q, k, v, group, dropout) for q, k, v, group in parts])


def joint_layout(ranges: Sequence[Tensor]) -> JointLayout:
    """Lays out the blocks of several types for :func:`joint_attention`.

    Args:
        ranges: For each type the first and last (exclusive) row of each block,
            ``[K, 2]``; each row of a type lies in one block.

    Example:
        >>> layout = joint_layout([torch.tensor([[0, 2], [2, 3]])])
        >>> layout.place, [group.sizes for group in layout.groups]
        (tensor([1, 2, 0]), [[1], [2]])
    """
    first = torch.stack([r[:, 0] for r in ranges], dim=1)  # [K, M]
    length = torch.stack([r[:, 1] - r[:, 0] for r in ranges], dim=1)
    total = length.sum(dim=1)
    order, num_groups = torch.arange(len(total), device=total.device), 1
    if bool((length != length[:1]).any()):
        order, num_groups = total.argsort(stable=True), min(NUM_GROUPS, len(total))
    start, groups, place = 0, [], torch.empty_like(first)
    for chosen in order.chunk(num_groups) if len(order) else ():
        sizes = length[chosen].amax(dim=0)
        width = int(sizes.sum())
        block = start + torch.arange(len(chosen), device=order.device) * width
        place[chosen] = block.unsqueeze(1) + sizes.cumsum(0) - sizes
        inside = torch.cat(
            [torch.arange(n, device=order.device) for n in sizes.tolist()]
        )
        real = inside < length[chosen].repeat_interleave(sizes, dim=1)
        # Of a type there is somebody else to hear, or not.
        others = length[chosen].T.unsqueeze(-1) - torch.eye(
            len(ranges), dtype=torch.long, device=order.device
        ).repeat_interleave(sizes, dim=1).unsqueeze(1)
        groups.append(
            Group(
                sizes.tolist(),
                len(chosen),
                None if bool(real.all()) else real,
                others < 1 if bool((others < 1).any()) else None,
            )
        )
        start += len(chosen) * width
    rows = [expand_ranges(*pair) for pair in zip(first.T, length.T, strict=True)]
    places = [expand_ranges(*pair) for pair in zip(place.T, length.T, strict=True)]
    # Rows of a type may come in another order than its blocks.
    place_of_row = [
        torch.empty_like(r).index_copy(0, r, p)
        for r, p in zip(rows, places, strict=True)
    ]
    return JointLayout(
        torch.cat(place_of_row), length.sum(dim=0).tolist(), start, groups
    )


def _attend(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: float) -> Tensor:
    """Messages ``[KΣS, M, H, C]`` inside the blocks of a group."""
    num_blocks, size = group.num_blocks, sum(group.sizes)
    q, k, v = (
        x.view(num_blocks, size, *x.shape[1:]).transpose(1, 2)  # [K, H, ΣS, C]
        for x in (q, k, v)
    )
    score = q @ k.transpose(-1, -2)  # [K, H, ΣS, ΣS]
    lowest = torch.finfo(score.dtype).min  # Not -inf: a softmax over that is NaN.
    score.diagonal(dim1=-2, dim2=-1).fill_(lowest)
    if group.real is not None:
        score.masked_fill_(~group.real[:, None, None], lowest)
    messages = []
    for m, (part, v_m) in enumerate(
        zip(score.split(group.sizes, -1), v.split(group.sizes, -2), strict=True)
    ):
        message = drop(part.softmax(dim=-1), dropout) @ v_m
        if group.silent is not None:
            message = message.masked_fill(group.silent[m, :, None, :, None], 0)
        messages.append(message.transpose(1, 2))
    return torch.stack(messages, dim=2).flatten(0, 1)
