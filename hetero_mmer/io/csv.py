from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import NamedTuple

from hetero_mmer.errors import InputError
from hetero_mmer.io.text_file import read_text


class Table(NamedTuple):
    """A table of text; ``lines`` says where in the file each row ends."""

    columns: list[str]
    rows: list[dict[str, str]]
    lines: list[int]


def read_table(path: str | os.PathLike[str], needed: Sequence[str] = ()) -> Table:
    """Reads a CSV file: text, commas, names of the columns in the first line.

    Args:
        path: The file.
        needed: Columns that it has.

    Raises:
        InputError: For a file that cannot be read, that lacks a column, names one
            twice, or has a row that is shorter or longer than the first line.
    """
    text = read_text(path, 'a table')
    try:
        reader = csv.reader(io.StringIO(text), strict=True)
        found = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise InputError(f"'{path}' is not CSV ({error})") from error
    if not found:
        raise InputError(f"a table names its columns, but '{path}' is empty")
    columns = [name.strip() for name in found[0][1]]
    if '' in columns or len(set(columns)) < len(columns):
        raise InputError(
            f"columns have names, all different (got {columns} in '{path}')"
        )
    if missing := [name for name in needed if name not in columns]:
        raise missing_column(missing[0], columns, path)
    rows = []
    for line, cells in found[1:]:
        if len(cells) != len(columns):
            raise InputError(
                f'a row has {len(columns)} cells, as many as there are columns '
                f"(got {len(cells)} in line {line} of '{path}'){_separated(columns)}"
            )
        values = (cell.strip() for cell in cells)
        rows.append(dict(zip(columns, values, strict=True)))
    return Table(columns, rows, [line for line, _ in found[1:]])


def missing_column(
    name: str, columns: Sequence[str], path: str | os.PathLike[str]
) -> InputError:
    """What to say where a table lacks a column.

    Args:
        name: The column.
        columns: Those that there are.
        path: The file.
    """
    return InputError(
        f"a column is called '{name}', but the columns of '{path}' are "
        f'{list(columns)}{_separated(columns)}'
    )


def _separated(columns: Sequence[str]) -> str:
    if len(columns) == 1 and (';' in columns[0] or '\t' in columns[0]):
        return ': are its columns separated by commas?'
    return ''
