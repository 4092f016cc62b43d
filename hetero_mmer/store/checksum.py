"""Checksums of all that a file holds, kept in the file, to find what changed since."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.io.safe_h5 import (
    dataset_of,
    declared_bytes,
    read_json,
    read_rows,
    read_text,
    write_text,
)

#: Where they lie: JSON of a dataset's path to the rows of a block and a CRC-32 of each.
NAME: Final = 'checksums'

_BLOCK_BYTES: Final = 1 << 22
_LARGE_BLOCK: Final = 1 << 26
_MANY_BLOCKS: Final = 10_000


class Checksum(NamedTuple):
    """The CRC-32 of each block of a dataset, with its type and width."""

    rows: int
    crc32: list[int]


def crc32_of(block: NDArray) -> int:
    """The CRC-32 of some rows; other types or widths have others.

    Args:
        block: Rows, [n, ...].

    Example:
        >>> crc32_of(np.zeros(4, np.int8)) == crc32_of(np.zeros(1, np.int32))
        False
    """
    kind = f'{block.dtype.str} {block.shape[1:]}'.encode()
    return zlib.crc32(np.ascontiguousarray(block).data, zlib.crc32(kind))


def checksum_of(dataset: h5py.Dataset, rows: int | None = None) -> Checksum:
    """The checksum of a dataset of numbers or strings, read block by block.

    Args:
        dataset: The dataset.
        rows: The rows of a block, if they are given.
    """
    if dataset.shape == ():
        return Checksum(1, [zlib.crc32(read_text(dataset))])
    row_bytes = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
    rows = max(1, _BLOCK_BYTES // max(1, row_bytes)) if rows is None else rows
    return Checksum(rows, [crc32_of(block) for block in blocks(dataset, rows)])


def blocks(dataset: h5py.Dataset, rows: int) -> Iterator[NDArray]:
    """All rows of a dataset, some at a time.

    Args:
        dataset: The dataset.
        rows: How many.

    Raises:
        ValueError: For blocks that nobody would make, as they take too long or much.
    """
    size = declared_bytes(dataset)
    many = -(-len(dataset) // rows) > _MANY_BLOCKS + (size >> 16)
    large = min(rows, len(dataset)) * size > _LARGE_BLOCK * len(dataset)
    if many or (large and rows > 1):
        raise ValueError(f"blocks of {rows} rows of '{dataset.name}'")
    for start in range(0, len(dataset), rows):
        yield read_rows(dataset, start, min(start + rows, len(dataset)))


def write_checksums(file: h5py.File, known: Mapping[str, Checksum]) -> None:
    """Writes the checksums of all that a file holds; nothing is written after it.

    Args:
        file: An open file.
        known: Those of datasets that are too large to read again.
    """
    found: dict[str, Checksum] = {}

    def add(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = known[name] if name in known else checksum_of(node)

    file.visititems(add)
    about = {name: one._asdict() for name, one in found.items()}
    write_text(file, NAME, json.dumps(about))


def read_checksums(file: h5py.File) -> dict[str, Checksum] | None:
    """What :func:`write_checksums` wrote; None for a file of an older writer.

    Args:
        file: An open file.

    Raises:
        ValueError: If it is damaged.
    """
    if NAME not in file:
        return None
    found = read_json(dataset_of(file, NAME))
    try:
        return {
            name: Checksum(max(1, int(one['rows'])), list(map(int, one['crc32'])))
            for name, one in found.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the '{NAME}' are damaged") from error
