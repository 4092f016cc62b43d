"""Cells of one's own table as labels, or as intensities of labels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.io.csv import Table

#: As pandas, Excel and R write them, whatever their capitals.
_WORDS: Final = {'true': 1, 'false': 0}
#: How others write what nobody knows.
_MISSING: Final = ('', '?', '-', 'na', 'n/a', 'nan', 'none', 'null', 'unknown', '-1')
_NUMBER: Final = re.compile(r'[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?', re.ASCII | re.I)


def read_truth(cell: str) -> int | None:
    """The 0 or 1 that a cell stands for; None for another cell.

    Args:
        cell: The cell.

    Example:
        >>> [read_truth(cell) for cell in ('1.0', 'FALSE', '0.5', 'yes')]
        [1, 0, None, None]
    """
    found = _WORDS.get(cell.lower(), read_number(cell))
    return int(found) if found in (0, 1) else None


def read_number(cell: str) -> float | None:
    """The finite number in a cell, with a decimal point; None for another cell.

    Args:
        cell: The cell.

    Example:
        >>> [read_number(cell) for cell in ('-1.5', '2e-1', '0,5', 'nan', '1_0')]
        [-1.5, 0.2, None, None, None]
    """
    number = float(cell) if _NUMBER.fullmatch(cell) else math.inf
    return number if math.isfinite(number) else None


def are_truths(table: Table, names: Sequence[str]) -> bool:
    """Whether all cells of some columns are 0 or 1, True or False, or empty.

    Args:
        table: The table.
        names: The columns; some may not be there.
    """
    cells = {row.get(name, '') for row in table.rows for name in names} - {''}
    return all(read_truth(cell) is not None for cell in cells)


def read_labels(
    table: Table,
    ids: Sequence[str],
    names: Sequence[str],
    path: Path,
    *,
    is_chosen: bool,
    positive_above: float | None = None,
) -> NDArray[np.float64] | None:
    """Zeros and ones of each sample, or its intensities, [N, L].

    A row of empty cells is one of NaN: its labels are unknown. If all are so, there are
    no labels, None.

    Args:
        table: The table.
        ids: The sample of each row.
        names: The columns of the labels.
        path: The table's file, for messages.
        is_chosen: Whether these columns were chosen as labels.
        positive_above: The intensity above which a label is present, if cells are
            intensities.

    Raises:
        InputError: For any other cell.
    """
    cells = [[row[name] for name in names] for row in table.rows]
    if not any(map(any, cells)):
        return None
    read = read_truth if positive_above is None else read_number
    values = [[read(cell) for cell in row] for row in cells]
    for i, row in enumerate(values):
        if None not in row or not any(cells[i]):
            continue
        k = row.index(None)
        raise InputError(
            f'{_expected(positive_above)} (got {cells[i][k]!r} for '
            f"'{names[k]}' of sample '{ids[i]}', line {table.lines[i]} of '{path}'"
            f'{_hint(cells[i][k], names[k], is_chosen, positive_above)})'
        )
    return np.array(values, np.float64)


def _expected(positive_above: float | None) -> str:
    if positive_above is None:
        return 'labels are 0 or 1 or True or False'
    return 'with `positive_above=`, labels are intensities, finite numbers such as 0.5'


def _hint(cell: str, name: str, is_chosen: bool, positive_above: float | None) -> str:
    hints = []
    if cell.lower() in _MISSING:
        hints.append('where labels are unknown, all of the row are empty')
    if positive_above is None and read_number(cell) is not None:
        hints.append(
            'if labels are intensities, say above which number one is present, such as '
            'with `positive_above=0`'
        )
    if not is_chosen:
        hints.append(f"if '{name}' is none, say which are with `labels=`")
    return ''.join(f'; {hint}' for hint in hints)
