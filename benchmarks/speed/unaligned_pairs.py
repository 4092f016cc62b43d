"""F2F between 50 words, 500 visual and 500 audio frames, beside equal lengths."""

from __future__ import annotations

import torch
from case import Case, Goal, Step
from ragged import stage_on

LENGTHS = {'text': 50, 'visual': 500, 'audio': 500}
BATCH = 2


def unaligned() -> Step:
    return stage_on({m: torch.full((BATCH,), n) for m, n in LENGTHS.items()})


def equal() -> Step:
    size = sum(LENGTHS.values()) // len(LENGTHS)  # As many items, and as many pairs.
    return stage_on(dict.fromkeys(LENGTHS, torch.full((BATCH,), size)))


CASE = Case(
    'F2F stage, 50/500/500 items, d 256, batch 2, forward and backward',
    {'50/500/500': unaligned, '350/350/350': equal},
    [Goal('50/500/500', '350/350/350', 1.5)],
)
