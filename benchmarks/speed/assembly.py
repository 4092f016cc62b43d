"""Batches of 64 samples with 3 x 60 items from a store that is kept in memory."""

from __future__ import annotations

from functools import cache
from tempfile import TemporaryDirectory

import numpy as np
import torch
from case import Case, Goal, Step
from data import ITEMS, WIDTHS, make_store
from torch_geometric.data import Batch

from hetero_mmer.graph import explicit
from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import Store

SAMPLES, BATCH = 512, 64


@cache
def dataset() -> StoreDataset:
    with TemporaryDirectory() as folder:
        size = SAMPLES * ITEMS * sum(WIDTHS.values()) * 4  # Bytes.
        return StoreDataset(Store(make_store(folder, size)))


def indices() -> np.ndarray:
    return np.random.default_rng(1).permutation(SAMPLES)[:BATCH]


def ours() -> Step:
    data, chosen = dataset(), indices()
    return lambda: data.batch(chosen)


def gather() -> Step:
    rng = np.random.default_rng(0)
    arrays = {
        m: rng.random((SAMPLES, ITEMS, width), np.float32)
        for m, width in WIDTHS.items()
    }
    chosen = indices()
    return lambda: [torch.from_numpy(x[chosen]) for x in arrays.values()]


def collate() -> Step:
    data, chosen = dataset(), indices()
    graphs = [data[int(i)] for i in chosen]
    return lambda: Batch.from_data_list(graphs)


def collate_edges() -> Step:
    data, chosen = dataset(), indices()
    graphs = [explicit(data[int(i)]) for i in chosen]
    return lambda: Batch.from_data_list(graphs)


CASE = Case(
    'a batch of 64 samples with 3 x 60 items (300/35/74 wide) from a store',
    {
        'ours': ours,
        'a gather of the same bytes': gather,
        "PyG's collate of ready-made samples": collate,
        "PyG's collate with explicit edges": collate_edges,
    },
    [Goal('ours', 'a gather of the same bytes', 2)],
    repeats=31,
    memory=False,
)
