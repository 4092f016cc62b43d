"""What a batch holds, as rectangles."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import HeteroData

from hetero_mmer import schema


def targets(batch: HeteroData) -> Tensor:
    """The labels of a batch, ``[B, L]``."""
    return batch[schema.LABEL].y.view(batch.num_graphs, -1)
