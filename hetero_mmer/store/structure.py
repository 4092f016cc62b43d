"""Looks at the structure of HDF5 files in a process of its own, which may be ended.

HDF5 follows addresses that it finds in a file. Where they are damaged it can go round
for ever, or crash, and no exception ends that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import h5py
from h5py import h5a

from hetero_mmer.errors import InputError, reason
from hetero_mmer.files.input import check_file
from hetero_mmer.io import safe_h5
from hetero_mmer.store.check import MAX_OBJECTS
from hetero_mmer.store.format import FORMAT
from hetero_mmer.store.reader import Store

#: How long one object may take, in seconds of computing: sound ones take milliseconds.
SECONDS: Final = 2

#: Memory beyond twice the file and what Python itself takes.
_MEMORY: Final = 240 << 20

_REFUSED: Final = 3


def check_structure(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Refuses files whose structure is damaged, also so that HDF5 loops or crashes.

    Another process opens every object of them, reads every attribute, and opens stores
    as they are always opened. Values are not read. It is ended when one object takes
    more than two seconds of computing, and two for each 4 GB of the file.

    Args:
        paths: The files.

    Raises:
        InputError: Names the file, and says what happened.
    """
    files = [os.path.abspath(check_file(path)) for path in paths]
    places = [place or os.getcwd() for place in sys.path]  # The same packages as here.
    with tempfile.TemporaryFile() as said:
        status = subprocess.run(
            [
                sys.executable,
                '-P',
                '-c',
                f'from {__name__} import look; look()',
                *files,
            ],
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(places)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
        ).returncode
        said.seek(0)
        last = said.readline().decode()
    if not status:
        return
    if status == _REFUSED:
        raise InputError(json.loads(last))
    happened = f'HDF5 crashes on it (status {status})'
    if status == -getattr(signal, 'SIGPROF', 0):
        happened = f'HDF5 computes on it for more than {SECONDS} seconds, without end'
    path, name = json.loads(last) if last else (files[0], '/')
    raise InputError(f"cannot read '{path}': it is damaged at '{name}': {happened}")


def look() -> None:
    """What the other process does, with the files that its command line names."""
    path = ''
    try:
        for path in sys.argv[1:]:
            _look(path)
    except InputError as error:
        _say(str(error).removesuffix(safe_h5.hint(path)))
        sys.exit(_REFUSED)
    except safe_h5.DAMAGE as error:
        _say(f"cannot read '{path}': it is damaged ({reason(error)})")
        sys.exit(_REFUSED)


def _look(path: str) -> None:
    length = os.path.getsize(path)
    _limit_memory(2 * length + _MEMORY)
    _begin(path, '/', length)
    try:
        opened = safe_h5.open_h5(path)
    except safe_h5.DAMAGE as error:
        why = safe_h5.why_not_open(error)
        raise InputError(f"cannot read '{path}': {why}") from error
    with opened as file:
        is_store = safe_h5.format_of(file)[0] == FORMAT
        _read_attributes(file)
        for name, node in safe_h5.walk(file, MAX_OBJECTS if is_store else sys.maxsize):
            _begin(path, name, length)
            _read_attributes(node)
            if isinstance(node, h5py.Dataset):
                _ = node.dtype
                if node.chunks:
                    node.id.chunk_iter(lambda info: None)
    if is_store:
        _begin(path, '/', length)
        with Store(path) as store:
            with contextlib.suppress(InputError):  # A finding, told with all others.
                _ = store.fitted
            _ = store.fill, store.non_finite_columns()


def _read_attributes(node: h5py.Group | h5py.Dataset) -> None:
    for i in range(h5a.get_num_attrs(node.id)):
        safe_h5.attribute(node, h5a.open(node.id, index=i).name)


def _begin(path: str, name: str, length: int) -> None:
    """Keeps where we are, and gives it some seconds."""
    _say([path, name])
    if hasattr(signal, 'setitimer'):  # The system ends the process, also within HDF5.
        signal.setitimer(signal.ITIMER_PROF, SECONDS + length / 2e9)


def _say(what: object) -> None:
    # Over what was said before: of millions of objects, the last one matters.
    os.lseek(1, 0, os.SEEK_SET)
    os.write(1, json.dumps(what).encode() + b'\n')


def _limit_memory(size: int) -> None:
    """A loop may take memory as well; only Linux tells what we have now."""
    with contextlib.suppress(OSError, ImportError, ValueError):
        import resource

        pages = int(Path('/proc/self/statm').read_text().split()[0])
        limit = pages * resource.getpagesize() + size
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
