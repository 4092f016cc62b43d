"""What single items are called, and which segment they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.io.safe_h5 import read_rows

#: So much of a name is kept, in bytes of UTF-8: a picture prints it under an item.
MAX_NAME: Final = 240

_BLOCK_BYTES: Final = 1 << 22


def numbers(data: ArrayLike | None, where: str) -> NDArray:
    """An array of numbers, refused if it is none.

    Args:
        data: The numbers.
        where: What to call them.

    Raises:
        InputError: For anything else.
    """
    refuse_masked(data, f'the {where}')
    try:
        array = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:  # Two of them of PyTorch.
        raise InputError(f'the {where} form an array of numbers ({error})') from None
    if array.dtype.kind not in 'biuf':
        got = 'none' if data is None else f"type '{array.dtype}'"
        raise InputError(f'the {where} are numbers (got {got})')
    return array


def as_name(value: object) -> str:
    r"""A foreign text as the name of an item: without what no store keeps.

    Args:
        value: The text, or bytes of one.

    Example:
        >>> as_name(b'so'), as_name('a\x00b')
        ('so', 'ab')
    """
    raw = value if isinstance(value, bytes) else str(value).encode(errors='replace')
    return raw.decode(errors='replace').replace('\0', '')


def check_span(times: ArrayLike | None, num_items: int, where: str) -> NDArray:
    """Start and end of each item, [S, 2].

    Args:
        times: The times.
        num_items: The number of items S.
        where: What to call them.

    Raises:
        InputError: For anything but finite numbers of this shape.
    """
    span = numbers(times, where)
    if span.shape != (num_items, 2) or not np.isfinite(span).all():
        raise InputError(
            f'the {where} are finite numbers of shape {[num_items, 2]} (got shape '
            f'{list(span.shape)})'
        )
    return span


def check_segment(values: ArrayLike | None, num_items: int, where: str) -> NDArray:
    """The segment of each item, [S].

    Args:
        values: The segments, counted from 0.
        num_items: The number of items S.
        where: What to call them.

    Raises:
        InputError: For anything but S whole numbers from 0 to 2³¹ - 1.

    Example:
        >>> check_segment([0, 0, 1], 3, "segments of 'words' in sample 'a'")
        array([0, 0, 1], dtype=int32)
    """
    segment = numbers(values, where)
    right = segment.dtype.kind in 'iu' and segment.shape == (num_items,)
    if not right or segment.min() < 0 or segment.max() >= 2**31:
        raise InputError(
            f'the {where} are whole numbers from 0, one for each of {num_items} '
            f"items (got shape {list(segment.shape)} of type '{segment.dtype}')"
        )
    return segment.astype(np.int32)


def check_names(names: Sequence[str] | None, num_items: int, where: str) -> list[bytes]:
    """The name of each item in UTF-8, cut to :data:`MAX_NAME` bytes.

    Args:
        names: The names.
        num_items: The number of items S.
        where: What to call them.

    Raises:
        InputError: For anything but S strings without a null character.

    Example:
        >>> check_names(['so', 'bad'], 2, "names of 'words' in sample 'a'")
        [b'so', b'bad']
    """
    listed = names is not None and not isinstance(names, str)
    found = list(names) if listed and names is not None else []
    if len(found) != num_items or any(not isinstance(name, str) for name in found):
        raise InputError(
            f'the {where} are strings, one for each of {num_items} items '
            f'(got {names!r:.60})'
        )
    try:
        if any('\0' in name for name in found):
            raise ValueError('a null character')
        return [_cut(name.encode()) for name in found]
    except ValueError as error:
        raise InputError(f'the {where} are Unicode text ({error})') from None


def write_names(group: h5py.Group, names: Sequence[bytes]) -> None:
    """Writes the names of all items as strings of fixed length, some at a time.

    Args:
        group: The group of the modality.
        names: The names, [ΣS].
    """
    width = max(1, max(map(len, names), default=0))
    dtype = h5py.string_dtype('utf-8', width)
    dataset = group.create_dataset('names', (len(names),), dtype)
    rows = max(1, _BLOCK_BYTES // width)
    for start in range(0, len(names), rows):
        block = np.array(names[start : start + rows], dtype)
        dataset[start : start + len(block)] = block


def read_names(dataset: h5py.Dataset, start: int, stop: int) -> list[str]:
    """Reads some of what :func:`write_names` wrote.

    Args:
        dataset: The names of all items.
        start: The first item.
        stop: The item after the last one.

    Raises:
        ValueError: If it is no UTF-8.
    """
    return [name.decode() for name in read_rows(dataset, start, stop).tolist()]


def check_item_facts(group: h5py.Group, modality: str, num_items: int) -> None:
    """Refuses segments and names that are not one for each item.

    Args:
        group: The group of the modality, whose datasets are checked already.
        modality: Its name.
        num_items: The number of its items.

    Raises:
        ValueError: Says what is there instead.
    """
    for name, kinds, what in (
        ('segment', 'iu', 'whole numbers'),
        ('names', 'S', f'strings of at most {MAX_NAME} bytes'),
    ):
        if name not in group:
            continue
        shape, dtype = group[name].shape, group[name].dtype
        fits = dtype.kind in kinds and dtype.itemsize <= MAX_NAME
        if shape != (num_items,) or not fits:
            raise ValueError(
                f"the '{name}' of '{modality}' is for {num_items} items, {what} (got "
                f"shape {list(shape)} of type '{dtype}')"
            )


def _cut(name: bytes) -> bytes:
    return name[:MAX_NAME].decode(errors='ignore').encode()
