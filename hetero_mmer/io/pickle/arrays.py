"""Arrays from what a pickle says of them, with every claim checked.

numpy believes a pickled type of numbers: one that is forged would make it follow
addresses that are written in the file, and an array that is built a second time would
free what others look at.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

#: Types of numbers and strings that arrays may have; no structures, no times.
_DTYPE: Final = re.compile(
    r'[<>=|]?(?:[biufc]\d{1,2}|[?bBhHiIlLqQefdgFDG]|O\d?|[SU]\d{0,6})'
)


class Refused(Exception):
    """A pickle asks for something that is not data."""


def make_dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype:
    """The type of a name; always a new one, for :func:`set_dtype` changes it.

    Args:
        name: Such as ``f8`` or ``U5``.
        align: Of structures, which are not read.
        copy: Whether it is new.
    """
    if type(name) is not str or not _DTYPE.fullmatch(name):
        raise Refused(f'an array of the type {name!r}')
    return np.dtype(name, align=False, copy=True)


def set_dtype(dtype: np.dtype, state: Any) -> None:
    """Sets the byte order; the rest of a state must be what it is anyway.

    Args:
        dtype: The type to change.
        state: Its pickled state.
    """
    order = state[1] if type(state) is tuple and len(state) > 1 else None
    if order not in ('<', '>', '=', '|'):
        raise Refused('a forged type of numbers')
    same = dtype.newbyteorder(order) if order != '|' else dtype
    rest: Any = same.__reduce__()[2][2:]
    if state[2:] != rest:
        raise Refused('a forged type of numbers')
    dtype.__setstate__((3, order, *rest))  # type: ignore[attr-defined]


def _raw(data: Any) -> bytes:
    """Bytes as they were in the file."""
    if type(data) is str:  # A string of Python 2 that happens to be UTF-8.
        data = data.encode('utf-8')
    if type(data) is not bytes:
        raise Refused('an array of something else than bytes')
    return data


def _plain(dtype: Any) -> np.dtype:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise Refused('bytes of a type that is not of numbers or strings')
    return dtype


def check_text(array: NDArray) -> NDArray:
    """An array, if what it has of text is Unicode: NumPy takes any number for a letter.

    Args:
        array: Any array.
    """
    if array.dtype.kind == 'U' and array.nbytes:
        code = np.dtype('u4').newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).reshape(-1).view(code).max() > sys.maxunicode:
            raise Refused('text that is not Unicode')
    return array


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """Reads so many bytes, no fewer.

    Args:
        file: Where from.
        size: How many.
    """
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data


def check_shape(shape: Any) -> tuple[int, ...]:
    """A shape, if it is a tuple of sizes.

    Args:
        shape: What may be one.
    """
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused(f'an array of the shape {shape!r:.80}')
    return shape


def set_array(array: NDArray, state: Any) -> None:
    """Gives an empty array its shape, type and items.

    Args:
        array: The array to change.
        state: Its pickled state.
    """
    _, shape, dtype, fortran, data = state
    count = math.prod(check_shape(shape))
    if not isinstance(dtype, np.dtype):
        raise Refused('an array without a type')
    if dtype.hasobject:
        fits = type(data) is list and len(data) == count
    else:
        data = _raw(data)
        fits = dtype.itemsize > 0 and len(data) == count * dtype.itemsize
    if not fits:
        raise Refused(f'an array of the shape {shape} from other data')
    array.__setstate__((1, shape, dtype, bool(fortran), data))  # type: ignore[arg-type]
    check_text(array)


def make_scalar(dtype: Any, data: Any = b'') -> Any:
    """A number or string of numpy.

    Args:
        dtype: Its type.
        data: Its bytes.
    """
    dtype, data = _plain(dtype), _raw(data)
    if len(data) != dtype.itemsize:
        raise Refused(f'a number of type {dtype} from {len(data)} bytes')
    if not data:
        return np.zeros((), dtype)[()]
    return check_text(np.ndarray((), dtype, data))[()]


def from_buffer(
    data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
) -> NDArray:
    """An array as protocol 5 pickles it.

    Args:
        data: Its bytes.
        dtype: Its type.
        shape: Its shape.
        order: Of the items, ``K`` for the one in ``axes``.
        axes: The order of the axes.
    """
    dtype, data, shape = _plain(dtype), _raw(data), check_shape(shape)
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(data):
        raise Refused(f'an array of the shape {shape} from {len(data)} bytes')
    if order not in ('C', 'F', 'K'):
        raise Refused(f'an array in the order {order!r}')
    array = check_text(np.frombuffer(data, dtype)) if data else np.empty(0, dtype)
    if order == 'K':
        axes = tuple(range(len(shape))) if axes is None else axes
        if sorted(axes) != list(range(len(shape))):
            raise Refused(f'an array with the axes {axes!r:.80}')
        return array.reshape(shape).transpose(axes)
    return array.reshape(shape, order=order)
