"""Batches of 64 samples with 3 x 60 items from a store that is kept in memory."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from case import Case, Goal, Step
from data import LABELS, WIDTHS
from torch_geometric.data import Batch

from hetero_mmer.graph import explicit
from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

SAMPLES, BATCH, ITEMS = 512, 64, 60


@cache
def dataset() -> StoreDataset:
    rng = np.random.default_rng(0)
    path = Path(tempfile.mkdtemp()) / 'store.h5'
    specs = {m: ModalitySpec(width) for m, width in WIDTHS.items()}
    with StoreWriter(path, specs, [f'label-{i}' for i in range(LABELS)]) as writer:
        for i in range(SAMPLES):
            x = {m: rng.standard_normal((ITEMS, w)) for m, w in WIDTHS.items()}
            writer.add(f'sample-{i}', x, rng.integers(0, 2, LABELS))
    return StoreDataset(Store(path))


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
    memory=None,
)
