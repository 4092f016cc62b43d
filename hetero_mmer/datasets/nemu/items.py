"""Items of NEMu: token ids in nested lists, vectors with or without padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import Side, item_spans


def flat_ids(value: Any) -> NDArray[np.int64]:
    """The ids of a song, however deep they lie in lists, without the padding id 0.

    Args:
        value: A list of ids, a list of lists (one for each line or comment), or an
            array.

    Raises:
        InputError: For anything but whole numbers.

    Example:
        >>> flat_ids([[5, 9], [7, 0]]).tolist()
        [5, 9, 7]
    """
    parts = _parts(value)
    if parts is None:
        raise InputError(f'token ids are whole numbers from 0 (got {value!r:.60})')
    return parts[parts != 0]


def id_segments(value: Any) -> NDArray[np.int64]:
    """Which line or comment each of :func:`flat_ids` is from, counted from 0.

    Args:
        value: As there; ids in one list are of one segment.

    Example:
        >>> id_segments([[5, 9], [0, 0], [7, 0]]).tolist(), id_segments([5, 9]).tolist()
        ([0, 0, 1], [0, 0])
    """
    if not _is_row(value):
        return np.zeros(len(flat_ids(value)), np.int64)
    while len(value) == 1 and _is_row(value[0]):
        value = value[0]
    rows = value if all(map(_is_row, value)) else [value]
    lengths = [n for n in map(len, map(flat_ids, rows)) if n]
    return np.repeat(np.arange(len(lengths)), lengths)


def _is_row(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def holds_ids(values: Iterable[Any]) -> bool:
    """Whether songs have token ids rather than vectors; the first tells that has any.

    Args:
        values: What each song has.

    Example:
        >>> holds_ids([[], [[3, 4], [5]]]), holds_ids([[[0.5, 1.0]]])
        (True, False)
    """
    for value in values:
        parts = _parts(value)
        if parts is None or parts.any():
            return parts is not None
    return False


def item_rows(value: Any, side: Side | None = None) -> NDArray:
    """Vectors as items, [S, F], without rows of zeros.

    Args:
        value: One vector, or several.
        side: Where a sequence is padded; without it, all rows of zeros are left out.

    Raises:
        InputError: For anything but vectors of one width.

    Example:
        >>> x = [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
        >>> item_rows(x).tolist(), item_rows(x, 'right').tolist()
        ([[1.0, 2.0]], [[0.0, 0.0], [1.0, 2.0]])
    """
    rows, mask = _rows(value), filled(value)
    if side is None:
        return rows[mask]
    ((start, stop),) = item_spans(mask[None], side)
    return rows[start:stop]


def filled(value: Any) -> NDArray[np.bool_]:
    """Which vectors are not zero, [S].

    Args:
        value: One vector, or several.

    Raises:
        InputError: For anything but vectors of one width.

    Example:
        >>> filled([[0.0, 2.0], [0.0, 0.0]])
        array([ True, False])
    """
    mask: NDArray[np.bool_] = np.any(_rows(value) != 0, axis=1)
    return mask


def _rows(value: Any) -> NDArray:
    try:
        rows = np.asarray(value)
    except ValueError as error:
        raise InputError(f'vectors have one width ({error})') from None
    if rows.size and rows.ndim > 2:
        rows = rows.reshape([size for size in rows.shape if size > 1] or [1])
    rows = np.atleast_2d(rows)
    if rows.ndim != 2 or rows.dtype.kind not in 'biuf':
        raise InputError(
            f'vectors are numbers, [S, F] (got shape {list(rows.shape)} of type '
            f"'{rows.dtype}')"
        )
    return rows if rows.size else rows.reshape(0, max(rows.shape[1], 1))


def _parts(value: Any) -> NDArray[np.int64] | None:
    """All whole numbers in a value, or None if there are others."""
    if isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.dtype.kind == 'O'
    ):
        try:
            array = np.asarray(value, None if len(value) else np.int64)
        except ValueError:  # Lists of different lengths.
            array = np.empty(0, object)
        if array.dtype.kind == 'O':
            parts = [_parts(part) for part in value]
            if any(part is None for part in parts):
                return None
            return np.concatenate([p for p in parts if p is not None], dtype=np.int64)
        value = array
    array = np.asarray(value)
    if array.dtype.kind == 'f':
        # Ids may be stored as floats, vectors have fractions.
        if (array != np.floor(array)).any() or not (np.abs(array) < 2.0**53).all():
            return None
    elif array.dtype.kind not in 'iu':
        return None
    flat = array.reshape(-1).astype(np.int64)
    return None if (flat < 0).any() else flat
