"""Bad input told in one sentence, and parts of such sentences; takes nothing heavy."""

from __future__ import annotations

import contextlib
import difflib
import os
import signal
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

#: So many names of a folder are looked at: nobody waits for a hint.
_MOST: Final = 1000

#: So much of it is shown: PyTorch may tell the whole way to it.
_SHOWN: Final = 500


class InputError(ValueError):
    """Bad input, told in one sentence: what was expected, what came, where."""


class InputWarning(UserWarning):
    """Input that works but may not mean what was meant, told in one sentence."""


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: Of the signal.

    Example:
        >>> str(Stopped(signal.SIGTERM)), Stopped(signal.SIGTERM).status
        ('stopped by SIGTERM', 143)
    """

    def __init__(self, number: int) -> None:
        super().__init__(f'stopped by {signal.Signals(number).name}')
        self.status = 128 + number


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The rest of a sentence about a wrong name, with the nearest right one.

    Args:
        name: What was given.
        names: What there is.

    Example:
        >>> did_you_mean('HHMNP', ['HHMPN', 'CARAT'])
        "; did you mean 'HHMPN'?"
    """
    return _ask(_nearest(name, list(names)))


def did_you_mean_path(path: str | os.PathLike[str], end: str = '') -> str:
    """The rest of a sentence about a path where nothing is, with the nearest one there.

    Args:
        path: What was given.
        end: How names end that may be meant.

    Example:
        >>> did_you_mean_path(Path(__file__).with_name('erors.py'))[-11:]
        "errors.py'?"
    """
    path = Path(path)
    with contextlib.suppress(OSError, ValueError), os.scandir(path.parent) as found:
        names = [each.name for each in islice(found, _MOST)]
        near = _nearest(path.name, [name for name in names if name.endswith(end)])
        return _ask(near and str(path.with_name(near)))
    return ''


def reason(error: BaseException) -> str:
    r"""An error in one line; its name if there is nothing else.

    Args:
        error: Of a library.

    Example:
        >>> reason(ValueError('no number\n at 3')), reason(AssertionError())
        ('no number at 3', 'AssertionError')
        >>> reason(KeyError('wrong B-tree signature'))
        'wrong B-tree signature'
    """
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return ' '.join(str(text).split())[:_SHOWN] or type(error).__name__


@contextlib.contextmanager
def undisguised() -> Iterator[None]:
    """Lets an interrupt out as such where what tidies up after it fails.

    PyTorch, say, has an error of its own for a file that it could not finish.

    Raises:
        KeyboardInterrupt: The one that an error came from.

    Example:
        >>> try:
        ...     with undisguised():
        ...         try:
        ...             raise KeyboardInterrupt('stopped by SIGHUP')
        ...         finally:
        ...             raise RuntimeError('unexpected position')
        ... except KeyboardInterrupt as stop:
        ...     print(stop)
        stopped by SIGHUP
    """
    try:
        yield
    except Exception as error:
        found: BaseException | None = error
        while found is not None and not isinstance(found, KeyboardInterrupt):
            found = found.__context__
        if found is None:
            raise
        raise found from None


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    if not near:  # Upper and lower case alone should not hide a name.
        lower = {other.lower(): other for other in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=1)]
    return near[0] if near else ''


def _ask(near: str) -> str:
    return f"; did you mean '{near}'?" if near else ''
