"""What the options of a run may be; importing them takes no torch."""

from __future__ import annotations

from typing import Final, Literal

OptimizerName = Literal['adam', 'adamw']
Schedule = Literal['constant', 'linear']
LabelGraph = Literal['complete', 'prior']

#: By what the epoch is chosen that is tested.
Monitor = Literal['f1_micro', 'f1_macro', 'map', 'acc_jaccard', 'loss', 'last']

#: Number formats in training, with Lightning's names for them.
PRECISIONS: Final = {'fp32': '32-true', 'fp16': '16-mixed', 'bf16': 'bf16-mixed'}
