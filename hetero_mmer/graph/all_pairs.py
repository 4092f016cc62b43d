"""A complete relation as row ranges instead of edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hetero_mmer.functional.attention import BlockRows, block_rows
from hetero_mmer.functional.ranges import expand_ranges


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Every source row of a block to every target row of it.

    Takes O(K) numbers for K blocks, where edges would take the sum of the blocks'
    products. It flows through an ``edge_index_dict`` like an ``edge_index``;
    layers that know it compute without edges, others get :meth:`edge_index`.

    Args:
        src: First and last (exclusive) source row of each block, ``[K, 2]``.
        dst: First and last (exclusive) target row of each block, ``[K, 2]``.
        loops: Whether the i-th source of a block reaches its i-th target. Without
            loops, ``src`` and ``dst`` are the same ranges.

    Example:
        >>> pairs = AllPairs(torch.tensor([[0, 2]]), torch.tensor([[0, 1]]))
        >>> pairs.edge_index()
        tensor([[0, 1],
                [0, 0]])
    """

    src: Tensor
    dst: Tensor
    loops: bool = True

    @classmethod
    def from_range_index(cls, range_index: Tensor, *, loops: bool = True) -> AllPairs:
        """Reads the two rows of flattened ranges that a graph stores, ``[2, 2K]``.

        In this form PyG batches ranges exactly like edges.
        """
        return cls(range_index[0].view(-1, 2), range_index[1].view(-1, 2), loops)

    def edge_index(self) -> Tensor:
        """The same relation as explicit edges ``[2, E]``, sorted by target."""
        num_src = self.src[:, 1] - self.src[:, 0]  # [K]
        num_dst = self.dst[:, 1] - self.dst[:, 0]
        block = torch.repeat_interleave(num_dst)  # of each target, [ΣS_t]
        row, start = expand_ranges(self.dst[:, 0], num_dst), self.src[block, 0]
        count = num_src[block]
        edge_index = torch.stack(
            [expand_ranges(start, count), row.repeat_interleave(count)]
        )  # [2, E]
        if not self.loops:
            edge_index = edge_index[:, edge_index[0] != edge_index[1]]
        return edge_index

    @cached_property
    def source_rows(self) -> BlockRows:
        """``src`` as :func:`block_attention` needs it, computed once."""
        return block_rows(self.src)

    @cached_property
    def target_rows(self) -> BlockRows:
        """``dst`` as :func:`block_attention` needs it, computed once."""
        return block_rows(self.dst)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"a complete relation kept as ranges has no '{name}': give what looks at "
            "edges the graph that 'hetero_mmer.graph.explicit' makes"
        )

    def block_sizes(self) -> Tensor:
        """Number of edges of each block, ``[K]``."""
        num_src = self.src[:, 1] - self.src[:, 0]
        num_dst = self.dst[:, 1] - self.dst[:, 0]
        return num_src * num_dst if self.loops else num_src * (num_dst - 1)

    @property
    def num_edges(self) -> int:
        """Number of edges that :meth:`edge_index` makes."""
        return int(self.block_sizes().sum())

    def to(self, device: torch.device | str) -> AllPairs:
        """The same relation with its ranges on another device."""
        return AllPairs(self.src.to(device), self.dst.to(device), self.loops)
