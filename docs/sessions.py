"""Runs the shell sessions of docs/examples, which the pages show.

A session is a text of commands after `$ ` and of what they print; a line `…` stands for
any number of lines. `python docs/sessions.py` runs them all, each folder in a copy, and
writes anew what was printed; tests/docs/test_examples.py compares it, but for decimals
and times.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parent / 'examples'
GAP = '…\n'


def run_folder(folder: Path, workplace: Path) -> dict[Path, str]:
    """Runs the sessions of a folder, one after the other, in a copy of it.

    Returns:
        For each file, its commands with what they print now, and gaps where they were.
    """
    skip = shutil.ignore_patterns('*.txt', '__pycache__', '.*')
    copy = shutil.copytree(folder, workplace / folder.name, ignore=skip)
    return {path: _run_session(path, copy) for path in sorted(folder.glob('*.txt'))}


def mask(text: str) -> str:
    """A session without decimals and times, which differ between machines."""
    return re.sub(r'\d+\.\d+(e[+-]\d+)?|\d+(?= s\b)', '0.0', text)


def _run_session(path: Path, folder: Path) -> str:
    parts = []
    for block in re.split(r'^(?=\$ )', path.read_text(encoding='utf-8'), flags=re.M)[
        1:
    ]:
        command, expected = re.fullmatch(r'\$ (.*?[^\\]\n)(.*)', block, re.S).groups()
        parts.append(f'$ {command}{_with_gaps(_run(command, folder), expected)}')
    return ''.join(parts)


def _run(command: str, folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    environment = {**os.environ, 'PATH': path, 'PYTHONUNBUFFERED': '1'}
    done = subprocess.run(
        ['bash', '-c', command],
        cwd=folder,
        env={**environment, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return re.sub(r' +$', '', done.stdout, flags=re.M)


def _with_gaps(printed: str, expected: str) -> str:
    """What was printed, without what the session leaves out."""
    parts = [re.escape(mask(part)) for part in re.split(r'^…\n', expected, flags=re.M)]
    found = re.fullmatch('(' + ')(?:.*\n)*?('.join(parts) + ')', mask(printed))
    if found is None:
        return printed
    lines, texts, end = printed.splitlines(keepends=True), [], 0
    for group in range(1, len(parts) + 1):
        # Masking keeps lines, so that they tell where a part begins and ends.
        begin, end = (mask_end.count('\n') for mask_end in _around(found, group))
        texts.append(''.join(lines[begin:end]))
    return GAP.join(texts)


def _around(found: re.Match[str], group: int) -> tuple[str, str]:
    return found.string[: found.start(group)], found.string[: found.end(group)]


if __name__ == '__main__':
    names = sys.argv[1:] or sorted(path.name for path in EXAMPLES.iterdir())
    for folder in (EXAMPLES / name for name in names):
        with tempfile.TemporaryDirectory() as workplace:
            for path, text in run_folder(folder, Path(workplace)).items():
                path.write_text(text, encoding='utf-8')
