"""Whether a graph is one that a model was made for."""

from __future__ import annotations

from collections.abc import Collection

from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.typing import InputError


def check_graph(
    data: HeteroData,
    in_channels: dict[str, int],
    num_labels: int,
    of_ids: Collection[str] = (),
) -> None:
    """Refuses a graph with other modalities, widths or labels, or ids for features.

    Args:
        data: One sample's graph, or a batch.
        in_channels: Feature width of each modality, in order.
        num_labels: Number of labels.
        of_ids: The modalities whose items are ids.

    Raises:
        InputError: Tells what was expected and what came.
    """
    widths = {m: data[m].x.size(-1) for m in schema.modalities(data.node_types)}
    if list(widths.items()) != list(in_channels.items()):
        raise InputError(
            f'this model reads modalities of widths {in_channels} '
            f'(got a graph with {widths})'
        )
    for m in widths:
        if data[m].x.is_floating_point() == (m in of_ids):
            expected = 'integer ids' if m in of_ids else 'floating-point features'
            raise InputError(
                f"this model reads {expected} for modality '{m}' (got a graph with "
                f'{data[m].x.dtype})'
            )
    store = data[schema.LABEL]
    labels = store.num_nodes if 'label_id' in store else 0
    samples = data.num_graphs if isinstance(data, Batch) else 1
    if labels != samples * num_labels:
        raise InputError(
            f'this model has {num_labels} labels for each sample '
            f'(got a graph with {labels / samples:g})'
        )
