"""What a batch holds, as rectangles."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetero_mmer import schema
from hetero_mmer.functional.padding import pad


def targets(batch: HeteroData) -> Tensor:
    """The labels of a batch, ``[B, L]``."""
    return batch[schema.LABEL].y.view(batch.num_graphs, -1)


def without_targets(batch: HeteroData) -> HeteroData:
    """A shallow copy of a batch whose labels are hidden, as for new samples.

    Args:
        batch: The batch.
    """
    hidden = batch.__copy__()
    for name in ('y', 'intensity'):
        hidden[schema.LABEL].pop(name, None)
    return hidden


def ptr_of(data: HeteroData, modality: str) -> Tensor:
    """Where the items of each sample start, ``[B + 1]``.

    Args:
        data: One sample's graph, or a batch of B.
        modality: Whose items.
    """
    store = data[modality]
    if 'ptr' in store:
        return store.ptr
    return torch.tensor([0, len(store.x)], device=store.x.device)


def dense(data: HeteroData, modality: str) -> tuple[Tensor, Tensor]:
    """The items of a modality, padded on the right, for models of sequences.

    S is the longest sample's number of items; 1 if no sample has the modality, so that
    layers that refuse empty sequences need no special case.

    Args:
        data: One sample's graph, or a batch of B.
        modality: Whose items.

    Returns:
        Features ``[B, S, F]``, or ids ``[B, S, 1]``, 0 where padded; and the mask
        ``[B, S]``, true where an item is.

    Example:
        >>> from torch_geometric.data import Batch
        >>> from hetero_mmer.graph import build_graph
        >>> graphs = [build_graph({'text': torch.ones(n, 4)}, [1, 0]) for n in (3, 1)]
        >>> x, mask = dense(Batch.from_data_list(graphs), 'text')
        >>> x.shape, mask.sum(dim=1)
        (torch.Size([2, 3, 4]), tensor([3, 1]))
    """
    return pad(data[modality].x, ptr_of(data, modality))
