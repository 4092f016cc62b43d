"""Sums and products along explicit edges, without a row in memory for each edge."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


@dataclass(frozen=True, eq=False)
class EdgeLayout:
    """Edges sorted by target, as a sparse matrix in CSR format.

    Args:
        ptr: Where the edges of each target start, ``[N_t + 1]``.
        src: Source of each edge, ``[E]``.
        num_src: Number of sources.

    Example:
        >>> EdgeLayout.of(torch.tensor([[4, 3, 0], [0, 1, 1]]), 5, 2).ptr
        tensor([0, 1, 3])
    """

    ptr: Tensor
    src: Tensor
    num_src: int

    @classmethod
    def of(cls, edge_index: Tensor, num_src: int, num_dst: int) -> EdgeLayout:
        """Reads edges ``[2, E]`` that are sorted by target."""
        src, dst = edge_index
        ptr = torch._convert_indices_from_coo_to_csr(dst, num_dst)
        return cls(ptr, src, num_src)

    @property
    def num_dst(self) -> int:
        """Number of targets."""
        return self.ptr.numel() - 1

    @cached_property
    def transpose(self) -> tuple[EdgeLayout, Tensor]:
        """The edges reversed and sorted by source, and the permutation that sorts."""
        order = self.src.argsort(stable=True)
        dst = torch.repeat_interleave(self.ptr.diff())
        edge_index = torch.stack([dst[order], self.src[order]])
        return EdgeLayout.of(edge_index, self.num_dst, self.num_src), order

    def matrix(self, values: Tensor) -> Tensor:
        """The sparse matrix ``[N_t, N_s]`` of one value per edge."""
        with warnings.catch_warnings():  # Sparse CSR is in beta state.
            warnings.filterwarnings('ignore', 'Sparse CSR tensor support')
            return torch.sparse_csr_tensor(
                self.ptr,
                self.src,
                values,
                (self.num_dst, self.num_src),
                check_invariants=False,
            )


def edge_dot(query: Tensor, key: Tensor, layout: EdgeLayout) -> Tensor:
    r"""Products :math:`\mathbf{q}_i^{\top} \mathbf{k}_j` of each edge's two nodes.

    Args:
        query: Of each target, ``[N_t, H, C]``.
        key: Of each source, ``[N_s, H, C]``.
        layout: The edges.

    Returns:
        One product per edge and head, ``[E, H]``.

    Example:
        >>> layout = EdgeLayout.of(torch.tensor([[1, 0], [0, 1]]), 2, 2)
        >>> q, k = torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[[3.0]], [[5.0]]])
        >>> edge_dot(q, k, layout).flatten()
        tensor([5., 6.])
    """
    return _EdgeDot.apply(query, key, layout)


def edge_sum(weight: Tensor, value: Tensor, layout: EdgeLayout) -> Tensor:
    r"""Sums :math:`\sum_j w_{ij} \mathbf{v}_j` over each target's edges.

    Args:
        weight: Of each edge, ``[E, H]``.
        value: Of each source, ``[N_s, H, C]``.
        layout: The edges.

    Returns:
        One sum per target, ``[N_t, H, C]``.

    Example:
        >>> layout = EdgeLayout.of(torch.tensor([[1, 0], [0, 0]]), 2, 2)
        >>> v = torch.tensor([[[3.0]], [[5.0]]])
        >>> edge_sum(torch.tensor([[1.0], [2.0]]), v, layout).flatten()
        tensor([11.,  0.])
    """
    return _EdgeSum.apply(weight, value, layout)


class _EdgeDot(Function):
    """Its gradients are :class:`_EdgeSum`, whose gradients are this again."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, layout: EdgeLayout) -> Tensor:
        ctx.save_for_backward(query, key)
        ctx.layout = layout
        num_edges = layout.src.numel()
        if (
            num_edges > layout.num_dst * layout.num_src
        ):  # More edges than a dense matrix has entries.
            dst = torch.repeat_interleave(layout.ptr.diff())
            product = torch.einsum('ihc,jhc->ijh', query, key)
            return product[dst, layout.src]
        pattern = layout.matrix(query.new_zeros(num_edges))
        heads = [
            torch.sparse.sampled_addmm(pattern, q, k.t(), beta=0.0).values()
            for q, k in zip(query.unbind(1), key.unbind(1), strict=True)
        ]
        return torch.stack(heads, dim=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        query, key = ctx.saved_tensors
        grad_query = grad_key = None
        if ctx.needs_input_grad[0]:
            grad_query = edge_sum(grad, key, ctx.layout)
        if ctx.needs_input_grad[1]:
            transpose, order = ctx.layout.transpose
            grad_key = edge_sum(grad[order], query, transpose)
        return grad_query, grad_key, None


class _EdgeSum(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, value: Tensor, layout: EdgeLayout) -> Tensor:
        ctx.save_for_backward(weight, value)
        ctx.layout = layout
        heads = [
            layout.matrix(w.contiguous()) @ v
            for w, v in zip(weight.unbind(1), value.unbind(1), strict=True)
        ]
        return torch.stack(heads, dim=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, value = ctx.saved_tensors
        grad_weight = grad_value = None
        if ctx.needs_input_grad[0]:
            grad_weight = edge_dot(grad, value, ctx.layout)
        if ctx.needs_input_grad[1]:
            transpose, order = ctx.layout.transpose
            grad_value = edge_sum(weight[order], grad, transpose)
        return grad_weight, grad_value, None
