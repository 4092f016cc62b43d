"""HDF5 files that are written, whole or not, without a crash on a full disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import h5py


def create(path: Path, mode: Literal['x', 'w'] = 'x') -> h5py.File:
    """Makes a file; its layout, the oldest of HDF5, holds no times.

    Equal input gives equal bytes.

    Args:
        path: The file.
        mode: Whether to refuse one that is there, or to replace it.
    """
    return h5py.File(path, mode, libver=('earliest', 'v110'))


@contextlib.contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """Makes or replaces a file and closes it, whatever happens.

    Args:
        path: The file.
    """
    file = create(path, 'w')
    try:
        yield file
        file.flush()  # What cannot be written is told here: close must not fail.
    except BaseException:
        discard(file)
        raise
    file.close()


def discard(file: h5py.File) -> None:
    """Closes a file that nobody wants any more.

    What HDF5 still has to write goes nowhere: if it cannot close a file, as on a full
    disk, the process crashes later.

    Args:
        file: The file, which is to be deleted.
    """
    with contextlib.suppress(Exception):  # What went wrong is known.
        nowhere = os.open(os.devnull, os.O_RDWR)
        try:
            os.dup2(nowhere, file.id.get_vfd_handle())
        finally:
            os.close(nowhere)
        file.close()
