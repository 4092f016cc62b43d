"""Which samples a run trains on and is tested on: its rows come from here alone."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.files.input import check_file
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.store import Store
from hetero_mmer.store.split_file import PARTS, read_split
from hetero_mmer.store.split_store import saw_test


def rows_of(
    store: Store,
    split_file: str | Path | None = None,
    fold: int | None = None,
    *,
    sha256: str | None = None,
) -> dict[str, NDArray[np.int64]]:
    """The rows of train, valid and test: of the store's own split, or of a split file.

    Args:
        store: An open store.
        split_file: What :func:`~hetero_mmer.store.write_split` wrote, or the like.
        fold: Which of its folds, from 0; None where it has none.
        sha256: What :func:`split_sha256` said when the run started.

    Raises:
        InputError: For a part without samples, a fold without a file, a file that does
            not fit the store, see :func:`~hetero_mmer.store.read_split`, or one that
            has changed.
    """
    if split_file is None:
        if fold is not None:
            raise InputError(
                f"'fold' is one of 'split_file' (got fold {fold} without a file)"
            )
        return {part: store.rows(part) for part in PARTS}
    split = read_split(split_file, store.ids, fold)
    if sha256 is not None and split_sha256(split_file) != sha256:
        raise InputError(f"'{split_file}' has changed since the run started")
    rows = {part: np.flatnonzero(split == part) for part in PARTS}
    of_fold = '' if fold is None else f'fold {fold} of '
    if lacking := [part for part in PARTS if not len(rows[part])]:
        raise InputError(
            f"no sample of '{store.path}' is in '{lacking[0]}' of "
            f"{of_fold}'{split_file}'"
        )
    if sentence := saw_test(store, split):
        warnings.warn(f"{sentence} ('{split_file}')", InputWarning, stacklevel=2)
    return rows


def split_sha256(split_file: str | Path) -> str:
    """SHA-256 of a split file, to be kept with a run.

    Args:
        split_file: Its path.
    """
    return next(iter(sha256_of([check_file(split_file)]).values()))
