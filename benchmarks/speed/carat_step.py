"""A training step of CARAT, beside the Transformers alone that it is made of."""

from __future__ import annotations

import torch
from case import Case, Goal, Step
from data import LABELS, WIDTHS, training_step
from torch.nn import ModuleList, TransformerEncoder, TransformerEncoderLayer
from torch.optim import AdamW

from hetero_mmer.models import CARAT

NUM_LAYERS = {'text': 6, 'visual': 4, 'audio': 4}
BATCH, ITEMS, CHANNELS, HEADS, DROPOUT, QUEUE = 64, 60, 256, 8, 0.3, 8192


def ours() -> Step:
    return train_on(dict.fromkeys(WIDTHS, ITEMS), BATCH)


def train_on(items: dict[str, int], batch_size: int) -> Step:
    """A training step with all losses and a full queue."""
    model = CARAT(WIDTHS, LABELS, num_layers=NUM_LAYERS)
    optimizer = AdamW(model.parameters(), lr=5e-5)
    classes = torch.randint(2 * LABELS * len(WIDTHS), (QUEUE,))
    model.contrast.queue.push_(torch.randn(QUEUE, 64) / 8, classes)
    return training_step(model, optimizer, items, batch_size)


def stacks() -> Step:
    layer = TransformerEncoderLayer(
        CHANNELS, HEADS, CHANNELS, DROPOUT, activation='gelu', batch_first=True
    )
    models = ModuleList(TransformerEncoder(layer, n) for n in NUM_LAYERS.values())
    optimizer = AdamW(models.parameters(), lr=5e-5)
    xs = [torch.randn(BATCH, ITEMS, CHANNELS) for _ in models]

    def step() -> None:
        optimizer.zero_grad()
        outs = [model(x) for model, x in zip(models, xs, strict=True)]
        sum(out.square().mean() for out in outs).backward()
        optimizer.step()

    return step


CASE = Case(
    'a training step of CARAT: d 256, 6 + 4 + 4 layers, batch 64, 3 x 60 items',
    {'ours': ours, 'three TransformerEncoder stacks': stacks},
    [
        Goal('ours', 'three TransformerEncoder stacks', 1.35),
        Goal('ours', 'three TransformerEncoder stacks', 1.3, 'memory'),
    ],
    repeats=7,
)
