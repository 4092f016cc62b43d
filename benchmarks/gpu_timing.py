"""Time on a device, and an end to what takes too long."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def milliseconds(step: Callable[[], object], device: torch.device, times: int) -> float:
    """Of one call among several, the device's own time where there is one."""
    if device.type != 'cuda':
        start = time.perf_counter()
        for _ in range(times):
            step()
        return (time.perf_counter() - start) * 1e3 / times
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    first.record()
    for _ in range(times):
        step()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / times


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what takes longer."""

    def stop(*_: object) -> None:
        raise late

    if seconds < 1:
        raise TimeoutError('no time left')
    late = TimeoutError(f'not ready within {seconds:.0f} s')
    end = time.monotonic() + seconds
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 10)  # Again, if it was swallowed.
    try:
        yield
    except Exception as error:
        if time.monotonic() >= end:  # Compilers give it names of their own.
            raise TimeoutError(*late.args) from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def noting_failure(row: dict[str, Any]) -> Iterator[None]:
    """Puts what goes wrong into a row as its ``reason``, and goes on."""
    try:
        yield
    except Exception as error:  # Compilers fail in many ways.
        text = ' '.join(f'{type(error).__name__}: {error}'.split())
        text = text if len(text) <= 240 else f'{text[:160]} ... {text[-80:]}'
        row['reason'] = text.replace('|', '/')
