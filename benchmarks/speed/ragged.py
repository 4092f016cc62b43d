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
    stage = Stage(dict.fromkeys(f2f(lengths), conv), aggr='cat')
    x = {
        m: torch.randn(int(n.sum()), CHANNELS, requires_grad=True)
        for m, n in lengths.items()
    }

    grads = {m: torch.rand(int(n.sum()), 3 * CHANNELS) for m, n in lengths.items()}

    def step() -> None:
        outs = stage(x, f2f(lengths))
        torch.autograd.backward([outs[m] for m in NAMES], [grads[m] for m in NAMES])

    return step


def drawn() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 61, (BATCH,), generator=generator)
    return dict.fromkeys(NAMES, lengths)  # Aligned: as long in each modality.


def ragged() -> Step:
    return stage_on(drawn())


def equal() -> Step:
    pairs = drawn()['text'].square().float().mean()
    return stage_on(dict.fromkeys(NAMES, torch.full((BATCH,), round(math.sqrt(pairs)))))


CASE = Case(
    'F2F stage, 5 to 60 items, d 256, batch 16, forward and backward',
    {'ragged': ragged, 'equal lengths, as many pairs': equal},
    [Goal('ragged', 'equal lengths, as many pairs', 1.5)],
)
