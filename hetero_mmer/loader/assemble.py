"""A whole batch of sample graphs in a few array operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import build_graph, connect, label_nodes
from hetero_mmer.graph.layout import Layout, describe
from hetero_mmer.loader import _pyg

_NONE: Final[Mapping[str, Tensor]] = MappingProxyType({})


def assemble(
    features: Mapping[str, Tensor],
    lengths: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, schema.Kind],
    num_labels: int,
    num_embeddings: Mapping[str, int] | None = None,
    y: Tensor | None = None,
    intensities: Tensor | None = None,
    segments: Mapping[str, Tensor] = _NONE,
    extras: Mapping[str, Tensor] = _NONE,
    label_graph: Tensor | None = None,
    sample_ids: Sequence[str],
) -> Batch:
    """Makes the batch that PyG would collate from the samples' graphs.

    Equal to ``Batch.from_data_list([build_graph(...), ...])`` in every field, without
    an object for each sample; by it, where PyG is another than was tested.

    Args:
        features: Items of each modality, sample after sample, ``[ΣS, F]``, or ids,
            ``[ΣS, 1]``.
        lengths: Number of items of each sample, ``[B]``.
        kinds: ``sequence`` or ``set`` for each modality.
        num_labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        y: Labels, ``[B, L]``, if known.
        intensities: Intensity of each label, ``[B, L]``, if known.
        segments: The segment of each item, ``[ΣS]``, of some modalities.
        extras: Other arrays of each sample, ``[B, ...]``, by name.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        sample_ids: Names of the samples.
    """
    if not _pyg.fits():
        return _collate(
            *(features, lengths, y, intensities, segments, extras, sample_ids),
            kinds=kinds,
            num_labels=num_labels,
            num_embeddings=num_embeddings,
            label_graph=label_graph,
        )
    num_samples, samples = len(sample_ids), np.arange(len(sample_ids) + 1)
    nodes: dict[str, dict] = {m: {'x': x} for m, x in features.items()}
    for m, segment in segments.items():
        nodes[m]['segment'] = segment
    nodes |= label_nodes(
        num_samples,
        len(features),
        num_labels,
        None if y is None else y.flatten(),
        None if intensities is None else intensities.flatten(),
    )
    counts = np.full((len(nodes), num_samples), num_labels)  # [nodes, B]
    counts[:-2] = np.stack([lengths[m].numpy() for m in features])
    counts[-2] *= len(features)
    starts = _starts(counts)  # [nodes, B + 1]
    ptr = dict(zip(nodes, torch.from_numpy(starts).unbind(), strict=True))
    relations = connect({m: ptr[m] for m in features}, num_labels, label_graph)
    text = describe(
        kinds, features, num_embeddings or {}, num_labels, relations, num_samples
    )
    each = torch.from_numpy(samples)
    unshifted = torch.zeros(num_samples, dtype=torch.long)
    slices: dict = {schema.SAMPLE_LAYOUT: {text: each}, schema.SAMPLE_ID: each}
    incs: dict = {schema.SAMPLE_LAYOUT: {text: None}, schema.SAMPLE_ID: None}
    slices |= dict.fromkeys(extras, each)
    incs |= dict.fromkeys(extras, unshifted)

    num_nodes = {}
    for (node, attributes), start, count in zip(
        nodes.items(), starts, counts, strict=True
    ):
        batch = np.repeat(samples[:-1], count)
        if kinds.get(node) == 'sequence':
            attributes['pos'] = torch.from_numpy(
                np.arange(len(batch)) - np.repeat(start[:-1], count)
            )
        names = [name for name in attributes if name != 'num_nodes']
        slices[node] = dict.fromkeys(names, ptr[node])
        incs[node] = dict.fromkeys(names, unshifted)
        attributes |= {'batch': torch.from_numpy(batch), 'ptr': ptr[node]}
        if 'num_nodes' in attributes:
            num_nodes[node] = count.tolist()

    widths_of = [
        next(iter(r.values())).size(1) // num_samples for r in relations.values()
    ]
    columns = torch.from_numpy(np.outer(widths_of, samples))
    order = list(nodes)
    ends = [[order.index(src), order.index(dst)] for src, _, dst in relations]
    shifts = torch.from_numpy(starts[ends, :-1])  # [relations, 2, B]
    for (edge_type, attributes), column, shift in zip(
        relations.items(), columns, shifts.mT.unsqueeze(-1), strict=True
    ):
        slices[edge_type] = dict.fromkeys(attributes, column)
        incs[edge_type] = dict.fromkeys(attributes, shift)
    # One edge of M2L for each label and present modality.
    present = (counts[: len(features)] > 0).sum(axis=0)
    slices[schema.M2L]['edge_index'] = torch.from_numpy(_starts(present * num_labels))

    names = list(sample_ids)
    own = {
        schema.SAMPLE_LAYOUT: Layout(text, names),
        schema.SAMPLE_ID: list(names),
        **extras,
    }
    return _pyg.make_batch(own, nodes, relations, num_nodes, slices, incs, num_samples)


def _collate(
    features: Mapping[str, Tensor],
    lengths: Mapping[str, Tensor],
    y: Tensor | None,
    intensities: Tensor | None,
    segments: Mapping[str, Tensor],
    extras: Mapping[str, Tensor],
    sample_ids: Sequence[str],
    **options: Any,
) -> Batch:
    """The same batch by PyG, graph by graph."""
    items = {m: x.split(lengths[m].tolist()) for m, x in features.items()}
    parts = {m: x.split(lengths[m].tolist()) for m, x in segments.items()}
    graphs = [
        build_graph(
            {m: x[i] for m, x in items.items()},
            None if y is None else y[i],
            intensities=None if intensities is None else intensities[i],
            segments={m: x[i] for m, x in parts.items()},
            extras={name: values[i] for name, values in extras.items()},
            sample_id=sample_id,
            **options,
        )
        for i, sample_id in enumerate(sample_ids)
    ]
    return Batch.from_data_list(graphs)


def _starts(counts: np.ndarray) -> np.ndarray:
    zero = np.zeros((*counts.shape[:-1], 1), np.int64)
    return np.concatenate([zero, counts.cumsum(-1)], axis=-1)
