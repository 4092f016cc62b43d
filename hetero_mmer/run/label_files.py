"""What is known of the labels themselves, from files: vectors, and relations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.io.npy import Archive


def read_vectors(path: Path, labels: Sequence[str]) -> NDArray[np.float32]:
    """A vector for each label, ``[L, E]``, from an ``.npz`` with one for each name.

    Args:
        path: The file; labels that are not asked for are no matter.
        labels: Names of the labels, in order.

    Raises:
        InputError: If a label has none, or vectors are of different lengths, or are not
            finite.
    """
    archive = Archive(path)
    rows = [_row(archive, name, path) for name in labels]
    if len({len(row) for row in rows}) > 1:
        lengths = {name: len(row) for name, row in zip(labels, rows, strict=True)}
        raise InputError(f"vectors in '{path}' have one length (got {lengths})")
    return np.stack(rows)


def read_relations(path: Path, labels: Sequence[str]) -> NDArray[np.float32]:
    """Weights of the relation of each label to each, ``[L, L]``, from an ``.npz``.

    It has a row for each label by its name, whose columns are the labels in the order
    of the file.

    Args:
        path: The file; labels that are not asked for are no matter.
        labels: Names of the labels, in order.

    Raises:
        InputError: If a label has no row, or rows are not as long as the file has
            labels, or are not finite.
    """
    archive = Archive(path)
    names = archive.names
    rows = [_row(archive, name, path) for name in labels]
    for name, row in zip(labels, rows, strict=True):
        if len(row) != len(names):
            raise InputError(
                f"row '{name}' of '{path}' has a column for each of its {len(names)} "
                f'labels (got {len(row)})'
            )
    return np.stack(rows)[:, [names.index(name) for name in labels]]


def _row(archive: Archive, name: str, path: Path) -> NDArray[np.float32]:
    if name not in archive.names:
        hint = did_you_mean(name, archive.names)
        raise InputError(f"there is no label '{name}' in '{path}'{hint}")
    values = np.asarray(archive.read(name))
    if values.ndim != 1 or values.dtype.kind not in 'biuf' or not len(values):
        raise InputError(
            f"'{name}' in '{path}' is a row of numbers (got {values.dtype} of shape "
            f'{list(values.shape)})'
        )
    row = values.astype(np.float32)
    if not np.isfinite(row).all():
        raise InputError(f"'{name}' in '{path}' holds values that are not finite")
    return row
