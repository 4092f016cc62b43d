from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from hetero_mmer.store.checksum import Checksum, crc32_of
from hetero_mmer.store.format import Clean

_BUFFER_BYTES = 1 << 22
_CHUNK_BYTES = 1 << 17


class Column:
    """Appends rows to a dataset that grows, through a buffer of a few MiB.

    Args:
        group: The HDF5 group to write to.
        name: Name of the new dataset.
        channels: Width of a row; None for single numbers.
        dtype: Type of the stored numbers.
    """

    def __init__(
        self, group: h5py.Group, name: str, channels: int | None, dtype: DTypeLike
    ) -> None:
        row = () if channels is None else (channels,)
        row_bytes = (channels or 1) * np.dtype(dtype).itemsize
        self.dataset = group.create_dataset(
            name,
            shape=(0, *row),
            maxshape=(None, *row),
            chunks=(max(1, _CHUNK_BYTES // row_bytes), *row),
            dtype=dtype,
        )
        self.buffer = np.empty((max(1, _BUFFER_BYTES // row_bytes), *row), dtype)
        self.num_buffered = 0
        #: The CRC-32 of each buffer that was written.
        self.crc32: list[int] = []

    @property
    def block_rows(self) -> int:
        """How many rows to read at once."""
        return len(self.buffer)

    @property
    def checksum(self) -> Checksum:
        """Of all that was written."""
        return Checksum(self.block_rows, self.crc32)

    def append(self, rows: NDArray) -> None:
        """Adds rows, [n, F] or [n], to the end."""
        while len(rows):
            part = rows[: len(self.buffer) - self.num_buffered]
            self.buffer[self.num_buffered : self.num_buffered + len(part)] = part
            self.num_buffered += len(part)
            rows = rows[len(part) :]
            if self.num_buffered == len(self.buffer):
                self.flush()

    def flush(self) -> None:
        """Writes what the buffer holds; only the last one is not full."""
        if not self.num_buffered:
            return
        start = len(self.dataset)
        self.crc32.append(crc32_of(self.buffer[: self.num_buffered]))
        self.dataset.resize(start + self.num_buffered, axis=0)
        self.dataset[start:] = self.buffer[: self.num_buffered]
        self.num_buffered = 0


class ColumnStatistics:
    """Range, mean, deviation and non-finite count of each dimension, over a stream.

    Rows are counted in blocks: a few at a time would take longer than writing them.

    ``has_train`` is to be set: whether any sample of the store is in the train split,
    with this modality or without it. Mean and deviation are of all samples if none is.

    Args:
        channels: Width of a row.
    """

    def __init__(self, channels: int) -> None:
        self.has_train = False
        self.minimum = np.full(channels, np.inf)
        self.maximum = np.full(channels, -np.inf)
        self.non_finite = np.zeros(channels, np.int64)
        self.train = Moments(channels)
        self.rest = Moments(channels)
        self._waiting: dict[bool, list[NDArray]] = {True: [], False: []}
        self._bytes = 0

    def update(self, rows: NDArray, *, is_train: bool) -> int:
        """Takes rows, [n, F], and returns how many of their values are not finite."""
        self._waiting[is_train].append(rows.copy())
        self._bytes += rows.nbytes
        if self._bytes > _BUFFER_BYTES:
            self.flush()
        finite = np.isfinite(rows)
        return 0 if finite.all() else int((~finite).sum())

    def flush(self) -> None:
        """Counts the rows that wait; the numbers are right after it."""
        for is_train, moments in ((True, self.train), (False, self.rest)):
            if self._waiting[is_train]:
                self._count(np.concatenate(self._waiting[is_train]), moments)
        self._waiting = {True: [], False: []}
        self._bytes = 0

    def _count(self, rows: NDArray, moments: Moments) -> None:
        finite = np.isfinite(rows)
        low = high = rows
        if not finite.all():
            low, high = np.where(finite, rows, np.inf), np.where(finite, rows, -np.inf)
            rows = np.where(finite, rows, 0)
        np.minimum(self.minimum, low.min(axis=0, initial=np.inf), out=self.minimum)
        np.maximum(self.maximum, high.max(axis=0, initial=-np.inf), out=self.maximum)
        self.non_finite += len(rows) - finite.sum(axis=0)
        moments.update(rows, finite)

    @property
    def _moments(self) -> Moments:
        # Never of other samples if there is a train split: a model is tested on them.
        return self.train if self.has_train else self.rest

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the finite values of the train split, [F]; 0 if it has none."""
        return np.where(self._moments.count > 0, self._moments.mean, 0)

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of the same values, [F]; 1 if there are none."""
        return np.where(self._moments.count > 0, self._moments.std, 1)

    @property
    def unseen(self) -> NDArray[np.int64]:
        """The columns with finite values, but none in the train split."""
        lacking = (self.train.count == 0) & (self.rest.count > 0)
        return np.flatnonzero(lacking & self.has_train)

    def fill(self, clean: Clean) -> NDArray[np.float64]:
        """What stands for a non-finite value, [F]."""
        return self.mean if clean == 'mean' else np.zeros_like(self.minimum)

    def widen(self, fill: NDArray[np.float64]) -> None:
        """Takes values into the range that replace non-finite ones."""
        replaced = self.non_finite > 0
        low, high = np.minimum(self.minimum, fill), np.maximum(self.maximum, fill)
        self.minimum = np.where(replaced, low, self.minimum)
        self.maximum = np.where(replaced, high, self.maximum)


def replace_non_finite(
    column: Column,
    fill: NDArray[np.float64],
    dimensions: NDArray[np.int64],
    cleaned: h5py.Dataset,
) -> None:
    """Overwrites the non-finite values of a flushed column, block by block.

    Args:
        column: All items.
        fill: What replaces a value, [F].
        dimensions: Those with values that are not finite, [C].
        cleaned: Takes a bit for each value of these, [ΣS, ⌈C / 8⌉].
    """
    for i, start in enumerate(range(0, len(column.dataset), column.block_rows)):
        block = column.dataset[start : start + column.block_rows]
        bad = ~np.isfinite(block)
        cleaned[start : start + len(block)] = np.packbits(bad[:, dimensions], axis=1)
        if bad.any():
            block[bad] = np.broadcast_to(fill, block.shape)[bad]
            column.dataset[start : start + len(block)] = block
            column.crc32[i] = crc32_of(block)


class Moments:
    """Count, mean and squared deviations of blocks that are merged (Chan et al.).

    Args:
        channels: Number of columns.
    """

    def __init__(self, channels: int) -> None:
        self.count = np.zeros(channels, np.int64)
        self.mean = np.zeros(channels)
        self.square = np.zeros(channels)

    def update(self, rows: NDArray, finite: NDArray[np.bool_]) -> None:
        """Takes rows, [n, F], of which only marked values count; others are 0."""
        count = finite.sum(axis=0)
        mean = rows.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        square = (np.where(finite, rows - mean, 0) ** 2).sum(axis=0)
        total = np.maximum(self.count + count, 1)
        delta = mean - self.mean
        self.square += square + delta**2 * self.count * count / total
        self.mean += delta * count / total
        self.count += count

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each column, [F]."""
        return np.sqrt(self.square / np.maximum(self.count, 1))
