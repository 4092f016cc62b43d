"""A file that says which samples of a store are for training, validation and test.

A CSV file with the columns ``id`` and ``split``, or ``id``, ``fold_0``, ``fold_1`` and
so on, and a row for each sample. A cell is ``train``, ``valid``, ``test``, or empty for
a sample that takes no part.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.files.escape import guard_cell, unguard_cell
from hetero_mmer.files.input import check_file
from hetero_mmer.files.output import check_replaceable, claim, replacing
from hetero_mmer.io.csv import Table, read_table
from hetero_mmer.io.split_names import one_spelling, split_of
from hetero_mmer.store.describe import duplicates

PARTS: Final = ('train', 'valid', 'test')

#: The columns of ids, and of parts where there are no folds.
ID: Final = 'id'
SPLIT: Final = 'split'

#: Bytes of a split file: half a million samples in ten folds.
_LARGEST: Final = 2**26


def fold_column(fold: int) -> str:
    """The column of a fold.

    Args:
        fold: Which one, from 0.

    Example:
        >>> fold_column(3)
        'fold_3'
    """
    return f'fold_{fold}'


def write_split(
    path: str | os.PathLike[str],
    ids: Sequence[str] | NDArray[np.str_],
    columns: Mapping[str, NDArray[np.str_]],
) -> None:
    """Writes a split file, whole or not at all, over nothing but an older one.

    Args:
        path: The file.
        ids: Of the samples, [N].
        columns: What :func:`~hetero_mmer.store.split_store` returns.

    Raises:
        InputError: For ids that several samples have, or another file that is there.
    """
    path = Path(path)
    check_split_path(path)
    names = map(guard_cell, rows_by_id(ids))
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        claim(path, wait=True),
        replacing(path) as temporary,
        temporary.open('w', newline='', encoding='utf-8') as file,
    ):
        writer = csv.writer(file)
        writer.writerow([ID, *columns])
        writer.writerows(zip(names, *columns.values(), strict=True))


def check_split_path(path: Path) -> None:
    """Refuses a path where something else than a split file lies.

    Args:
        path: Where one is to be written.

    Raises:
        InputError: For a folder, or a file that holds anything else.
    """
    check_replaceable(
        path,
        _is_split_file,
        what='a split file is a file',
        otherwise='is no split file',
    )


def read_split(
    path: str | os.PathLike[str],
    ids: Sequence[str] | NDArray[np.str_],
    fold: int | None = None,
) -> NDArray[np.str_]:
    """Reads the part of each sample from a split file.

    Parts may be spelled as other tools do, such as ``val`` or ``dev``. Rows of other
    samples are a warning.

    Args:
        path: The file.
        ids: Of the samples, [N].
        fold: Which fold, from 0; None for the column ``split``.

    Returns:
        ``train``, ``valid``, ``test`` or nothing for each sample, [N].

    Raises:
        InputError: For a file that is no split file or lacks the fold or a sample, a
            sample that has two rows, or a cell that is no part.

    Example:
        >>> import tempfile
        >>> path = f'{tempfile.mkdtemp()}/split.csv'
        >>> write_split(path, ['a', 'b'], {'split': np.array(['train', 'test'])})
        >>> read_split(path, ['b', 'a'])
        array(['test', 'train'], dtype='<U5')
    """
    if check_file(path).stat().st_size > _LARGEST:
        raise InputError(f"'{path}' is too large for a split file (over {_LARGEST} B)")
    table = read_table(path, [ID])
    column = _column(table, fold, path)
    part_of = {cell: split_of(cell) for cell in {row[column] for row in table.rows}}
    part_of[''] = ''
    one_spelling(filter(None, part_of), f"'{column}' of '{path}'")
    row_of = rows_by_id(ids)
    found: dict[str, str] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        name, part = _id_of(unguard_cell(row[ID])), part_of[row[column]]
        if part is None:
            raise InputError(
                f"'{column}' is one of {PARTS} or empty (got '{row[column]}' in line "
                f"{line} of '{path}')"
            )
        if name in found:
            raise InputError(
                f"a sample has one row, but '{name}' is in '{path}' twice (line {line})"
            )
        found[name] = part
    if missing := [row for name, row in row_of.items() if name not in found]:
        raise InputError(
            f"'{path}' has a row for each sample, but lacks {len(missing)} of "
            f"{len(ids)}, the first is '{ids[missing[0]]}'"
        )
    if others := [name for name in found if name not in row_of]:
        warnings.warn(
            f"{len(others)} rows of '{path}' are of no sample here, the first is "
            f"'{others[0]}'",
            InputWarning,
            stacklevel=2,
        )
    return np.array([found[name] for name in row_of], '<U5')


def rows_by_id(ids: Sequence[str] | NDArray[np.str_]) -> dict[str, int]:
    """The row of each sample, by its id as it is read from a split file.

    Args:
        ids: Of the samples, [N].

    Raises:
        InputError: For an id that two samples have, but for blanks around it.

    Example:
        >>> rows_by_id(['b', ' a'])
        {'b': 0, 'a': 1}
    """
    names = [_id_of(str(name)) for name in ids]
    if twice := duplicates(np.array(names)):
        raise InputError(
            f"a row of a split file is told by its sample's id, but '{twice[0]}' is "
            f'the id of several samples'
        )
    return {name: row for row, name in enumerate(names)}


def _id_of(name: str) -> str:
    """An id as a table holds it: no blanks around it, and one kind of line end."""
    return name.replace('\r\n', '\n').replace('\r', '\n').strip()


def _column(table: Table, fold: int | None, path: str | os.PathLike[str]) -> str:
    column = SPLIT if fold is None else fold_column(fold)
    if column in table.columns:
        return column
    folds = [name for name in table.columns if name.startswith('fold_')]
    if not folds and SPLIT not in table.columns:
        raise InputError(
            f"a split file has the columns '{ID}' and '{SPLIT}', or '{ID}', 'fold_0', "
            f"'fold_1' and so on (got {table.columns} in '{path}')"
        )
    got = 'got none' if fold is None else f'got fold {fold}'
    if folds:
        raise InputError(
            f"a fold of '{path}' is one of '{folds[0]}' to '{folds[-1]}' ({got})"
        )
    raise InputError(f"'{path}' has one split and no folds ({got})")


def _is_split_file(path: Path) -> bool:
    if not path.stat().st_size:
        return True  # Nothing is lost.
    try:
        with path.open(newline='', encoding='utf-8') as file:
            header = next(csv.reader([file.readline(2**16)]), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    folds = [fold_column(k) for k in range(len(header) - 1)]
    return header in ([ID, SPLIT], [ID, *folds]) and len(header) > 1
