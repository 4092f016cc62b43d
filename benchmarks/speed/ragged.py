"""F2F on samples of different lengths, beside equal ones with as many pairs."""

from __future__ import annotations

import math

import torch
from case import Case, Goal, Step
from data import f2f
from torch import Tensor

from hetero_mmer.nn.conv import AttentionConv, Stage

NAMES, BATCH, CHANNELS = ('text', 'visual', 'audio'), 16, 256


def stage_on(lengths: dict[str, Tensor]) -> Step:
    conv = AttentionConv(CHANNELS, CHANNELS)
    relations = f2f(lengths)
    stage = Stage(dict.fromkeys(relations, conv), aggr='cat')
    x = {
        m: torch.randn(int(n.sum()), CHANNELS, requires_grad=True)
        for m, n in lengths.items()
    }

    grads = {m: torch.rand(int(n.sum()), 3 * CHANNELS) for m, n in lengths.items()}

    def step() -> None:
        outs = stage(x, relations)
        torch.autograd.backward([outs[m] for m in NAMES], [grads[m] for m in NAMES])

    return step


def drawn(names: tuple[str, ...]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {m: torch.randint(5, 61, (BATCH,), generator=generator) for m in names}


def aligned() -> dict[str, Tensor]:
    """As long in each modality."""
    return dict.fromkeys(NAMES, drawn(NAMES[:1])['text'])


def equal_to(lengths: dict[str, Tensor]) -> dict[str, Tensor]:
    """Equal lengths, with as many pairs."""
    pairs = torch.stack(list(lengths.values())).sum(dim=0).square().float().mean()
    size = round(math.sqrt(pairs) / len(NAMES))
    return dict.fromkeys(NAMES, torch.full((BATCH,), size))


CASE = Case(
    'F2F stage, 5 to 60 items, d 256, batch 16, forward and backward',
    {
        'aligned': lambda: stage_on(aligned()),
        'equal lengths, as many pairs as aligned': lambda: stage_on(
            equal_to(aligned())
        ),
        'unaligned': lambda: stage_on(drawn(NAMES)),
        'equal lengths, as many pairs as unaligned': lambda: stage_on(
            equal_to(drawn(NAMES))
        ),
    },
    [
        Goal(side, f'equal lengths, as many pairs as {side}', 1.5)
        for side in ('aligned', 'unaligned')
    ],
)
