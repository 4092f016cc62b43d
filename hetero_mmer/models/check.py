"""Whether a graph is one that a model was made for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph.layout import facts, layout_of
from hetero_mmer.graph.validate import check_cells, check_counts


def check_graph(
    data: HeteroData,
    in_channels: Mapping[str, int],
    num_labels: int,
    num_embeddings: Mapping[str, int],
) -> None:
    """Refuses a graph with other modalities, widths or labels, or ids for features.

    Samples of a batch that do not belong together are refused as well. Where graphs
    know their layout, this takes no look at their tensors.

    Args:
        data: One sample's graph, or a batch.
        in_channels: Feature width of each modality, in order.
        num_labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.

    Raises:
        InputError: Tells what was expected and what came.
    """
    widths = {m: data[m].x.size(-1) for m in schema.modalities(data.node_types)}
    if list(widths.items()) != list(in_channels.items()):
        raise InputError(
            f'this model reads modalities of widths {dict(in_channels)} '
            f'(got a graph with {widths})'
        )
    for m in widths:
        if data[m].x.is_floating_point() == (m in num_embeddings):
            expected = (
                'integer ids' if m in num_embeddings else 'floating-point features'
            )
            raise InputError(
                f"this model reads {expected} for modality '{m}' (got a graph with "
                f'{data[m].x.dtype})'
            )
    check_counts(data)
    text = layout_of(data)
    if text is not None:
        _check_vocabularies(text, num_embeddings)
    elif not torch.compiler.is_compiling():  # Values would break its graph.
        check_cells(data)
    store = data[schema.LABEL]
    labels = store.num_nodes if 'label_id' in store else 0
    samples = data.num_graphs if isinstance(data, Batch) else 1
    if labels != samples * num_labels:
        raise InputError(
            f'this model has {num_labels} labels for each sample '
            f'(got a graph with {labels / samples:g})'
        )


def _check_vocabularies(text: str, num_embeddings: Mapping[str, int]) -> None:
    widths = facts(text).widths
    for m, size in num_embeddings.items():
        if widths[m] != f'{size} ids':
            raise InputError(
                f"this model has a vocabulary of {size} ids for '{m}' "
                f'(got a graph with {widths[m]})'
            )
