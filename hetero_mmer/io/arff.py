"""ARFF, the files of Weka, Mulan and MEKA, read row by row: dense and sparse."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.io.text_file import text_lines

_WHAT: Final = 'an ARFF file'
_QUOTED: Final = r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*\""""
_QUOTE: Final = re.compile(_QUOTED, re.DOTALL)
_NAME: Final = re.compile(rf"""({_QUOTED}|[^\s{{'"][^\s{{]*)\s*(.*)""", re.DOTALL)
# Possessive, as what was taken once is never to be tried again in another way.
_CELL: Final = re.compile(
    rf'\s*+((?:{_QUOTED})(?=\s*+(?:,|\Z))|[^,]*+)\s*+(,|\Z)', re.DOTALL
)
_LISTED: Final = re.compile(
    rf'\s*+((?:{_QUOTED})(?=\s*+[,}}])|[^,}}]*+)\s*+([,}}]|\Z)', re.DOTALL
)
_WORD: Final = re.compile(rf'(?:{_QUOTED})(?=[\s,]|\Z)|[^\s,]++', re.DOTALL)
_PAIR: Final = re.compile(
    rf'\s*+([0-9]++)\s++((?:{_QUOTED})(?=\s*+[,}}])|[^,}}]*+)\s*+([,}}])', re.DOTALL
)
#: What ends a line on some screens, or moves the cursor.
_CONTROL: Final = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029]')
_ESCAPES: Final = {'n': '\n', 'r': '\r', 't': '\t'}
#: So much of a wrong cell is shown.
_SHOWN: Final = 60


class Attribute(NamedTuple):
    """A column: its name, its kind, and the ``values`` that a nominal one may have."""

    name: str
    kind: Literal['numeric', 'nominal', 'string', 'date']
    values: tuple[str, ...] = ()


class Header(NamedTuple):
    """What stands before the rows, in ``num_lines`` lines."""

    path: Path
    relation: str
    attributes: tuple[Attribute, ...]
    num_lines: int

    @property
    def places(self) -> dict[str, int]:
        """Which attribute has which name."""
        return {one.name: i for i, one in enumerate(self.attributes)}


class Row(NamedTuple):
    """A row, and the line of the file where it is.

    A nominal value is its index among the attribute's values; NaN stands for one that
    is unknown, ``?``, and for text and dates. ``texts`` are cells as they are written.
    """

    line: int
    values: NDArray[np.float64]
    texts: tuple[str | None, ...]
    weight: float
    is_sparse: bool


class _Malformed(Exception):
    """Something in one line, to be told with its place."""


def read_header(path: str | os.PathLike[str]) -> Header:
    r"""Reads the names and kinds of the columns.

    Args:
        path: The file.

    Raises:
        InputError: For a file that is not there, or has another beginning.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), 'a.arff')
        >>> _ = path.write_text('@relation x\n@attribute y {no,yes}\n@data\nno\n')
        >>> read_header(path).attributes
        (Attribute(name='y', kind='nominal', values=('no', 'yes')),)
    """
    path = Path(path)
    relation = ''
    attributes: dict[str, Attribute] = {}
    for number, line in enumerate(text_lines(path, _WHAT), 1):
        text = _without_comment(line).strip()
        if not text:
            continue
        keyword, rest = _keyword(text)
        try:
            if keyword == 'relation':
                relation = _relation(rest)
            elif keyword == 'attribute':
                one = _attribute(rest)
                if one.name in attributes:
                    raise _Malformed(
                        f'names of attributes are all different (got '
                        f'{_shown(one.name)} again)'
                    )
                attributes[one.name] = one
            elif keyword != 'data' or rest:
                raise _Malformed(
                    'before its rows there are @relation, @attribute and a line @data '
                    f'(got {_shown(text)})'
                )
            elif not attributes:
                raise _Malformed('there is no @attribute before @data')
            else:
                return Header(path, relation, tuple(attributes.values()), number)
        except _Malformed as error:
            raise _misplaced(error, path, number) from None
    raise InputError(
        f"the ARFF file '{path}' has no line @data, after which rows begin"
    )


def read_rows(
    header: Header,
    columns: Sequence[int] | None = None,
    *,
    texts: Sequence[int] = (),
) -> Iterator[Row]:
    r"""Reads the rows one by one.

    What a sparse row does not name is 0, or the first of a nominal attribute's values,
    whatever that is.

    Args:
        header: The header of the file.
        columns: Which attributes, by their places; all by default. Others are not
            looked at.
        texts: Attributes whose cells are wanted as text, too; None for ``?``.

    Raises:
        InputError: For a row of another length, or a value that its attribute cannot
            have, when it is reached.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), 'a.arff')
        >>> lines = ['@attribute x real', '@attribute y {1,0}', '@data', '0.5,0', '{}']
        >>> _ = path.write_text('\n'.join(lines))
        >>> [row.values.tolist() for row in read_rows(read_header(path))]
        [[0.5, 1.0], [0.0, 0.0]]
    """
    every = range(len(header.attributes))
    parser = _RowParser(header, list(every if columns is None else columns), texts)
    lines = islice(text_lines(header.path, _WHAT), header.num_lines, None)
    for number, line in enumerate(lines, header.num_lines + 1):
        line = line.strip()
        if not line or line.startswith('%'):
            continue
        try:
            yield parser.parse(line, number)
        except _Malformed as error:
            raise _misplaced(error, header.path, number) from None


class _RowParser:
    """Turns lines into rows; a cell is kept as it is written until its value counts."""

    def __init__(
        self, header: Header, columns: Sequence[int], texts: Sequence[int]
    ) -> None:
        self.attributes = header.attributes
        self.columns = columns
        self.texts = texts
        self.codes: list[dict[str, float]] = [
            {value: float(i) for i, value in enumerate(one.values)}
            for one in header.attributes
        ]
        self.convert = {j: self._quick_converter(j) for j in columns}
        self.absent = [_absent(one) for one in header.attributes]
        self.base = np.array([self._value(j, self.absent[j]) for j in columns])
        self.places = {j: place for place, j in enumerate(columns)}

    def parse(self, line: str, number: int) -> Row:
        line = _without_comment(line).strip()
        if line.startswith('{'):
            return self._sparse(line, number)
        size, weight = len(self.attributes), 1.0
        start = line.rfind('{')
        if line.endswith('}') and line[:start].rstrip().endswith(','):
            weight = _weight(line[start + 1 : -1])
            line = line[:start].rstrip()[:-1]
        cells = _split(line)
        if len(cells) == size + 1 and not cells[-1]:
            del cells[-1]  # A comma at the end.
        if len(cells) < size:  # For Weka, spaces are as good as commas.
            words = _WORD.findall(line)
            cells = words if len(words) == size else cells
        if len(cells) != size:
            raise _Malformed(
                f'a row has {size} values, one for each attribute (got {len(cells)})'
            )
        values = self._values(cells, line)
        texts = _texts([cells[j] for j in self.texts])
        return Row(number, values, texts, weight, is_sparse=False)

    def _values(self, cells: Sequence[str], line: str) -> NDArray[np.float64]:
        if _is_plain(line):
            try:
                return np.array([f(cells[j]) for j, f in self.convert.items()])
            except (ValueError, KeyError):
                pass  # Of a cell that is unknown, quoted, or wrong.
        return np.array([self._value(j, cells[j]) for j in self.columns])

    def _sparse(self, line: str, number: int) -> Row:
        values, weight = self.base.copy(), 1.0
        found, rest = _pairs(line, len(self.attributes))
        convert = self.convert if _is_plain(line) else {}
        for j, cell in found.items():
            if j in self.places:
                try:
                    values[self.places[j]] = convert[j](cell)
                except (ValueError, KeyError):
                    values[self.places[j]] = self._value(j, cell)
        if rest := rest.removeprefix(',').strip():
            if not (rest.startswith('{') and rest.endswith('}')):
                raise _Malformed(f'a sparse row ends with }} (got {_shown(rest)} then)')
            weight = _weight(rest[1:-1])
        raw = [found.get(j, self.absent[j]) for j in self.texts]
        return Row(number, values, _texts(raw), weight, is_sparse=True)

    def _value(self, j: int, cell: str) -> float:
        cell = cell.strip()
        one = self.attributes[j]
        if cell == '?':
            return math.nan
        if one.kind == 'numeric':
            return _number(_unquoted(cell), one.name)
        text = _unquoted(cell)
        if one.kind != 'nominal':
            return math.nan
        if text not in self.codes[j]:
            listed = ', '.join(one.values[:9])
            raise _Malformed(
                f'{_shown(one.name)} is one of {_shown(listed)} (got {_shown(text)})'
            )
        return self.codes[j][text]

    def _quick_converter(self, j: int) -> Callable[[str], float]:
        if self.attributes[j].kind == 'numeric':
            return float
        # A value that needs quotes is not written as it is.
        codes = {v: c for v, c in self.codes[j].items() if re.fullmatch(r'[\w.-]+', v)}
        return {**codes, **{f' {v}': c for v, c in codes.items()}}.__getitem__


def _absent(one: Attribute) -> str:
    """The cell that a sparse row leaves out: the first value, where there is one."""
    if one.kind == 'numeric':
        return '0'
    if not one.values:
        return '?'
    return "'{}'".format(one.values[0].replace('\\', r'\\').replace("'", r'\''))


def _is_plain(line: str) -> bool:
    """Whether `float` takes nothing but numbers: 1_0 and other scripts are none."""
    return '_' not in line and line.isascii()


def _split(text: str) -> list[str]:
    """The cells of a dense row as they are written."""
    if "'" not in text and '"' not in text:
        return text.split(',')
    cells = _CELL.findall(text)
    # There is always an empty match at the end, after that of the last cell.
    return [cell.strip() for cell, _ in (cells if text.endswith(',') else cells[:-1])]


def _pairs(line: str, size: int) -> tuple[dict[int, str], str]:
    """The cells of a sparse row by their attributes, and what comes after its }."""
    found: dict[int, str] = {}
    position, stop = 1, ','
    if line[1:].lstrip().startswith('}'):
        position, stop = line.index('}') + 1, '}'
    while stop == ',':
        pair = _PAIR.match(line, position)
        if pair is None:
            raise _Malformed(
                "a sparse row is like '{0 1, 5 0.3}' (got "
                f'{_shown(line[position:].lstrip())})'
            )
        index, cell, stop = pair.groups()
        position = pair.end()
        # So many digits are no index, and Python refuses thousands of them.
        j = int(index) if len(index) < 12 else size
        if j >= size:
            raise _Malformed(
                f'indices of attributes are from 0 to {size - 1} (got {_shown(index)})'
            )
        if j in found:
            raise _Malformed(f'a sparse row names an attribute once (got {j} again)')
        found[j] = cell
    return found, line[position:].strip()


def _keyword(text: str) -> tuple[str, str]:
    found = re.match(r'@\s*(\w+)\s*(.*)', text, re.DOTALL)
    return (found[1].lower(), found[2]) if found else ('', text)


def _relation(rest: str) -> str:
    return _unquoted(rest) if _QUOTE.fullmatch(rest) else rest


def _attribute(rest: str) -> Attribute:
    found = _NAME.match(rest)
    if found is None or not found[2]:
        raise _Malformed(f'an attribute has a name and a type (got {_shown(rest)})')
    name, kind = _unquoted(found[1]), found[2]
    if not name or _CONTROL.search(name):
        raise _Malformed(f'the name of an attribute is a word (got {_shown(name)})')
    if kind.startswith('{'):
        return Attribute(name, 'nominal', _listed(name, kind))
    word = re.match(r'\w*', kind)[0].lower()  # type: ignore[index]
    match word:
        case 'numeric' | 'real' | 'integer':
            return Attribute(name, 'numeric')
        case 'string':
            return Attribute(name, 'string')
        case 'date':
            return Attribute(name, 'date')
    raise _Malformed(
        f'the type of {_shown(name)} is numeric, a list such as {{0,1}}, string or '
        f'date (got {_shown(kind)})'
    )


def _listed(name: str, text: str) -> tuple[str, ...]:
    cells: list[str] = []
    position, stop = 1, ','
    while stop == ',' and (found := _LISTED.match(text, position)):
        cells.append(found[1].strip())
        position, stop = found.end(), found[2]
    if stop != '}':
        raise _Malformed(
            f'the values of {_shown(name)} end with }} (got {_shown(text)})'
        )
    if len(cells) == 1:  # For Weka, spaces are as good as commas.
        cells = _WORD.findall(cells[0])
    values = [_unquoted(cell) for cell in cells if cell]
    known: set[str] = set()
    for value in values:
        if _CONTROL.search(value):
            raise _Malformed(
                f'the values of {_shown(name)} are words (got {_shown(value)})'
            )
        if value in known:
            raise _Malformed(
                f'the values of {_shown(name)} are all different (got {_shown(value)} '
                'again)'
            )
        known.add(value)
    return tuple(values)


def _unquoted(cell: str) -> str:
    mark = cell[:1]
    if mark not in ("'", '"') or not mark:
        return cell
    if not _QUOTE.fullmatch(cell):
        raise _Malformed(f'a quote has an end, and then a comma (got {_shown(cell)})')
    text = cell[1:-1].replace(2 * mark, mark)
    if '\\' in text:
        text = re.sub(r'\\(.)', lambda m: _ESCAPES.get(m[1], m[1]), text, flags=re.S)
    return text


def _without_comment(line: str) -> str:
    """A line up to a ``%`` outside of quotes that does not go on with a word."""
    if '%' not in line:
        return line
    quote, before = '', ' '
    for found in re.finditer(r'\\.|[\'"%]', line):
        mark, start = found[0], found.start()
        before = line[start - 1] if start else ' '
        if quote:
            quote = '' if mark == quote else quote
        elif mark in ('"', "'") and (before.isspace() or before in ',{\'"'):
            quote = mark
        elif mark == '%' and (before.isspace() or before in ',}'):
            return line[:start]
    return line


def _texts(cells: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(None if c.strip() == '?' else _unquoted(c.strip()) for c in cells)


def _number(text: str, name: str) -> float:
    try:
        if _is_plain(text):
            return float(text)
    except ValueError:
        pass
    raise _Malformed(f'{_shown(name)} is a number (got {_shown(text)})')


def _weight(text: str) -> float:
    return _number(text.strip(), 'weight')


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...')


def _misplaced(error: _Malformed, path: Path, line: int) -> InputError:
    return InputError(f"{error} in line {line} of the ARFF file '{path}'")
