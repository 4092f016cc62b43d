"""Which relations a graph has, for one sample or for a whole batch at once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import torch
from torch import Tensor

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.functional.label_prior import cooccurrence_graph, label_counts
from hetero_mmer.typing import EdgeType


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
    # In NumPy: PyTorch wakes up its threads for some of these small operations.
    names, starts = list(ptr), np.stack([p.numpy() for p in ptr.values()])  # [M, B + 1]
    num_samples = starts.shape[1] - 1
    # First cell of each (sample, modality), [B, M].
    cell = np.arange(num_samples * len(names)).reshape(num_samples, -1) * num_labels
    # Items of each modality, then its cells: a complete relation is two of these rows.
    blocks = np.empty((2, len(names), num_samples, 2), np.int64)
    blocks[0, ..., 0], blocks[0, ..., 1] = starts[:, :-1], starts[:, 1:]
    blocks[1, ..., 0], blocks[1, ..., 1] = cell.T, cell.T + num_labels
    blocks = blocks.reshape(2 * len(names), -1)
    rows = {
        schema.f2f(m, n): (i, j)
        for (i, m), (j, n) in product(enumerate(names), repeat=2)
    }
    rows |= {schema.f2l(m): (i, len(names) + i) for i, m in enumerate(names)}
    ranges = torch.from_numpy(blocks[list(rows.values())])  # [relations, 2, 2B]
    out: dict[EdgeType, dict[str, Tensor]] = {
        edge_type: {'range_index': r} for edge_type, r in zip(rows, ranges, strict=True)
    }
    if label_graph is None:
        cells = np.stack([cell, cell + num_labels], axis=-1).reshape(1, -1)
        out[schema.L2L] = {'range_index': torch.from_numpy(cells.repeat(2, axis=0))}
    else:
        edges = sorted_label_graph(label_graph, num_labels).unsqueeze(1)
        shift = torch.from_numpy(cell).view(1, -1, 1)
        out[schema.L2L] = {'edge_index': (edges + shift).flatten(1)}

    # Of all possible edges of M2L, sorted by label, those of modalities that are there.
    label = np.arange(num_samples * num_labels).reshape(-1, num_labels, 1)
    ends = np.empty((2, num_samples, num_labels, len(names)), np.int64)
    ends[0], ends[1] = cell[:, None] + label[0], label
    present = np.broadcast_to((np.diff(starts) > 0).T[:, None], ends.shape[1:])
    m2l = ends.reshape(2, -1).compress(present.flatten(), axis=1)
    out[schema.M2L] = {'edge_index': torch.from_numpy(m2l)}
    return out


def sorted_label_graph(label_graph: Tensor, num_labels: int) -> Tensor:
    """A label graph ``[2, E]``, checked and sorted by target.

    Raises:
        InputError: If it is no edge index among ``num_labels`` labels.
    """
    refuse_masked(label_graph, "edges of 'label_graph'")
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
    """Label graph from co-occurrence in the training labels.

    Args:
        labels: Training labels, 0 or 1, ``[N, L]``.
        threshold: As of :func:`~hetero_mmer.functional.label_prior.cooccurrence_graph`.

    Returns:
        Edges among the labels, ``[2, E]``, sorted by target.

    Example:
        >>> prior_label_graph(torch.tensor([[1, 1, 0], [0, 0, 1]]))
        tensor([[0, 1, 0, 1, 2],
                [0, 0, 1, 1, 2]])
    """
    refuse_masked(labels, 'labels')
    count, cooccurrence = label_counts(torch.as_tensor(labels))
    return cooccurrence_graph(count, cooccurrence, threshold=threshold)
