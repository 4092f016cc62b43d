"""One training step of CARAT beside the Transformers alone that it is made of.

Both do forward, backward and optimiser at the size of the paper, step by step in turn:
CARAT with all of its losses and a full queue, and three ``torch.nn.TransformerEncoder``
of the same number of layers, width, heads and dropout on states of the same shape. Peak
memory is measured in a process of its own for each.

    python benchmarks/carat_step.py [--repeats 7] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# As the command line does: threads that wait sleep, if another process needs the core.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch
from torch.nn import ModuleList, TransformerEncoder, TransformerEncoderLayer
from torch.optim import AdamW

from hetero_mmer.loader.assemble import assemble
from hetero_mmer.models import CARAT

WIDTHS = {'text': 300, 'visual': 35, 'audio': 74}
NUM_LAYERS = {'text': 6, 'visual': 4, 'audio': 4}
BATCH, STEPS, LABELS, CHANNELS, HEADS, DROPOUT = 64, 60, 6, 256, 8, 0.3


def carat(lengths: torch.Tensor) -> Callable[[], None]:
    """A training step of CARAT."""
    model = CARAT(WIDTHS, LABELS)
    optimizer = AdamW(model.parameters(), lr=5e-5)
    num_items = int(lengths.sum())
    y = torch.randint(2, (BATCH, LABELS)).float()
    batch = assemble(
        {m: torch.randn(num_items, width) for m, width in WIDTHS.items()},
        dict.fromkeys(WIDTHS, lengths),
        kinds=dict.fromkeys(WIDTHS, 'sequence'),
        num_labels=LABELS,
        y=y,
        sample_ids=[str(i) for i in range(BATCH)],
    )

    def step() -> None:
        optimizer.zero_grad()
        model.loss(model(batch), y)['total'].backward()
        optimizer.step()

    classes = torch.randint(2 * LABELS * len(WIDTHS), (8192,))
    model.contrast.queue.push_(torch.randn(8192, 64) / 8, classes)
    return step


def stacks(lengths: torch.Tensor) -> Callable[[], None]:
    """A training step of three stacks of layers."""
    layer = TransformerEncoderLayer(
        CHANNELS, HEADS, CHANNELS, DROPOUT, activation='gelu', batch_first=True
    )
    models = ModuleList(TransformerEncoder(layer, n) for n in NUM_LAYERS.values())
    optimizer = AdamW(models.parameters(), lr=5e-5)
    xs = [torch.randn(BATCH, STEPS, CHANNELS) for _ in models]
    padding = None
    if bool((lengths < STEPS).any()):
        padding = torch.arange(STEPS) >= lengths.unsqueeze(1)

    def step() -> None:
        optimizer.zero_grad()
        outs = [
            model(x, src_key_padding_mask=padding)
            for model, x in zip(models, xs, strict=True)
        ]
        sum(out.square().mean() for out in outs).backward()
        optimizer.step()

    return step


SIDES = {'carat': carat, 'stacks': stacks}


def draw_lengths(ragged: bool) -> torch.Tensor:
    """Number of items of each sample."""
    if ragged:
        return torch.randint(1, STEPS + 1, (BATCH,))
    return torch.full((BATCH,), STEPS)


def peak_memory() -> float:
    """Highest resident memory of this process so far, in MiB (Linux)."""
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s*(\d+)', status)[1]) / 1024


def memory_of(side: str, ragged: bool, threads: int) -> float:
    """Peak memory of a few steps in a process of its own, in MiB."""
    words = ['--memory-of', side, '--threads', str(threads)]
    run = subprocess.run(
        [sys.executable, __file__, *words, *['--ragged'] * ragged],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return float(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--ragged', action='store_true', help='lengths of 1 to 60')
    parser.add_argument('--memory-of', choices=SIDES)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    lengths = draw_lengths(args.ragged)
    if args.memory_of:
        step = SIDES[args.memory_of](lengths)
        before = peak_memory()
        for _ in range(3):
            step()
        print(peak_memory() - before)
        return

    steps = {side: make(lengths) for side, make in SIDES.items()}
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for repeat in range(args.repeats + 1):
        for side, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:  # The first one warms up.
                seconds[side].append(time.perf_counter() - start)
    median = {side: statistics.median(values) for side, values in seconds.items()}
    memory = {side: memory_of(side, args.ragged, args.threads) for side in SIDES}
    print(f'{"":8}  {"step, s":>8}  {"peak memory, MiB":>16}')
    for side in SIDES:
        print(f'{side:8}  {median[side]:8.3f}  {memory[side]:16.0f}')
    time_ratio = median['carat'] / median['stacks']
    memory_ratio = memory['carat'] / memory['stacks']
    print(f'{"ratio":8}  {time_ratio:8.2f}  {memory_ratio:16.2f}')


if __name__ == '__main__':
    main()
