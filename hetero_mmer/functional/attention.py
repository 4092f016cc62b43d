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
        InputError: If an edge joins a node that does not exist.

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
    """Checks edges: a sparse product reads out of bounds without an error."""
    if edge_index.numel() == 0:
        return
    for end, nodes, number in zip(
        ('source', 'target'), edge_index, (num_src, num_dst), strict=True
    ):
        low, high = (int(x) for x in nodes.aminmax())
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
    making them: adjacent blocks of equal length are reshaped, others go through one
    padded call with a mask.

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
    targets = block_rows(dst) if isinstance(dst, Tensor) else dst
    sources = block_rows(src) if isinstance(src, Tensor) else src
    if targets.rows.numel() == 0 or sources.rows.numel() == 0:
        return torch.zeros_like(query)
    out = _attend(
        targets.pad(query).transpose(1, 2),  # [K, H, S_t, C]
        sources.pad(key).transpose(1, 2),
        sources.pad(value).transpose(1, 2),
        _mask(sources, targets, loops),
        dropout,
        scale,
    ).transpose(1, 2)  # [K, S_t, H, C]
    if sources.mask is not None or not loops:
        empty = sources.length < (1 if loops else 2)
        out = out.masked_fill(empty.view(-1, 1, 1, 1), 0)
    return targets.unpad(out, query.size(0))


class BlockRows(NamedTuple):
    """The rows of K blocks, padded to the longest block."""

    rows: Tensor  # [K, S]
    length: Tensor  # [K]
    mask: Tensor | None  # False for padding, [K, S]; None without padding
    place: Tensor | None  # where the mask is True, among K·S; None without padding
    num_rows: int | None  # if the rows are 0, 1, 2, … in order, their number

    def pad(self, x: Tensor) -> Tensor:
        """Nodes ``[N, H, C]`` as blocks ``[K, S, H, C]``."""
        if x.size(0) != self.num_rows:
            return x[self.rows]
        if self.place is not None:
            flat = x.new_zeros(self.rows.numel(), *x.shape[1:])
            x = flat.index_copy(0, self.place, x)
        return x.view(*self.rows.shape, *x.shape[1:])

    def unpad(self, x: Tensor, num_rows: int) -> Tensor:
        """Blocks ``[K, S, H, C]`` as nodes ``[N, H, C]``, zero outside of blocks."""
        flat, rows = x.flatten(0, 1), self.rows.flatten()
        if self.place is not None:
            flat = flat.index_select(0, self.place)
        if num_rows == self.num_rows:
            return flat
        rows = rows if self.place is None else rows[self.place]
        return x.new_zeros(num_rows, *x.shape[2:]).index_copy(0, rows, flat)


def block_rows(ranges: Tensor) -> BlockRows:
    """Pads the rows of blocks for :func:`block_attention`.

    Args:
        ranges: First and last (exclusive) row of each block, ``[K, 2]``.

    Example:
        >>> block_rows(torch.tensor([[0, 2], [2, 3]])).mask
        tensor([[ True,  True],
                [ True, False]])
    """
    length = ranges[:, 1] - ranges[:, 0]
    size = int(length.max()) if length.numel() > 0 else 0
    rows = ranges[:, :1] + torch.arange(size, device=ranges.device)
    mask = rows < ranges[:, 1:]
    place = None if bool(mask.all()) else mask.flatten().nonzero().squeeze(-1)
    flat = rows.flatten() if place is None else rows.flatten()[place]
    in_order = torch.equal(flat, torch.arange(len(flat), device=ranges.device))
    num_rows = len(flat) if in_order else None
    if place is None:
        return BlockRows(rows, length, None, None, num_rows)
    # Padding may point anywhere, but within bounds.
    return BlockRows(rows.where(mask, 0), length, mask, place, num_rows)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float,
    scale: float | None,
) -> Tensor:
    """PyTorch's attention, on CPUs with :func:`hetero_mmer.functional.dropout`."""
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
    """True where a target attends to a source; each row has at least one True."""
    mask = None
    if sources.mask is not None:
        mask = sources.mask[:, None, None, :]  # [K, 1, 1, S_s]
    if not loops:
        shape = (targets.rows.size(1), sources.rows.size(1))
        others = ~torch.eye(*shape, dtype=torch.bool, device=sources.rows.device)
        mask = others if mask is None else mask & others  # [(K, 1,) S_t, S_s]
    if mask is not None:
        # A softmax over nothing is NaN; such rows are zeroed by the caller.
        mask = mask | ~mask.any(dim=-1, keepdim=True)
    return mask
