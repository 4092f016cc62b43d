"""What a batch holds, as rectangles."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import HeteroData

from hetero_mmer import schema


def targets(batch: HeteroData) -> Tensor:
    """The labels of a batch, ``[B, L]``."""
    return batch[schema.LABEL].y.view(batch.num_graphs, -1)


def without_targets(batch: HeteroData) -> HeteroData:
    """A shallow copy of a batch whose labels are hidden, as for new samples.

    Args:
        batch: The batch.
    """
    hidden = batch.__copy__()
    hidden[schema.LABEL].pop('y', None)
    return hidden
