"""The command line, ``hetero-mmer``: finds the command, tells errors and statuses."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
import select
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, Final

from hetero_mmer.cli.dashes import as_typed
from hetero_mmer.cli.signals import stoppable
from hetero_mmer.errors import (
    InputError,
    InputWarning,
    Stopped,
    did_you_mean,
    undisguised,
)
from hetero_mmer.files.escape import visible
from hetero_mmer.files.output import WriteError, writing

USAGE = """\
usage: hetero-mmer COMMAND ...

Multi-modal multi-label emotion recognition with heterogeneous graphs.

commands:
  data list                      the data sets that are known by name
  data convert FORMAT SOURCE...  raw files to a store
  data fetch NAME                download a data set and make its store
  data describe STORE            what a store holds
  data validate STORE            what is suspicious in a store
  data split STORE               deal samples into train, valid and test, or folds
  recipes [NAME]                 what `train --recipe` knows, or the YAML of one
  train                          train a model and test it
  evaluate RUN                   metrics of a finished run
  predict RUN STORE              labels of new samples

Each command has a --help of its own; --version tells the version.
"""

#: Each command is a function of its own name in a file of that name.
COMMANDS: Final = (
    'data list',
    'data convert',
    'data fetch',
    'data describe',
    'data validate',
    'data split',
    'recipes',
    'train',
    'evaluate',
    'predict',
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: Its words; those of this process by default.

    Returns:
        The exit status: 0, 2 for bad input or what the machine lacks, 130 after an
        interrupt, 143 after SIGTERM, 129 after a terminal was closed, 141 if nobody
        reads what is printed.
    """
    if argv is None and hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')  # As stderr has it.
    # Threads that spin while they wait make small models 20 times slower wherever
    # another process wants the same cores. Read when torch is imported.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    if argv is not None:
        return _main(list(argv))
    for name in ('stdout', 'stderr'):  # None where the caller closed it.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w'))  # noqa: SIM115
    with stoppable():
        return _main(sys.argv[1:])


def _main(words: list[str]) -> int:
    try:
        with _plain_warnings(), undisguised():
            status = _run(words)
            with writing('standard output'):  # Now: at exit nobody hears of failures.
                sys.stdout.flush()
            return status
    except SystemExit as stop:  # After the help of a command, or by rich.
        if isinstance(stop.__context__, BrokenPipeError):
            return _unread()
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        _tell(_with_notes(stop))
        return stop.status if isinstance(stop, Stopped) else 130
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError | InputError):
            raise
        if isinstance(error, OSError):
            if error.errno == errno.EPIPE and _has_no_reader():
                return _unread()
            if (
                error.errno == errno.ENOSPC and error.filename is None
            ):  # No file of ours.
                error = WriteError(error.errno, error.strerror, 'standard output')
        message = _with_notes(error)
    except (MemoryError, RecursionError, RuntimeError) as error:
        if not (lack := _lack(error)):
            raise
        message = lack
    _tell(f'error: {message}')
    return 2


def _with_notes(error: BaseException) -> str:
    notes = getattr(error, '__notes__', [])
    return '; '.join([str(error) or 'interrupted', *notes])


def _has_no_reader() -> bool:
    """Whether what our output was piped into has ended."""
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # A stream without a descriptor.
        for stream in (sys.stdout, sys.stderr):
            poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _unread() -> int:
    """Ends like any command before `| head`: without a word."""
    with contextlib.suppress(OSError, ValueError):  # Or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _tell(message: str) -> None:
    with contextlib.suppress(OSError):  # Nobody reads that either.
        print(f'hetero-mmer: {visible(as_typed(message))}', file=sys.stderr)


def _lack(error: Exception) -> str:
    """What the machine has too little of, if that is what went wrong."""
    reason = ' '.join(str(error).split())[:200]
    if isinstance(error, RecursionError):
        return f'the input is nested too deeply ({reason})'
    of_torch = getattr(sys.modules.get('torch'), 'OutOfMemoryError', ())
    if isinstance(error, of_torch) or "can't allocate memory" in reason:
        return f'there is not enough memory ({reason}); smaller batches need less'
    if isinstance(error, MemoryError):
        return f'there is not enough memory ({reason})'.replace(' ()', '')
    return ''


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Tells what may not be meant as it tells errors, each time."""
    with warnings.catch_warnings():
        warnings.simplefilter('always', InputWarning)
        show = warnings.showwarning

        def tell(
            message: Warning | str, category: type[Warning], *args: Any, **more: Any
        ) -> None:
            if issubclass(category, InputWarning):
                _tell(f'warning: {message}')
            else:
                show(message, category, *args, **more)

        warnings.showwarning = tell
        yield


def _run(words: list[str]) -> int:
    if words[:1] == ['--version']:
        print(f'hetero-mmer {metadata.version("hetero_mmer")}')
        return 0
    size = 1 + (words[:1] == ['data'])
    if len(words) < size or words[size - 1] in ('-h', '--help'):
        print(USAGE, end='')
        return 0 if words[size - 1 :] else 2
    name = ' '.join(words[:size])
    if name not in COMMANDS:
        hint = did_you_mean(name, ['data', *COMMANDS])
        raise InputError(f"unknown command '{name}'{hint}")
    if _names_own_code(words) and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # Where a user's own models lie.
    command = name.replace(' ', '_')
    module = importlib.import_module(f'hetero_mmer.cli.{command}')
    return getattr(module, command)(words[size:])


def _names_own_code(words: Sequence[str]) -> bool:
    """Whether a command line trusts modules of the current directory.

    Elsewhere a file there could stand for any module that is imported if it exists.
    """
    values = [
        word.partition('=')[2] or after
        for word, after in zip(words, [*words[1:], ''], strict=True)
        if re.match(r'--model(\.|=|$)', word)
    ]
    known = r'(torch|torch_geometric|hetero_mmer)\.'
    paths = re.findall(r'[^\W\d]\w*(?:\.[^\W\d]\w*)+', ' '.join(values))
    return '--trust' in words or any(not re.match(known, path) for path in paths)
