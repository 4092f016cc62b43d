"""A whole batch of sample graphs in a few array operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import SampleGraph, add_label_nodes, connect


def assemble(
    features: Mapping[str, Tensor],
    lengths: Mapping[str, Tensor],
    *,
    kinds: Mapping[str, schema.Kind],
    num_labels: int,
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
        y: Labels, ``[B, L]``, if known.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        sample_ids: Names of the samples.
    """
    num_samples = len(sample_ids)
    ptr = {m: _ptr(lengths[m]) for m in features}
    data = Batch(_base_cls=SampleGraph)
    slices: dict = {'sample_id': torch.arange(num_samples + 1)}
    incs: dict = {'sample_id': None}
    unshifted = torch.zeros(num_samples, dtype=torch.long)

    data.sample_id = list(sample_ids)
    for m, x in features.items():
        data[m].x = x
        if kinds[m] == 'sequence':
            data[m].pos = torch.arange(x.size(0)) - _repeat(ptr[m][:-1], lengths[m])
    add_label_nodes(
        data, num_samples, len(features), num_labels, None if y is None else y.flatten()
    )
    for node, width in (
        (schema.MODALITY, len(features) * num_labels),
        (schema.LABEL, num_labels),
    ):
        data[node]._num_nodes = [width] * num_samples
        ptr[node] = torch.arange(num_samples + 1) * width
    for store in data.node_stores:
        node = store._key
        names = [key for key in store if key != 'num_nodes']
        slices[node] = dict.fromkeys(names, ptr[node])
        incs[node] = dict.fromkeys(names, unshifted)
        counts = ptr[node].diff()
        store.batch = _repeat(torch.arange(num_samples), counts)
        store.ptr = ptr[node]

    relations = connect({m: ptr[m] for m in features}, num_labels, label_graph)
    for edge_type, attributes in relations.items():
        data[edge_type].update(attributes)
        src, _, dst = edge_type
        ((name, value),) = attributes.items()
        if edge_type == schema.M2L:  # One edge for each label and present modality.
            present = torch.stack([lengths[m] > 0 for m in features]).sum(dim=0)
            columns = _ptr(present * num_labels)
        else:
            columns = torch.arange(num_samples + 1) * (value.size(1) // num_samples)
        slices[edge_type] = {name: columns}
        shift = torch.stack([ptr[src][:-1], ptr[dst][:-1]], dim=-1)
        incs[edge_type] = {name: shift.unsqueeze(-1)}  # [B, 2, 1]

    data._num_graphs = num_samples
    data._slice_dict, data._inc_dict = slices, incs
    return data


def _repeat(values: Tensor, counts: Tensor) -> Tensor:
    """As PyTorch's, whose threads take longer to wake up than this takes."""
    return torch.from_numpy(np.repeat(values.numpy(), counts.numpy()))


def _ptr(lengths: Tensor) -> Tensor:
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
