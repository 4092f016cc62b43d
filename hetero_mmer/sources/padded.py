"""Pickled data sets of padded arrays: ``{train, valid, test}`` of arrays by key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.sources.common import Source
from hetero_mmer.sources.mosei_facts import extractor
from hetero_mmer.sources.split_names import find_parts, split_of
from hetero_mmer.store import ModalitySpec
from hetero_mmer.typing import InputError

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
        present = {m: key for m, key in keys.items() if part.get(key) is not None}
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


def unread_parts(
    data: Mapping[Any, Any],
    keys: Collection[str],
    path: Source,
    *,
    strict: bool = False,
) -> list[str]:
    """A note on parts that look like those of the splits, but have another name.

    Args:
        data: What was loaded.
        keys: The keys of features; a part that has one holds samples.
        path: The file, for messages.
        strict: Whether to refuse such parts.

    Raises:
        InputError: For such a part where a split is missing, whose name it may be.

    Example:
        >>> data = dict.fromkeys(('train', 'valid', 'test', 'more'), {'text': [1]})
        >>> unread_parts(data, ['text'], 'a.pkl')[0][:48]
        "WARNING: 'more' of 'a.pkl' holds samples, but no"
    """
    others = [
        text_of(name)
        for name, part in data.items()
        if split_of(name) is None
        and isinstance(part, dict)
        and any(isinstance(part.get(k), list | tuple | np.ndarray) for k in keys)
    ]
    if not others:
        return []
    names = ' and '.join(f"'{name}'" for name in others)
    lacking = [s for s in SPLITS if s not in {split_of(name) for name in data}]
    if lacking or strict:
        raise InputError(
            f"{names} of '{path}' holds samples, but no split is called so: rename it "
            f'to {" or ".join(lacking or SPLITS)}, or remove it'
        )
    return [
        f"WARNING: {names} of '{path}' holds samples, but no split is called so: it "
        f'is left out'
    ]


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
    count = len(values) if isinstance(values, list | tuple | np.ndarray) else 'none'
    if count != num_samples:
        raise InputError(
            f"'{key}' of {where} has one entry for each of {num_samples} samples "
            f'(got {count})'
        )
    return values


def is_nothing(values: Any) -> bool:
    """Whether values are not there: None, NaN alone, or an empty list.

    Args:
        values: One value, or values in lists or arrays.

    Example:
        >>> is_nothing(None), is_nothing([np.nan, None]), is_nothing([0])
        (True, True, False)
    """
    try:
        return not np.isfinite(np.asarray(values, np.float64)).any()
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
