"""Values on a command line: what there may be by their types, and how it is read."""

from __future__ import annotations

import contextlib
import os
import reprlib
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import check_plain, in_words

#: How what Python calls otherwise is typed.
_FORMS: Final[dict[Any, str]] = {dict: "'{NAME: VALUE}'", list: "'[ITEM, ITEM]'"}


def load_yaml(text: str, name: str) -> Any:
    """A value as it is typed, which is itself where it is no YAML.

    Args:
        text: What is typed.
        name: What it is given to, for the message on a key that is given twice.

    Raises:
        InputError: If a key is given twice: the first value would vanish silently.
    """
    import yaml
    from jsonargparse import get_loader

    from hetero_mmer.files.unique_yaml import check_keys

    try:
        check_keys(text, f"'{name}'")
        return get_loader('yaml')(text)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError):  # A whole number of thousands of digits.
        return text


def read_value(text: str, kind: Any, name: str, where: str = '') -> Any:
    """A value from a text.

    Args:
        text: What is typed, YAML unless the kind is text.
        kind: What :func:`plain_kind` returned.
        name: What it is given to, for the message.
        where: Where it stands, likewise.

    Raises:
        InputError: If it is none of this kind: names what is expected and what came.

    Example:
        >>> read_value('3', int, '--epochs'), read_value('3', str, '--data')
        (3, '3')
        >>> read_value('many', int, '--epochs')
        Traceback (most recent call last):
        hetero_mmer.errors.InputError: '--epochs' is a whole number (got 'many')
    """
    kinds = alternatives(kind)
    others = [one for one in kinds if one is not str]
    if not others:
        return text
    value = load_yaml(text, name)
    if str in kinds and not any(is_plain(value, one) for one in others):
        return text
    if isinstance(value, dict) and None in value.values():
        value = text  # Such as '{a b}'.
    if isinstance(value, list | dict):  # Whose message tells more.
        check_plain(value, kind, where, name)
    if not is_plain(value, kind):
        words = f'{kind_in_words(kind)} (got {reprlib.repr(text)})'
        raise InputError(f'{place(name, where)} is {words}')
    if type(value) is int and float in kinds and int not in kinds:
        with contextlib.suppress(OverflowError):
            return float(value)
    return value


def place(name: str, where: str) -> str:
    """What a message on a value begins with.

    Example:
        >>> place('epochs', "the recipe 'a.yaml'"), place('--epochs', '')
        ("'epochs' in the recipe 'a.yaml'", "'--epochs'")
    """
    return ' in '.join(filter(None, [repr(name), where]))


def is_plain(value: Any, kind: Any) -> bool:
    """Whether plain data are of a kind."""
    try:
        check_plain(value, kind, '')
    except InputError:
        return False
    return True


def plain_kind(kind: Any) -> Any:
    """A type for :func:`check_plain`, or None if it has values that are no plain data.

    Example:
        >>> from pathlib import Path
        >>> plain_kind(list[Path]), plain_kind(Callable[[int], int])
        (list[str], None)
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal or kind in (str, int, float, bool, type(None), None):
        return kind
    if kind is Any:
        return None
    if _is_path(kind):
        return str
    parts = [plain_kind(one) for one in args]
    if not args or None in parts:
        return None
    if origin in (Union, UnionType):
        return Union[tuple(parts)]  # noqa: UP007
    if origin in (list, Sequence):
        return list[parts[0]]  # type: ignore[valid-type]
    return dict[parts[0], parts[1]] if origin is dict else None  # type: ignore[valid-type]


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a union is made of; a type that is none is the only one."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def is_class_kind(kind: Any) -> bool:
    """Whether a type is that of a class or a function that makes something."""
    return get_origin(kind) is Callable


def hints_of(target: Callable) -> Mapping[str, Any]:
    """The types of the arguments of a function or class, as far as they can be read."""
    try:
        return get_type_hints(
            target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
        )
    except (NameError, TypeError, AttributeError):  # Of code that is not ours.
        return {}


def _is_path(kind: Any) -> bool:
    found = get_origin(kind) or kind
    return isinstance(found, type) and issubclass(found, os.PathLike)


def kind_in_words(kind: Any) -> str:
    """What values of a type are, plain or not."""
    words = []
    for one in alternatives(kind):
        if is_class_kind(one):
            words.append('an import path')
        elif get_origin(one) is Literal:
            words += map(repr, get_args(one))
        elif (plain := plain_kind(one)) is not None:
            words.append(_FORMS.get(get_origin(plain)) or in_words(plain))
    return ' or '.join(dict.fromkeys(words)) or 'any value'
