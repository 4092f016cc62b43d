"""A training step of HHMPN at the size of the paper, beside its products alone."""

from __future__ import annotations

import torch
from case import Case, Goal, Step
from data import LABELS, WIDTHS, training_step

from hetero_mmer.models import HHMPN

BATCH, ITEMS, CHANNELS, STEPS = 64, 60, 256, 3


def ours() -> Step:
    return train_on(dict.fromkeys(WIDTHS, ITEMS), BATCH)


def train_on(items: dict[str, int], batch_size: int) -> Step:
    """A training step."""
    model = HHMPN(WIDTHS, LABELS, hidden_channels=CHANNELS, num_steps=STEPS)
    optimizer = torch.optim.Adam(model.parameters())
    return training_step(model, optimizer, items, batch_size)


def floor() -> Step:
    """As many multiplications in square matrices, with nothing around them."""
    size = 1024
    a, b, out = torch.rand(3, size, size).unbind()
    times = round(num_multiplications() / size**3)

    def step() -> None:
        for _ in range(times):
            torch.mm(a, b, out=out)

    return step


def num_multiplications() -> int:
    """Of linear maps and attention, forward and backward, from the equations."""
    d, modalities = CHANNELS, len(WIDTHS)
    items, cells = BATCH * ITEMS * modalities, BATCH * LABELS * modalities
    embed = BATCH * ITEMS * sum(WIDTHS.values()) * d
    f2f = 3 * items * d**2 + 2 * items * ITEMS * modalities * d  # Eq. 9
    f2f += items * (modalities + 1) * d**2  # Eq. 10
    f2l = (cells + 2 * items) * d**2 + 2 * cells * ITEMS * d + 2 * cells * d**2
    l2l = 3 * cells * d**2 + 2 * cells * LABELS * d + 2 * cells * d**2
    # Backward, a product has two; that of the features themselves, one.
    return 2 * embed + 3 * STEPS * (f2f + f2l + l2l)


CASE = Case(
    'a training step of HHMPN: d 256, T 3, batch 64, 3 x 60 items',
    {'ours': ours, 'its multiplications alone': floor},
    [Goal('ours', 'its multiplications alone', 2)],
    repeats=7,
)
