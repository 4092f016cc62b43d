from __future__ import annotations

import math
import os
import sys

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.io.safe_h5 import check_streams


class SliceReader:
    """Reads many short slices of a dataset as fast as the disk gives them.

    HDF5 takes longer to look up a slice of a few items than to read it. What is not
    compressed lies in the file as it does in memory: this class asks once where, and
    reads there. All else it leaves to HDF5.

    Args:
        values: Rows of an open file, [S, F] or [S].

    Example:
        >>> import tempfile
        >>> with h5py.File(f'{tempfile.mkdtemp()}/toy.h5', 'w') as file:
        ...     file['x'] = np.arange(6.0).reshape(6, 1)
        ...     file.flush()
        ...     SliceReader(file['x']).read(np.array([4, 0]), np.array([2, 1])).ravel()
        array([4., 5., 0.])
    """

    def __init__(self, values: h5py.Dataset) -> None:
        self.values = values
        self._file = values.file  # To ask the dataset for it takes longer than to read.
        self._chunk_rows = (values.chunks or values.shape)[0]
        self._chunk_start = _chunk_starts(values)

    def read(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray:
        """Rows ``start[i] : start[i] + length[i]``, in the order given.

        Args:
            start: First row of each slice, [N].
            length: Number of rows of each slice, [N].

        Returns:
            The rows, [Σ length, F], of the type they are stored as.
        """
        out = np.empty((int(length.sum()), *self.values.shape[1:]), self.values.dtype)
        if not out.size:
            return out
        if start.min() < 0 or (start + length).max() > len(self.values):
            raise IndexError(
                f'rows {start.min()} to {(start + length).max()} of {len(self.values)}'
            )
        start, length = _join(start[length > 0], length[length > 0])
        if self._chunk_start is not None:
            self._read_bytes(
                out.reshape(-1).view(np.uint8).data, *self._places(start, length)
            )
            return out
        place = np.cumsum(length) - length
        for a, n, to in zip(start, length, place, strict=True):
            check_streams(self.values, int(a), int(a + n))
            self.values.read_direct(out, np.s_[a : a + n], np.s_[to : to + n])
        return out

    def prefetch(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        """Lets the disk fetch slices while something else is done.

        Args:
            start: First row of each slice, [N].
            length: Number of rows of each slice, [N].
        """
        some = length > 0
        if self._chunk_start is None or not some.any() or sys.platform != 'linux':
            return
        file = self._file.id.get_vfd_handle()
        offset, size = self._places(start[some], length[some])
        for a, n in zip(offset.tolist(), size.tolist(), strict=True):
            os.posix_fadvise(file, a, n, os.POSIX_FADV_WILLNEED)

    def _places(
        self, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in the file the bytes of the slices lie, and how many in each place."""
        assert self._chunk_start is not None
        rows, stop = self._chunk_rows, start + length
        count = (stop - 1) // rows - start // rows + 1  # Chunks that a slice touches.
        i = np.repeat(np.arange(len(start)), count)
        nth = np.arange(len(i)) - (np.cumsum(count) - count)[i]
        chunk = start[i] // rows + nth
        first = np.maximum(start[i], chunk * rows)
        last = np.minimum(stop[i], (chunk + 1) * rows)
        row_bytes = self.values.dtype.itemsize * math.prod(self.values.shape[1:])
        offset = self._chunk_start[chunk] + (first - chunk * rows) * row_bytes
        return _join(offset, (last - first) * row_bytes)

    def _read_bytes(
        self, out: memoryview, offset: NDArray[np.int64], size: NDArray[np.int64]
    ) -> None:
        file = self._file.id.get_vfd_handle()
        for a, n in zip(offset.tolist(), size.tolist(), strict=True):
            while n:
                count = os.preadv(file, [out[:n]], a)
                if not count:
                    raise OSError(f"'{self._file.filename}' ends too early")
                out, a, n = out[count:], a + count, n - count


def _join(
    start: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Makes one of slices that follow each other."""
    first = np.flatnonzero(np.append(True, start[1:] != (start + length)[:-1]))
    return start[first], np.add.reduceat(length, first)


def _chunk_starts(values: h5py.Dataset) -> NDArray[np.int64] | None:
    """Where the chunks lie in the file; None if only HDF5 can make rows of them."""
    file = values.file
    known = file.driver == 'sec2' and not file.userblock_size and hasattr(os, 'preadv')
    if not known or not values.size or values.dtype.hasobject:
        return None
    if values.chunks is None:
        offset = values.id.get_offset()
        return None if offset is None else np.array([offset])
    whole_rows = values.chunks[1:] == values.shape[1:]
    if not whole_rows or values.id.get_create_plist().get_nfilters():
        return None
    found = np.full(-(-len(values) // values.chunks[0]), -1, np.int64)

    def keep(chunk: h5py.h5d.StoreInfo) -> None:
        found[chunk.chunk_offset[0] // values.chunks[0]] = chunk.byte_offset

    values.id.chunk_iter(keep)
    return None if (found < 0).any() else found
