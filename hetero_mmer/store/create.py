"""HDF5 files that are written without a crash where the disk is full."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import h5py


class Disk(io.RawIOBase):
    """A file that HDF5 writes to and that never fails it.

    HDF5 crashes the process, now or at its end, if it cannot write what it holds of a
    file it closes. So what fails here seems to be written, and :meth:`check` tells.

    Args:
        path: The file.
        mode: Whether to refuse one that is there, or to replace it.
    """

    def __init__(self, path: Path, mode: Literal['x', 'w'] = 'x') -> None:
        self._file = io.FileIO(path, f'{mode}+')
        self._error: OSError | None = None

    def check(self) -> None:
        """Tells of what could not be written.

        Raises:
            OSError: The first one that the system gave.
        """
        if self._error is not None:
            raise self._error

    def write(self, block: memoryview) -> int:
        """Writes a block, or seems to."""
        view = memoryview(block).cast('B')
        size = len(view)
        try:
            while self._error is None and len(view):
                view = view[self._file.write(view) :]
        except OSError as error:
            self._error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Gives the file a size, or seems to."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return self.tell() if size is None else size

    def readinto(self, block: memoryview) -> int:
        """Reads a block; beyond the end of the file there are zeros."""
        view = memoryview(block).cast('B')
        count = 0
        while some := self._file.readinto(view[count:]):
            count += some
        view[count:] = bytes(len(view) - count)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def flush(self) -> None:
        """Has nothing to do: each block goes to the system at once."""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def create(disk: Disk) -> h5py.File:
    """Makes a file; its layout, the oldest of HDF5, holds no times.

    Equal input gives equal bytes.

    Args:
        disk: Where.
    """
    return h5py.File(disk, 'w', libver=('earliest', 'v110'))


@contextlib.contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """Makes or replaces a file and closes it, whatever happens.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be written.
    """
    with Disk(path, 'w') as disk:
        with create(disk) as file:
            yield file
        disk.check()
