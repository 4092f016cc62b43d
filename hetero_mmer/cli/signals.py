"""Signals that ask a process to end, as exceptions: what is half done is undone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Final

from hetero_mmer.errors import Stopped

#: Ctrl-C, what `kill` and clusters send, and a terminal that is closed.
_NAMES: Final = ('SIGINT', 'SIGTERM', 'SIGHUP')

#: Two presses of Ctrl-C within this time are one.
_SECONDS: Final = 1.0


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Lets signals come out as exceptions, for a command and no longer.

    What ignores a signal (`nohup`) goes on ignoring it. One that comes again ends the
    process at once, should something hang that was to be undone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    usual = (signal.SIG_DFL, signal.default_int_handler)
    numbers = [number for number in known if signal.getsignal(number) in usual]
    first = None

    def stop(number: int, frame: object) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)
        if time.monotonic() - first > _SECONDS:
            os._exit(128 + number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:  # The process ends, in which nobody wants to see where it was stopped.
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
