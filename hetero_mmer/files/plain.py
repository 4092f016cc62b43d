"""Plain data, as JSON and YAML hold them: read within bounds, checked by their type."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.input import check_file

#: Bytes of a JSON file: the edges among two thousand labels, one to a line.
_LARGEST_JSON: Final = 2**25

#: Values of JSON, each of which takes up to some seventy bytes of memory.
_MOST_VALUES: Final = 2_000_000

_WORDS: Final = {
    str: 'text',
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    list: 'a list',
    dict: 'names with values',
    type(None): 'null',
}


@dataclass(frozen=True)
class Within:
    """That a number lies in ``[low, high]``, for ``Annotated``."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if self.high == math.inf:
            return f' of at least {self.low:.12g}'
        return f' in [{self.low:.12g}, {self.high:.12g}]'


#: A number that is neither NaN nor infinite.
Finite = Annotated[float, Within(-1e300, 1e300)]


def read_text(path: Path, largest: int, what: str = '') -> str:
    """The text of a file that is not too large for what it is.

    Args:
        path: The file.
        largest: Number of bytes.
        what: What it is, before its name in a message.

    Raises:
        InputError: If it is larger, or is not UTF-8.
    """
    with check_file(path).open('rb') as file:
        found = file.read(largest + 1)
    if len(found) > largest:
        raise InputError(f"{what}'{path}' is too large (more than {largest} bytes)")
    try:
        return found.decode('utf-8')
    except UnicodeDecodeError as error:
        raise InputError(f"{what}'{path}' is no text in UTF-8 ({error})") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.

    Raises:
        InputError: If it is no JSON, has a key twice, or is too large or deep.
    """
    text = read_text(path, _LARGEST_JSON)
    try:
        return parse_json(text)
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON ({error})") from error


def parse_json(text: str | bytes) -> Any:
    """What a text says as JSON.

    Args:
        text: The text, in UTF-8 where it is bytes.

    Raises:
        ValueError: If it is no JSON, has a key twice (the first would vanish silently)
            or millions of values, or is nested too deeply.

    Example:
        >>> parse_json(b'{"joy": [1]}')
        {'joy': [1]}
    """
    if isinstance(text, bytes):
        text = text.decode()
    if sum(map(text.count, ',:[{')) > _MOST_VALUES:
        raise ValueError(f'it has more than {_MOST_VALUES} values')
    try:
        return json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_no_number
        )
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error


def check_plain(value: Any, kind: Any, where: str, key: str = '') -> None:
    """Refuses plain data of another type than expected.

    Args:
        value: The data.
        kind: A type as in annotations: of plain values, ``Annotated`` with
            :class:`Within`, a union, ``Literal``, ``list``, ``dict`` or a
            ``TypedDict``, whose keys have to be there and no others.
        where: Where the data stand, for the message; may be empty.
        key: Of a part of them.

    Raises:
        InputError: Names the key, what is expected and what came.

    Example:
        >>> check_plain({'epochs': [1, 2]}, dict[str, list[int]], 'the table')
    """
    origin, args = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        _check_record(value, kind, where, key)
    elif origin is list and isinstance(value, list):
        for i, item in enumerate(value):
            check_plain(item, args[0], where, f'{key}[{i}]')
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            check_plain(name, args[0], where, f'{key} (a name)')
            check_plain(item, args[1], where, _join(key, name))
    elif origin in (Union, UnionType):
        _check_union(value, kind, where, key)
    elif not _is(value, kind):
        raise _wrong(value, kind, where, key)


def in_words(kind: Any) -> str:
    """What values of a type are, for messages.

    Args:
        kind: As in :func:`check_plain`.

    Example:
        >>> in_words(int | None), in_words(dict[str, int])
        ('a whole number or null', 'names with values')
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return in_words(args[0]) + ''.join(map(str, args[1:]))
    if origin is Literal:
        return f'one of {args}'
    if origin in (Union, UnionType):
        return ' or '.join(dict.fromkeys(map(_alternative, args)))
    kind = _container(kind) or kind
    return _WORDS.get(kind) or f'a {getattr(kind, "__name__", kind)}'


def _check_record(value: Any, kind: Any, where: str, key: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(value, dict, where, key)
    hints = _hints(kind)
    for name in value:
        if name not in hints:
            hint = did_you_mean(str(name), hints)
            raise InputError(f'unknown key {_join(key, name)!r} in {where}{hint}')
    for name, hint in hints.items():
        optional = get_origin(hint) is NotRequired
        if name in value:
            expected = get_args(hint)[0] if optional else hint
            check_plain(value[name], expected, where, _join(key, name))
        elif not optional:
            raise InputError(f"there is no '{_join(key, name)}' in {where}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _check_union(value: Any, kind: Any, where: str, key: str) -> None:
    deeper = [k for k in get_args(kind) if _container(k) is type(value)]
    if len(deeper) == 1:  # Whose message tells more.
        check_plain(value, deeper[0], where, key)
    elif not any(_is(value, one) for one in get_args(kind)):
        raise _wrong(value, kind, where, key)


def _is(value: Any, kind: Any) -> bool:
    """Whether a value without parts is of a type."""
    if kind is Any:
        return True
    if get_origin(kind) is Annotated:
        of, *bounds = get_args(kind)
        return _is(value, of) and all(b.low <= value <= b.high for b in bounds)
    if get_origin(kind) is Literal:  # True is equal to 1.
        return any(type(value) is type(v) and value == v for v in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    kind = type(None) if kind is None else _container(kind) or kind
    return isinstance(value, kind)


def _container(kind: Any) -> type | None:
    if is_typeddict(kind) or get_origin(kind) is dict:
        return dict
    return list if get_origin(kind) is list else None


def _wrong(value: Any, kind: Any, where: str, key: str) -> InputError:
    name = ' in '.join(filter(None, [repr(key) if key else '', where]))
    try:
        got = reprlib.repr(value)
    except ValueError:  # Python prints no number of thousands of digits.
        got = 'a number of thousands of digits'
    return InputError(f'{name} is {in_words(kind)} (got {got})')


def _alternative(kind: Any) -> str:
    is_choice = get_origin(kind) is Literal
    return ' or '.join(map(repr, get_args(kind))) if is_choice else in_words(kind)


def _join(key: str, name: Any) -> str:
    return f'{key}.{name}' if key else str(name)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key '{name}' is given twice")
        found[name] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f'{text} is no number')
