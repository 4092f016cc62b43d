"""A command line in a child process: how it ends, what it says, what it takes."""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

#: What commands import when they need it; forked processes have it then.
_NEEDED = (
    *(
        'hetero_mmer.cli',
        'hetero_mmer.cli.tables',
        'hetero_mmer.datasets',
        'jsonargparse',
    ),
    *('hetero_mmer.training.fit', 'hetero_mmer.run.inference'),
    *('hetero_mmer.models.hhmpn', 'safetensors.torch', 'torch_geometric.nn'),
    *('scipy.sparse.linalg', 'sklearn.feature_extraction.text'),
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Args:
        status: Exit status; negative for a signal.
        out: What it wrote to stdout.
        err: What it wrote to stderr.
        seconds: Processor time it took.
        grown: Bytes by which its memory grew at the most; 0 where that is not known.
        late: It was stopped since it did not end.
    """

    status: int
    out: str
    err: str
    seconds: float
    grown: int
    late: bool


def prepare() -> None:
    """Imports what commands need, once for all processes that are forked."""
    import torch

    torch.set_num_threads(1)
    for name in _NEEDED:
        import_module(name)


def run(words: Sequence[str], folder: Path, *, limit: float = 60.0) -> Outcome:
    """Runs ``hetero-mmer`` with these words in a folder.

    The process is forked from this one; see :func:`prepare`.

    Args:
        words: The command line.
        folder: Where it runs, and where its output is kept meanwhile.
        limit: Seconds after which it is stopped.
    """
    pid = start(words, folder)
    timer = threading.Timer(limit, _kill, [pid])
    timer.start()
    _, code, usage = os.wait4(pid, 0)
    timer.cancel()
    late = not timer.is_alive() and timer.finished.is_set() and os.WIFSIGNALED(code)
    grown = folder / '.grown'
    return Outcome(
        os.waitstatus_to_exitcode(code),
        (folder / '.out').read_text('utf-8', 'replace'),
        (folder / '.err').read_text('utf-8', 'replace'),
        usage.ru_utime + usage.ru_stime,
        int(grown.read_text()) if grown.is_file() else 0,
        late and os.WTERMSIG(code) == signal.SIGKILL,
    )


def start(words: Sequence[str], folder: Path) -> int:
    """Begins ``hetero-mmer`` with these words; returns the number of its process."""
    (folder / '.grown').unlink(missing_ok=True)
    sys.stdout.flush(), sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _child(words, folder)
    finally:
        os._exit(70)  # Nothing of the parent runs on in its child.


def _child(words: Sequence[str], folder: Path) -> None:
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, name in ((1, '.out'), (2, '.err')):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, 'w', closefd=False), 'utf-8', 'replace')
        for number in (1, 2)
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = _reset_peak()
    status = _call(words)
    sys.stdout.flush(), sys.stderr.flush()
    if before:
        Path('.grown').write_text(str(max(0, _memory('VmHWM') - before)))
    os._exit(status)


def _call(words: Sequence[str]) -> int:
    from hetero_mmer.cli import main

    try:
        return main(words)
    except BaseException:  # As an interpreter would end.
        import traceback

        traceback.print_exc()
        return 1


def _reset_peak() -> int:
    """Begins to count the peak of memory anew; 0 where the system cannot."""
    try:
        Path('/proc/self/clear_refs').write_text('5')
        return _memory('VmRSS')
    except OSError:
        return 0


def _memory(name: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Waits for a condition; whether it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return condition()
