"""Which relations a graph has, for one sample or for a whole batch at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hetero_mmer import schema
from hetero_mmer.typing import EdgeType, InputError


def connect(
    ptr: Mapping[str, Tensor], num_labels: int, label_graph: Tensor | None = None
) -> dict[EdgeType, dict[str, Tensor]]:
    """Makes all relations of :mod:`hetero_mmer.schema` from the item counts.

    Args:
        ptr: For each modality, where each sample's items start, ``[B + 1]``; in the
            order of the cells.
        num_labels: Number of labels :math:`L`.
        label_graph: Edges among the labels, ``[2, E]``, for ``l2l``; all pairs
            without self-loops if ``None``.

    Returns:
        For each relation its one attribute: ``range_index`` ``[2, 2K]`` if it is
        complete, else ``edge_index`` ``[2, E]``, sorted by target.

    Raises:
        InputError: If ``label_graph`` is no edge index among the labels.

    Example:
        >>> ptr = {'text': torch.tensor([0, 3])}
        >>> relations = connect(ptr, num_labels=2)
        >>> relations['text', 'f2l', 'modality']['range_index']
        tensor([[0, 3],
                [0, 2]])
        >>> relations['modality', 'm2l', 'label']['edge_index']
        tensor([[0, 1],
                [0, 1]])
    """
    names, num_samples = list(ptr), len(next(iter(ptr.values()))) - 1
    items = {m: torch.stack([p[:-1], p[1:]], dim=-1).view(-1) for m, p in ptr.items()}
    # First cell of each (sample, modality), [B, M].
    cell = torch.arange(num_samples * len(names)).view(num_samples, -1) * num_labels

    out: dict[EdgeType, dict[str, Tensor]] = {}
    for m in names:
        for n in names:
            out[schema.f2f(m, n)] = {'range_index': torch.stack([items[m], items[n]])}
    for i, m in enumerate(names):
        cells = _ranges(cell[:, i], num_labels)
        out[schema.f2l(m)] = {'range_index': torch.stack([items[m], cells])}
    if label_graph is None:
        out[schema.L2L] = {
            'range_index': _ranges(cell.flatten(), num_labels).repeat(2, 1)
        }
    else:
        edges = sorted_label_graph(label_graph, num_labels).unsqueeze(1)
        out[schema.L2L] = {'edge_index': (edges + cell.view(1, -1, 1)).flatten(1)}

    label = torch.arange(num_labels).view(1, -1, 1)  # [1, L, 1]
    present = torch.stack([p.diff() > 0 for p in ptr.values()], dim=-1)  # [B, M]
    src = cell.unsqueeze(1) + label  # [B, L, M]
    dst = torch.arange(num_samples).view(-1, 1, 1) * num_labels + label
    m2l = torch.stack([src, dst.expand_as(src)])
    out[schema.M2L] = {'edge_index': m2l[:, present.unsqueeze(1).expand_as(src)]}
    return out


def sorted_label_graph(label_graph: Tensor, num_labels: int) -> Tensor:
    """A label graph ``[2, E]``, checked and sorted by target.

    Raises:
        InputError: If it is no edge index among ``num_labels`` labels.
    """
    edges = torch.as_tensor(label_graph)
    if edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point():
        raise InputError(
            f"'label_graph' is an edge index of shape [2, E] (got {edges.dtype} "
            f'of shape {list(edges.shape)})'
        )
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < num_labels:
        raise InputError(
            f"'label_graph' joins labels 0 to {num_labels - 1} "
            f'(got {int(edges.min())} to {int(edges.max())})'
        )
    edges = edges.long()
    return edges[:, torch.argsort(edges[1] * num_labels + edges[0])]


def prior_label_graph(labels: Tensor, *, threshold: float = 0.2) -> Tensor:
    r"""Label graph from co-occurrence in the training labels.

    An edge :math:`k \to i` where :math:`n_{ik} / \sqrt{n_i n_k} \ge \tau`, plus all
    self-loops; what the authors of HHMPN use in their code.

    Args:
        labels: Training labels, 0 or 1, ``[N, L]``.
        threshold: :math:`\tau`.

    Returns:
        Edges among the labels, ``[2, E]``, sorted by target.

    Example:
        >>> prior_label_graph(torch.tensor([[1, 1, 0], [0, 0, 1]]))
        tensor([[0, 1, 0, 1, 2],
                [0, 0, 1, 1, 2]])
    """
    y = torch.as_tensor(labels).double()
    both, count = y.T @ y, y.sum(dim=0)
    norm = (count.unsqueeze(0) * count.unsqueeze(1)).sqrt()
    joined = (both >= threshold * norm) & (norm > 0)
    joined |= torch.eye(y.size(1), dtype=torch.bool)
    return joined.nonzero().T.flip(0).contiguous()  # `joined` is symmetric.


def _ranges(start: Tensor, size: int) -> Tensor:
    return torch.stack([start, start + size], dim=-1).view(-1)
