"""How long the command line takes to say what it can do, and what a store holds."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory

from case import Case, Goal, Step
from data import make_store

SIZE = 5_000_000_000
FOLDER = TemporaryDirectory()  # Deleted when the process ends.


def command(*words: str) -> Step:
    line = [sys.executable, '-m', 'hetero_mmer', *words]
    return partial(subprocess.run, line, check=True, capture_output=True)


def describe() -> Step:
    return command('data', 'describe', str(make_store(FOLDER.name, SIZE)))


CASE = Case(
    'the command line',
    {'--help': partial(command, '--help'), 'data describe, 5 GB': describe},
    [Goal('--help', None, 1), Goal('data describe, 5 GB', None, 2)],
    memory=False,
)
