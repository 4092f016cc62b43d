"""Attention over the edges of a graph, explicit or all pairs."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import softmax

from hetero_mmer.errors import InputError
from hetero_mmer.functional.dropout import dropout as drop
from hetero_mmer.functional.sparse import EdgeLayout, edge_dot, edge_sum


def edge_attention(
    query: Tensor,
    key: Tensor,
    index: Tensor,
    *,
    ptr: Tensor | None,
    num_nodes: int,
    scale: float | None = None,
) -> Tensor:
    r"""Scaled dot-product attention weights over explicit edges.

    HHMPN, Eq. 3 and 4:

    .. math::
        \alpha_{ij} = \mathrm{softmax}_{j \in \mathcal{N}(i)}
        \left( \mathbf{q}_i^{\top} \mathbf{k}_j / \sqrt{C} \right)

    Args:
        query: Query of each edge's target, ``[E, H, C]``.
        key: Key of each edge's source, ``[E, H, C]``.
        index: Target node of each edge, ``[E]``.
        ptr: Where each target's edges start, ``[N + 1]``, if the edges are sorted
            by target; else ``None``.
        num_nodes: Number of target nodes :math:`N`.
        scale: What scores are multiplied with; :math:`1 / \sqrt{C}` by default.

    Returns:
        Weights that sum to one over each target's edges, ``[E, H]``.

    Example:
        >>> q = k = torch.zeros(3, 1, 4)
        >>> index = torch.tensor([0, 0, 1])
        >>> edge_attention(q, k, index, ptr=None, num_nodes=2).squeeze(-1)
        tensor([0.5000, 0.5000, 1.0000])
    """
    if scale is None:
        scale = 1 / math.sqrt(query.size(-1))
    score = (query * key).sum(dim=-1) * scale  # [E, H]
    return softmax(score, index, ptr=ptr, num_nodes=num_nodes)


def sparse_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    edge_index: Tensor,
    *,
    dropout: float = 0.0,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Scaled dot-product attention over explicit edges, as sparse matrix products.

    The same numbers as :func:`edge_attention` and a sum of weighted values, but no
    node's row is copied to its edges.

    Args:
        query: Query of each target node, ``[N_t, H, C]``.
        key: Key of each source node, ``[N_s, H, C]``.
        value: Value of each source node, ``[N_s, H, C]``.
        edge_index: Source and target of each edge, ``[2, E]``, in any order.
        dropout: Probability to drop an attention weight.
        scale: What scores are multiplied with; :math:`1 / \sqrt{C}` by default.

    Returns:
        The message of each target, ``[N_t, H, C]``, zero for one without an edge; and
        the weight of each edge before dropout, ``[E, H]``.

    Raises:
        InputError: If an edge joins a node that is not there.

    Example:
        >>> q, k = torch.zeros(2, 1, 4), torch.zeros(3, 1, 4)
        >>> v = torch.tensor([1.0, 3.0, 5.0]).view(3, 1, 1)
        >>> out, alpha = sparse_attention(q, k, v, torch.tensor([[1, 2], [0, 0]]))
        >>> out.flatten(), alpha.flatten()
        (tensor([4., 0.]), tensor([0.5000, 0.5000]))
    """
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    order = None
    if bool((edge_index[1].diff() < 0).any()):
        order = edge_index[1].argsort(stable=True)
        edge_index = edge_index[:, order]
    _check_edges(edge_index, key.size(0), query.size(0))
    layout = EdgeLayout.of(edge_index, key.size(0), query.size(0))
    score = edge_dot(query, key, layout) * scale
    alpha = softmax(score, edge_index[1], ptr=layout.ptr, num_nodes=query.size(0))
    out = edge_sum(drop(alpha, dropout), value, layout)
    if order is not None:
        alpha = torch.empty_like(alpha).index_copy(0, order, alpha)
    return out, alpha


def _check_edges(edge_index: Tensor, num_src: int, num_dst: int) -> None:
    """Of sorted edges: a sparse product would read memory that is not its own."""
    if edge_index.numel() == 0:
        return
    src, dst = (
        (int(x) for x in edge_index[0].aminmax()),
        edge_index[1, [0, -1]].tolist(),
    )
    ends = {'source': (*src, num_src), 'target': (*dst, num_dst)}
    for end, (low, high, number) in ends.items():
        if low < 0 or high >= number:
            raise InputError(
                f'edges have one of {number} nodes as their {end}, counted from 0 '
                f'(got {low} to {high})'
            )


def block_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    src: Tensor | BlockRows,
    dst: Tensor | BlockRows,
    *,
    loops: bool = True,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    r"""Scaled dot-product attention inside blocks, from all sources to all targets.

    The same numbers as :func:`edge_attention` over the complete edges, without
    making them: equal blocks that lie one after the other are only reshaped, others
    go through one padded call with a mask.

    Args:
        query: Query of each target node, ``[N_t, H, C]``.
        key: Key of each source node, ``[N_s, H, C]``.
        value: Value of each source node, ``[N_s, H, C]``.
        src: First and last (exclusive) source row of each block, ``[K, 2]``, or what
            :func:`block_rows` makes of them, once for many calls.
        dst: First and last (exclusive) target row of each block, ``[K, 2]``, or the
            same; blocks do not overlap.
        loops: Whether the i-th target of a block attends to its i-th source.
        dropout: Probability to drop an attention weight.
        scale: What scores are multiplied with; :math:`1 / \sqrt{C}` by default.

    Returns:
        The message of each target, ``[N_t, H, C]``; zero for a target outside all
        blocks or without a source.

    Example:
        >>> q = k = torch.zeros(3, 1, 1)
        >>> v = torch.tensor([1.0, 3.0, 5.0]).view(3, 1, 1)
        >>> blocks = torch.tensor([[0, 2], [2, 3]])
        >>> block_attention(q, k, v, blocks, blocks).flatten()
        tensor([2., 2., 5.])
        >>> block_attention(q, k, v, blocks, blocks, loops=False).flatten()
        tensor([3., 1., 0.])
    """
    targets = block_rows(dst, query.size(0)) if isinstance(dst, Tensor) else dst
    sources = block_rows(src, key.size(0)) if isinstance(src, Tensor) else src
    if targets.rows.numel() == 0 or sources.rows.numel() == 0:
        return torch.zeros_like(query)
    out = _attend(
        targets.take(query).transpose(1, 2),  # [K, H, S_t, C]
        sources.take(key).transpose(1, 2),
        sources.take(value).transpose(1, 2),
        _mask(sources, targets, loops),
        dropout,
        scale,
    ).transpose(1, 2)  # [K, S_t, H, C]
    if sources.real is None and loops:
        return targets.give(out, query.size(0))
    silent = sources.length < (1 if loops else 2)
    return targets.give(out.masked_fill(silent.view(-1, 1, 1, 1), 0), query.size(0))


class BlockRows(NamedTuple):
    """The rows of K blocks as a rectangle, and which of them are real."""

    rows: Tensor  # [K, S]
    length: Tensor  # [K]
    real: Tensor | None  # [K, S]; None if all are
    kept: Tensor | None  # places of real rows in the flat rectangle; None if all are
    ordered: bool  # the real rows are all rows in order

    def take(self, x: Tensor) -> Tensor:
        """Nodes ``[N, H, C]`` as blocks ``[K, S, H, C]``."""
        if not self.ordered:
            return x[self.rows]
        if self.kept is not None:
            flat = x.new_zeros(self.rows.numel(), *x.shape[1:])
            x = flat.index_copy(0, self.kept, x)
        return x.view(*self.rows.shape, *x.shape[1:])

    def give(self, x: Tensor, num_rows: int) -> Tensor:
        """Blocks ``[K, S, H, C]`` as nodes ``[N, H, C]``, zero where no block is."""
        flat, rows = x.flatten(0, 1), self.rows.flatten()
        if self.kept is not None:
            flat = flat.index_select(0, self.kept)
        if self.ordered:
            return flat
        rows = rows if self.kept is None else rows[self.kept]
        return x.new_zeros(num_rows, *x.shape[2:]).index_copy(0, rows, flat)


def block_rows(ranges: Tensor, num_rows: int) -> BlockRows:
    """Lays the rows of blocks out as a rectangle for :func:`block_attention`.

    Args:
        ranges: First and last (exclusive) row of each block, ``[K, 2]``.
        num_rows: Number of all rows.

    Example:
        >>> block_rows(torch.tensor([[0, 2], [2, 3]]), 3).real
        tensor([[ True,  True],
                [ True, False]])
    """
    length = ranges[:, 1] - ranges[:, 0]
    size = int(length.max()) if length.numel() > 0 else 0
    rows = ranges[:, :1] + torch.arange(size, device=ranges.device)
    real = rows < ranges[:, 1:]
    order = torch.arange(num_rows, device=ranges.device)
    if bool(real.all()):
        ordered = torch.equal(rows.flatten(), order)
        return BlockRows(rows, length, None, None, ordered)
    kept = real.flatten().nonzero().squeeze(-1)
    ordered = torch.equal(rows.flatten()[kept], order)
    # Only what is not real may point anywhere: a row that is not there is an error.
    return BlockRows(rows.where(real, 0), length, real, kept, ordered)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float,
    scale: float | None,
) -> Tensor:
    """PyTorch's attention; with dropout on CPUs the same steps, but its own dropout."""
    if dropout == 0 or q.device.type != 'cpu':
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale
        )
    scale = 1 / math.sqrt(q.size(-1)) if scale is None else scale
    score = (q * scale) @ k.transpose(-1, -2)
    if mask is not None:
        score = score.masked_fill(~mask, -torch.inf)
    return drop(score.softmax(dim=-1), dropout) @ v


def _mask(sources: BlockRows, targets: BlockRows, loops: bool) -> Tensor | None:
    """True where a target may look at a source; never a row without any True."""
    mask = None
    if sources.real is not None:
        mask = sources.real[:, None, None, :]  # [K, 1, 1, S_s]
    if not loops:
        shape = (targets.rows.size(1), sources.rows.size(1))
        others = ~torch.eye(*shape, dtype=torch.bool, device=sources.rows.device)
        mask = others if mask is None else mask & others  # [(K, 1,) S_t, S_s]
    if mask is not None:
        # A softmax over nothing is NaN; such rows are zeroed by the caller.
        mask = mask | ~mask.any(dim=-1, keepdim=True)
    return mask
