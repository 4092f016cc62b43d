"""A whole batch of sample graphs in a few array operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import SampleGraph, connect, label_nodes
from hetero_mmer.graph.layout import Layout, describe

#: Made once: PyG makes a class whenever it is asked for the batch of another one.
_SampleGraphBatch = type(Batch(_base_cls=SampleGraph))


def assemble(
    features: Mapping[str, Tensor],
    lengths: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, schema.Kind],
    num_labels: int,
    num_embeddings: Mapping[str, int] | None = None,
    y: Tensor | None = None,
    label_graph: Tensor | None = None,
    sample_ids: Sequence[str],
) -> Batch:
    """Makes the batch that PyG would collate from the samples' graphs.

    Equal to ``Batch.from_data_list([build_graph(...), ...])`` in every field, without
    an object for each sample.

    Args:
        features: Items of each modality, sample after sample, ``[ΣS, F]``, or ids,
            ``[ΣS, 1]``.
        lengths: Number of items of each sample, ``[B]``.
        kinds: ``sequence`` or ``set`` for each modality.
        num_labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        y: Labels, ``[B, L]``, if known.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        sample_ids: Names of the samples.
    """
    num_samples, samples = len(sample_ids), np.arange(len(sample_ids) + 1)
    nodes: dict[str, dict] = {m: {'x': x} for m, x in features.items()}
    nodes |= label_nodes(
        num_samples, len(features), num_labels, None if y is None else y.flatten()
    )
    counts = np.full((len(nodes), num_samples), num_labels)  # [nodes, B]
    counts[:-2] = np.stack([lengths[m].numpy() for m in features])
    counts[-2] *= len(features)
    starts = _starts(counts)  # [nodes, B + 1]
    ptr = dict(zip(nodes, torch.from_numpy(starts).unbind(), strict=True))
    data = type.__call__(_SampleGraphBatch)  # Past PyG's search for the class.
    relations = connect({m: ptr[m] for m in features}, num_labels, label_graph)
    text = describe(
        kinds, features, num_embeddings or {}, num_labels, relations, num_samples
    )
    each = torch.from_numpy(samples)
    slices: dict = {schema.SAMPLE_LAYOUT: {text: each}, schema.SAMPLE_ID: each}
    incs: dict = {schema.SAMPLE_LAYOUT: {text: None}, schema.SAMPLE_ID: None}
    unshifted = torch.zeros(num_samples, dtype=torch.long)

    data.sample_layout = Layout(text, list(sample_ids))
    data.sample_id = list(sample_ids)
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
        store = data.get_node_store(node)
        attributes |= {'batch': torch.from_numpy(batch), 'ptr': ptr[node]}
        store._mapping.update(attributes)  # Past PyG's search for caches to empty.
        if 'num_nodes' in attributes:
            store._num_nodes = count.tolist()

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
        data.get_edge_store(*edge_type)._mapping.update(attributes)
        slices[edge_type] = dict.fromkeys(attributes, column)
        incs[edge_type] = dict.fromkeys(attributes, shift)
    # One edge of M2L for each label and present modality.
    present = (counts[: len(features)] > 0).sum(axis=0)
    slices[schema.M2L]['edge_index'] = torch.from_numpy(_starts(present * num_labels))

    data._num_graphs = num_samples
    data._slice_dict, data._inc_dict = slices, incs
    return data


def _starts(counts: np.ndarray) -> np.ndarray:
    zero = np.zeros((*counts.shape[:-1], 1), np.int64)
    return np.concatenate([zero, counts.cumsum(-1)], axis=-1)
