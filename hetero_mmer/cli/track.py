"""Telling how long work goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track as rich_track

from hetero_mmer.files.escape import visible

T = TypeVar('T')

#: Seconds between two lines that say, where there is no terminal, how it goes.
NOW_AND_THEN: Final = 30.0


def track(
    items: Iterable[T], description: str, total: int | None = None
) -> Iterator[T]:
    """Items one by one; shows a bar on a terminal, elsewhere a line now and then.

    Args:
        items: What to go through.
        description: What is done with them.
        total: How many there are.
    """
    console = Console(stderr=True)
    text = visible(description)
    if console.is_terminal:
        yield from rich_track(items, escape(text), total=total, console=console)
        return
    last = time.monotonic()
    for i, item in enumerate(items):
        if time.monotonic() - last >= NOW_AND_THEN:
            last = time.monotonic()
            sys.stderr.write(f'{text}: {i}{f" of {total}" if total else ""}\n')
            sys.stderr.flush()
        yield item
