"""Graphs and stores at the sizes of the papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from case import Step
from torch import Tensor
from torch.optim import Optimizer

from hetero_mmer.graph import AllPairs
from hetero_mmer.loader.assemble import assemble
from hetero_mmer.nn.conv import Relations
from hetero_mmer.store import ModalitySpec, StoreWriter

WIDTHS = {'text': 300, 'visual': 35, 'audio': 74}
LABELS = 6
ITEMS = 60


def make_batch(lengths: dict[str, Tensor]) -> object:
    """A batch of random samples with these numbers of items."""
    size = len(next(iter(lengths.values())))
    return assemble(
        {m: torch.randn(int(n.sum()), WIDTHS[m]) for m, n in lengths.items()},
        lengths,
        kinds=dict.fromkeys(lengths, 'sequence'),
        num_labels=LABELS,
        y=torch.randint(2, (size, LABELS)).float(),
        sample_ids=[str(i) for i in range(size)],
    )


def training_step(
    model: Any, optimizer: Optimizer, items: dict[str, int], batch_size: int
) -> Step:
    """A training step on a batch whose samples have so many items each."""
    batch = make_batch({m: torch.full((batch_size,), n) for m, n in items.items()})
    y = batch['label'].y.view(batch_size, LABELS)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(model(batch), y)['total'].backward()
        optimizer.step()

    return step


def ranges(lengths: Tensor) -> Tensor:
    """First and last row of each sample."""
    stop = lengths.cumsum(0)
    return torch.stack([stop - lengths, stop], dim=1)


def f2f(lengths: dict[str, Tensor]) -> Relations:
    """All items of a sample to all others, between all modalities."""
    rows = {m: ranges(n) for m, n in lengths.items()}
    return Relations(
        {
            (m, 'f2f', n): AllPairs(rows[m], rows[n], loops=m != n)
            for m in rows
            for n in rows
        }
    )


def make_store(folder: str, num_bytes: int) -> Path:
    """A store of so many bytes; all of its samples are alike."""
    rng = np.random.default_rng(0)
    x = {m: rng.standard_normal((ITEMS, w), np.float32) for m, w in WIDTHS.items()}
    y = rng.integers(0, 2, LABELS)
    path = Path(folder) / 'store.h5'
    specs = {m: ModalitySpec(width) for m, width in WIDTHS.items()}
    with StoreWriter(path, specs, [f'label-{i}' for i in range(LABELS)]) as writer:
        for i in range(num_bytes // sum(part.nbytes for part in x.values())):
            writer.add(f'sample-{i}', x, y)
    return path
