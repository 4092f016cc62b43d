"""Pickled data sets of padded arrays: ``{train, valid, test}`` of arrays by key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.mosei.facts import extractor
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source
from hetero_mmer.io.ids import caseless, match
from hetero_mmer.io.split_names import find_parts, split_of
from hetero_mmer.store import ModalitySpec

SPLITS: Final = ('train', 'valid', 'test')

Parts = dict[str, dict[str, NDArray]]


def take_arrays(data: Any, keys: Mapping[str, str], path: Source) -> Parts:
    """Takes the features out of what was loaded: of each split, by modality.

    They are gone from ``data`` afterwards, so that a split can be freed once it is
    written, and its splits are called train, valid and test, however the file spells
    them.

    Args:
        data: What was loaded.
        keys: The key of each modality; one that is absent or None is left out.
        path: The file, for messages.

    Raises:
        InputError: For anything that is not splits of arrays.
    """
    found = find_parts(data, f"'{path}'") if isinstance(data, dict) else {}
    if not found:
        got = list(data)[:5] if isinstance(data, dict) else type(data).__name__
        raise InputError(
            f"'{path}' holds a dictionary with {', '.join(SPLITS)} (got {got})"
        )
    parts: Parts = {}
    for split, name in found.items():
        part = data[split] = data.pop(name)
        if not isinstance(part, dict):
            raise InputError(
                f"'{split}' in '{path}' is a dictionary (got {type(part).__name__})"
            )
        present = find_keys(part, keys, f"'{split}' in '{path}'")
        if not present:
            raise InputError(
                f"'{split}' in '{path}' has at least one of {list(keys.values())} "
                f'(got {list(part)})'
            )
        parts[split] = {
            m: _array(part.pop(key), f"'{key}' of {split} in '{path}'")
            for m, key in present.items()
        }
    if len(shapes := {_widths(arrays) for arrays in parts.values()}) > 1:
        raise InputError(
            f"all splits have the same modalities and widths, but '{path}' has "
            f'{" and ".join(map(str, sorted(map(dict, shapes), key=str)))}'
        )
    return parts


def find_keys(
    part: Mapping[Any, Any], wanted: Mapping[str, str], where: str
) -> dict[str, Any]:
    """The key of each modality that a split has, whatever its capitals.

    Args:
        part: The split.
        wanted: The key of each modality.
        where: The split and the file, for the message.

    Raises:
        InputError: If several keys may be meant.

    Example:
        >>> find_keys({'Text': [1], 'audio': None}, {'text': 'text'}, 'train')
        {'text': 'Text'}
    """
    there = {text_of(key): key for key, value in part.items() if value is not None}
    found = match(wanted.values(), there, where).names
    return {m: there[found[key]] for m, key in wanted.items() if key in found}


def unread_parts(
    data: Mapping[Any, Any],
    keys: Collection[str],
    path: Source,
    *,
    read: Collection[str] = (),
    strict: bool = False,
) -> list[str]:
    """Notes on parts that are no split, and a warning of those that hold samples.

    Args:
        data: What was loaded.
        keys: The keys of features; a part that has one holds samples.
        path: The file, for messages.
        read: Parts that are read, too.
        strict: Whether to refuse parts that hold samples.

    Raises:
        InputError: For such a part where a split is missing, whose name it may be.

    Example:
        >>> data = dict.fromkeys(('train', 'valid', 'test', 'more'), {'text': [1]})
        >>> unread_parts(data, ['text'], 'a.pkl')[0][:48]
        "WARNING: 'more' of 'a.pkl' holds samples, but no"
    """
    splits = find_parts(data, f"'{path}'")
    unread = {
        text_of(name): _holds_samples(part, {caseless(key) for key in keys})
        for name, part in data.items()
        if name not in splits.values() and name not in read
    }
    others = [name for name, holds in unread.items() if holds]
    notes = []
    if rest := [name for name in unread if name not in others]:
        some = ', '.join(f"'{name}'" for name in rest[:12]) + ', ...' * (len(rest) > 12)
        notes = [f"parts of '{path}' that are not read: {some}"]
    if not others:
        return notes
    names = ' and '.join(f"'{name}'" for name in others)
    lacking = [s for s in SPLITS if s not in splits]
    if lacking or strict:
        raise InputError(
            f"{names} of '{path}' holds samples, but no split is called so: rename it "
            f'to {" or ".join(lacking or SPLITS)}, or remove it'
        )
    return [
        f"WARNING: {names} of '{path}' holds samples, but no split is called so: it "
        f'is left out',
        *notes,
    ]


def _holds_samples(part: Any, keys: Collection[str], depth: int = 3) -> bool:
    """Whether features of samples lie in a part: arrays by modality, in whatever way.

    Splits within a part, a dictionary for each sample, and tuples of arrays are some.
    """
    if not depth:
        return False
    if isinstance(part, dict):
        return any(
            (
                isinstance(value, list | tuple | np.ndarray)
                and caseless(text_of(key)) in keys
            )
            or (split_of(key) and _holds_samples(value, keys, depth - 1))
            for key, value in part.items()
        )
    if not is_list(part) or not len(part):
        return False
    first = part[0]
    if isinstance(first, list | tuple) and depth > 1:
        return any(isinstance(one, np.ndarray) and one.ndim for one in first) or (
            _holds_samples(first, keys, depth - 1)
        )
    return isinstance(first, dict) and _holds_samples(first, keys, depth - 1)


def size_of(arrays: Mapping[str, NDArray]) -> int:
    """Number of samples of a split.

    Args:
        arrays: Its modalities.
    """
    return len(next(iter(arrays.values())))


def each_row(parts: Parts) -> Iterator[tuple[str, int]]:
    """Split and place of each sample; frees a split once it is through.

    Args:
        parts: What :func:`take_arrays` took.
    """
    for split in list(parts):
        for i in range(size_of(parts[split])):
            yield split, i
        del parts[split]


def specs_of(parts: Parts) -> dict[str, ModalitySpec]:
    """What each modality is.

    Args:
        parts: What :func:`take_arrays` took.
    """
    widths = dict(_widths(next(iter(parts.values()))))
    return {m: ModalitySpec(w, extractor=extractor(m, w)) for m, w in widths.items()}


def column(part: Mapping[str, Any], key: str, num_samples: int, where: str) -> Any:
    """What a split has for each sample under a key.

    Args:
        part: The split.
        key: The key.
        num_samples: How many samples there are.
        where: The split and the file, for the message.

    Raises:
        InputError: For nothing, or another number.
    """
    values = part.get(key)
    count = len(values) if is_list(values) else 'none'
    if count != num_samples:
        raise InputError(
            f"'{key}' of {where} has one entry for each of {num_samples} samples "
            f'(got {count})'
        )
    return values


def is_list(value: Any) -> TypeGuard[list | tuple | NDArray]:
    """Whether a value has entries one after the other.

    Args:
        value: Anything.

    Example:
        >>> is_list([1]), is_list(np.array(1)), is_list('ab')
        (True, False, False)
    """
    return isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def even(value: Any, where: str) -> NDArray:
    """Values as an array.

    Args:
        value: Values in lists or arrays.
        where: What they are, for the message.

    Raises:
        InputError: If lists of them differ in length.

    Example:
        >>> even([[1, 2], [3, 4]], 'numbers').shape
        (2, 2)
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(f'{where} have one length ({error})') from None


def flat_target(target: Any, where: str) -> NDArray:
    """A target as numbers in a row.

    Args:
        target: Numbers, in lists or arrays.
        where: Whose it is, for the message.

    Raises:
        InputError: For anything else.

    Example:
        >>> flat_target([[2, 5, 3]], "'train-00001'").tolist()
        [2, 5, 3]
    """
    try:
        flat = np.asarray(target).reshape(-1)
        if flat.dtype.kind == 'O':  # Rows of an array of objects hold plain numbers.
            flat = np.array(flat.tolist()).reshape(-1)
    except ValueError:  # Entries of different lengths.
        flat = np.array([None])
    if flat.dtype.kind == 'O':
        raise InputError(f'a target is one list of numbers, but that of {where} is not')
    return flat


def floats(values: Any) -> NDArray[np.float64]:
    """Numbers as floats; None becomes NaN.

    Args:
        values: One number, or numbers in lists or arrays.

    Raises:
        TypeError: For anything but numbers, or a ValueError.

    Example:
        >>> floats([1, None])
        array([ 1., nan])
    """
    array = np.asarray(values)
    if array.dtype.kind == 'c':  # NumPy would drop a part of them.
        raise TypeError('complex numbers')
    return array.astype(np.float64)


def is_nothing(values: Any) -> bool:
    """Whether values are not there: None, NaN alone, or an empty list.

    Args:
        values: One value, or values in lists or arrays.

    Example:
        >>> is_nothing(None), is_nothing([np.nan, None]), is_nothing([0])
        (True, True, False)
    """
    try:
        return not np.isfinite(floats(values)).any()
    except (TypeError, ValueError):
        return False


def text_of(value: Any) -> str:
    """A text that may be bytes, or alone in an array.

    Args:
        value: The text.

    Example:
        >>> text_of(b'abc'), text_of(np.array(['d']))
        ('abc', 'd')
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)


def _widths(arrays: Mapping[str, NDArray]) -> tuple[tuple[str, int], ...]:
    return tuple((m, array.shape[2]) for m, array in arrays.items())


def _array(value: Any, where: str) -> NDArray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # Rows of different lengths.
        raise InputError(f'{where} is one padded array ({error})') from None
    if array.ndim != 3 or array.dtype.kind not in 'biuf' or not array.size:
        raise InputError(
            f'{where} is an array of numbers, [samples, items, width] (got shape '
            f"{list(array.shape)} of type '{array.dtype}')"
        )
    return array
