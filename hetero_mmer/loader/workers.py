"""What goes wrong in a process that loads data, as if it had gone wrong here."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Final

from hetero_mmer.errors import InputError

#: How PyTorch passes on an error of a worker: its type, then the whole traceback.
_CAUGHT: Final = re.compile(r'Caught (\w+) in DataLoader worker process \d+\.\n')
_DIED: Final = re.compile(
    r'DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is )?(.*)', re.DOTALL
)


@contextlib.contextmanager
def as_if_here() -> Iterator[None]:
    """Raises errors of workers with the words that they had there.

    Raises:
        InputError: For a worker that the system has ended.

    Example:
        >>> with as_if_here():
        ...     raise InputError('Caught InputError in DataLoader worker process 0.\\n'
        ...                      'Original Traceback (most recent call last):\\n...\\n'
        ...                      'hetero_mmer.errors.InputError: it is too large\\n')
        Traceback (most recent call last):
        ...
        hetero_mmer.errors.InputError: it is too large
    """
    try:
        yield
    except Exception as error:
        found = _plain(error)
        if found is None:
            raise
        is_told = isinstance(found, InputError | OSError)
        raise found from (None if is_told else error)


def _plain(error: Exception) -> Exception | None:
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    if caught := _CAUGHT.match(text):
        ends = list(re.finditer(rf'^[\w.<>]*\b{caught[1]}(?:: |$)', text, re.MULTILINE))
        if not ends:
            return None
        # The last of several tracebacks is that of the error itself.
        return type(error)(' '.join(text[ends[-1].end() :].split()) or caught[1])
    # A worker that ends while it hands over a batch is a broken connection first.
    is_cut = isinstance(error, ConnectionError | EOFError)
    text = _told_later() or text if is_cut else text
    died = _DIED.match(text)
    if not is_cut and not (died and isinstance(error, RuntimeError)):
        return None
    reason = ' '.join((died[1] if died else text).split()).rstrip('.')
    return InputError(
        f'a process that loads data was ended ({reason or type(error).__name__}): use '
        f"fewer of them by 'num_workers', or 0, if memory is short"
    )


def _told_later() -> str:
    """What PyTorch says of a worker's end when its signal comes, wherever we are then.

    Waiting for it here keeps it from coming in the middle of something else.
    """
    try:
        time.sleep(1)
    except RuntimeError as error:
        return str(error)
    return ''
