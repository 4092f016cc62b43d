"""Measures ways to do one thing side by side: time in turns, memory apart."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Does the work once.
Step = Callable[[], object]


@dataclass(frozen=True)
class Goal:
    """How much one side may need at most.

    Args:
        side: The side that is judged.
        against: The side it is compared with, or None.
        at_most: The greatest ratio of the two; if alone, the most seconds or MiB.
        of: What is judged.
    """

    side: str
    against: str | None
    at_most: float
    of: Literal['seconds', 'memory'] = 'seconds'


@dataclass(frozen=True)
class Case:
    """Several ways to do one thing.

    Args:
        name: What is done.
        sides: What makes each way ready; only the step that it returns is measured.
        goals: How they should compare.
        repeats: Turns of each side: a step that is not counted, since it meets the
            caches and the free memory as another side left them, and one that is.
        memory: Whether to measure peak memory, of three steps in a process of its own.
    """

    name: str
    sides: Mapping[str, Callable[[], Step]]
    goals: Sequence[Goal] = ()
    repeats: int = 9
    memory: bool = True


def measure(case: Case, path: Path, threads: int) -> dict[str, dict[str, float]]:
    """Median seconds of a step, and peak memory in MiB, of each side.

    Args:
        case: What to measure.
        path: The file that defines it as ``CASE``.
        threads: Threads of each process.
    """
    steps = {side: make() for side, make in case.sides.items()}
    seconds: dict[str, list[float]] = {side: [] for side in steps}
    for _ in range(case.repeats):
        for side, step in steps.items():
            step()
            start = time.perf_counter()
            step()
            seconds[side].append(time.perf_counter() - start)
    found = {side: {'seconds': statistics.median(s)} for side, s in seconds.items()}
    if case.memory:
        for side in case.sides:
            found[side]['memory'] = _memory_of(path, side, threads)
    return found


def peak_memory() -> float:
    """Highest resident memory of this process so far, in MiB (Linux)."""
    status = Path('/proc/self/status').read_text()
    found = re.search(r'VmHWM:\s*(\d+)', status)
    return int(found[1]) / 1024 if found else float('nan')


def print_memory(case: Case, side: str) -> None:
    """Prints what three steps of a side add to the memory of this process."""
    step = case.sides[side]()
    with suppress(OSError):  # What it took to get ready does not count.
        Path('/proc/self/clear_refs').write_text('5')
    before = peak_memory()
    for _ in range(3):
        step()
    print(peak_memory() - before)


def _memory_of(path: Path, side: str, threads: int) -> float:
    runner = Path(__file__).with_name('run.py')
    words = [path.stem, '--memory-of', side, '--threads', str(threads)]
    run = subprocess.run(
        [sys.executable, runner, *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return float(run.stdout.split()[-1])
