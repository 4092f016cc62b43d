"""HHMPN and CARAT on a CUDA GPU: steps, epochs, and the same numbers as on the CPU.

    python benchmarks/gpu.py [--out gpu.json] [--formats bf16] [--seconds 420]
    python benchmarks/gpu.py --device cpu --quick    # tiny sizes, to try the script

Prints Markdown tables. Steps are whole training steps (forward, loss, backward, AdamW),
medians of repeats in turns. What fails is a row with the reason.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / 'speed')]

import torch
import torch._dynamo
from gpu_models import (
    QUICK,
    WAYS,
    Size,
    draw_batches,
    loss_of,
    make_model,
    make_samples,
    make_step,
)
from gpu_report import Row, judge, machine, report
from gpu_timing import at_most, milliseconds, noting_failure
from torch import Tensor
from torch._dynamo.utils import counters
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hetero_mmer.loader import StoreDataset, StoreLoader

FORMATS = ('bf16', 'tf32', 'fp32')  # The one with the goals first.
GOALS = {'CARAT': 1.0, 'HHMPN': 0.5}  # Seconds of an epoch in bf16.
TOLERANCE = 1e-4


class Bench:
    """Measures everything, and writes what is known after each part."""

    def __init__(
        self, device: torch.device, size: Size, seconds: float, out: Path | None
    ):
        self.device, self.size, self.out = device, size, out
        self.stop = time.monotonic() + seconds
        self.batches = draw_batches(size, device)
        self.samples: StoreDataset | None = None
        self.found: Row = {
            'machine': machine(device),
            'size': asdict(size),
            'gemm_tflops': {},
            'equality': [],
            'steps': [],
            'epochs': [],
        }

    def equality(self, name: str) -> None:
        """The CPU's probabilities and gradients beside the device's, in float32."""
        torch.set_float32_matmul_precision('highest')
        row: Row = {'model': name}
        with noting_failure(row):
            made = make_model(name, self.size).eval()
            batches = list(self.batches.values())[:2]  # Equal lengths, ragged ones.
            found = [
                answers(made, batches, device)
                for device in (torch.device('cpu'), self.device)
            ]
            (probs, grads), (our_probs, our_grads) = found
            row['probs'] = float((our_probs - probs).abs().max())
            row['gradients'] = float((our_grads - grads).norm() / grads.norm())
            row['reached'] = max(row['probs'], row['gradients']) <= TOLERANCE
        self.found['equality'].append(row)

    def steps(self, name: str, number_format: str) -> None:
        """Every way and the ragged lengths side by side; in bf16 epochs, too."""
        bf16 = number_format == 'bf16'
        precision = 'high' if number_format == 'tf32' else 'highest'
        torch.set_float32_matmul_precision(precision)
        torch._dynamo.reset()
        whole, *others = self.batches
        gemm: Row = {'model': name, 'format': number_format, 'way': 'GEMM alone'}
        self.found['steps'].append(gemm)
        sides = [(gemm, self._gemm(torch.bfloat16 if bf16 else torch.float32))]
        trained = []
        for way, items in [
            *((w, whole) for w in WAYS),
            *(('eager', o) for o in others),
        ]:
            row: Row = {'model': name, 'format': number_format, 'way': way}
            row['items'] = items
            self.found['steps'].append(row)
            with noting_failure(row):
                model = make_model(name, self.size).to(self.device).train()
                step = make_step(model, way, bf16)
                row['graphs'] = self._warm_up(step, self.batches[items], way)
                sides.append((row, partial(step, self.batches[items])))
                if items == whole:
                    trained.append((way, step))
            if 'reason' in row:
                torch._dynamo.reset()  # Else the next may stumble over what is left.
        self._take_turns(sides)
        with noting_failure(gemm):
            self._judge(name, number_format, gemm, [row for row, _ in sides[1:]])
        self.write()
        for way, step in trained if bf16 else ():
            self.epochs(name, way, step)

    def _warm_up(self, step: Callable[[Any], Tensor], batch: Any, way: str) -> int:
        """Number of graphs that were compiled."""
        before = counters['stats']['unique_graphs']
        with at_most(self._time_left(way)):
            values = [float(step(batch)) for _ in range(3)]
        if not math.isfinite(sum(values)):
            raise ValueError(f'losses are {values}')
        return counters['stats']['unique_graphs'] - before

    def _time_left(self, way: str) -> float:
        if WAYS[way] is None:
            return 600
        return min(self.size.compile_seconds, self.stop - time.monotonic())

    def _take_turns(self, sides: list[tuple[Row, Callable[[], object]]]) -> None:
        """Puts the median milliseconds of each side into its row."""
        times: list[list[float]] = [[] for _ in sides]
        for _ in range(self.size.repeats):
            for (row, side), found in zip(sides, times, strict=True):
                with noting_failure(row):
                    if 'reason' not in row:
                        found.append(milliseconds(side, self.device, self.size.inner))
        for (row, _), found in zip(sides, times, strict=True):
            if 'reason' not in row:
                row['ms'] = statistics.median(found)

    def _judge(self, name: str, number_format: str, gemm: Row, rows: list[Row]) -> None:
        """Adds the rate of each side, and its share of the GEMM's."""
        whole, flops = next(iter(self.batches)), self._flops(name)
        roof = 2 * self.size.gemm**3 / gemm['ms'] / 1e9
        self.found['gemm_tflops'].setdefault(name, {})[number_format] = roof
        for row in rows:
            if 'ms' in row:
                row['samples_per_second'] = self.size.batch / row['ms'] * 1e3
                if row['items'] == whole:
                    row['share_of_roof'] = flops / row['ms'] / 1e9 / roof

    def _flops(self, name: str) -> int:
        """Operations of the products in a step, attention among them."""
        model = make_model(name, self.size).to(self.device)
        counter = FlopCounterMode(display=False)
        with sdpa_kernel(SDPBackend.MATH), counter:
            loss_of(model, next(iter(self.batches.values()))).backward()
        self.found.setdefault('gflop_per_step', {})[name] = (
            counter.get_total_flops() / 1e9
        )
        return counter.get_total_flops()

    def _gemm(self, dtype: torch.dtype) -> Callable[[], object]:
        shape = (self.size.gemm, self.size.gemm)
        a, b = (torch.randn(shape, device=self.device, dtype=dtype) for _ in range(2))
        return partial(torch.mm, a, b, out=torch.empty_like(a))

    def epochs(self, name: str, way: str, step: Callable[[Any], Tensor]) -> None:
        """All samples in a new order, loading and training."""
        row: Row = {'model': name, 'way': way}
        with noting_failure(row):
            if self.samples is None:
                self.samples = make_samples(self.size, self.device)
            row['kept_on'] = self.samples.batch([0])['text'].x.device.type
            move = row['kept_on'] != self.device.type
            loader = StoreLoader(self.samples, self.size.batch, shuffle=True)
            seconds = []
            for _ in range(4):
                with at_most(self._time_left(way)):
                    seconds.append(self._epoch(loader, step, move))
            row['first'], *seconds = seconds  # Its last batch is another to compile.
            row['seconds'] = statistics.median(seconds)
        self.found['epochs'].append(row)
        self.write()

    def _epoch(
        self, loader: StoreLoader, step: Callable[[Any], Tensor], move: bool
    ) -> float:
        start = time.perf_counter()
        for batch in loader:
            step(batch.to(self.device) if move else batch)
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def write(self) -> None:
        """Keeps what is known."""
        goals = GOALS if self.size.samples == Size.samples else {}
        self.found['goals'] = judge(self.found, goals, TOLERANCE)
        if self.out is not None:
            self.out.write_text(json.dumps(self.found, indent=2) + '\n')


def answers(
    model: Any, batches: list[Any], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Probabilities and gradients on a device."""
    model = copy.deepcopy(model).to(device)
    batches = [batch.clone().to(device) for batch in batches]
    for batch in batches:
        loss_of(model, batch).backward()
    grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    with torch.no_grad():
        probs = [model(batch).probs for batch in batches]
    return torch.cat(probs).cpu(), torch.cat(grads).cpu()


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, help='JSON file to write')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    parser.add_argument('--quick', action='store_true', help='tiny sizes')
    parser.add_argument('--formats', nargs='+', choices=FORMATS, default=FORMATS)
    parser.add_argument('--seconds', type=float, default=420, help='compile no longer')
    parser.add_argument('--compile-seconds', type=float, help='for one variant')
    args = parser.parse_args(words)
    if args.device == 'cpu' and not args.quick:
        parser.error('--device cpu goes with --quick')
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('This machine has no CUDA GPU that PyTorch can use: nothing to measure.')
        return
    size = QUICK if args.quick else Size()
    if args.compile_seconds is not None:
        size = replace(size, compile_seconds=args.compile_seconds)
    torch._dynamo.config.recompile_limit = 64  # Many layers share their code.
    bench = Bench(torch.device(args.device), size, args.seconds, args.out)
    for name in GOALS:
        bench.equality(name)
    for number_format in args.formats:
        for name in GOALS:
            print(f'{name} in {number_format} ...', file=sys.stderr, flush=True)
            bench.steps(name, number_format)
    bench.write()
    print(report(bench.found))


if __name__ == '__main__':
    main()
