"""Training steps on unaligned data: 50 words, 500 visual and 500 audio frames."""

from __future__ import annotations

from functools import partial

import carat_step
import hhmpn_step
from case import Case, Goal

ITEMS, BATCH = {'text': 50, 'visual': 500, 'audio': 500}, 8

CASE = Case(
    'a training step on 50/500/500 items: d 256, batch 8',
    {
        'HHMPN': partial(hhmpn_step.train_on, ITEMS, BATCH),
        'CARAT': partial(carat_step.train_on, ITEMS, BATCH),
    },
    [Goal(model, None, 6144, 'memory') for model in ('HHMPN', 'CARAT')],
    repeats=3,
)
