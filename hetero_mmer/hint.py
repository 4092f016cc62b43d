"""What a message about a wrong name ends with; imports nothing heavy."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

#: So many names of a folder are looked at: nobody waits for a hint.
_MOST: Final = 1000


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
        >>> did_you_mean_path(Path(__file__).with_name('hnt.py'))[-9:]
        "hint.py'?"
    """
    path = Path(path)
    with contextlib.suppress(OSError, ValueError), os.scandir(path.parent) as found:
        names = [each.name for each in islice(found, _MOST)]
        near = _nearest(path.name, [name for name in names if name.endswith(end)])
        return _ask(near and str(path.with_name(near)))
    return ''


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    if not near:  # Upper and lower case alone should not hide a name.
        lower = {other.lower(): other for other in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=1)]
    return near[0] if near else ''


def _ask(near: str) -> str:
    return f"; did you mean '{near}'?" if near else ''
