from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_BYTES = 1 << 18  # Stays in the cache from one step to the next.
_TINY = float(np.finfo(np.float32).tiny)
_WIDE = 1e20

#: The mean of equal numbers is rounded too: they seem to deviate by this share of it.
EQUAL: Final = 1e-12

#: Packed bits of the replaced values, [S, ⌈C / 8⌉], and the C columns they are for.
Cleaned = tuple[NDArray[np.uint8], NDArray[np.int64]]


def standardize_(
    x: NDArray[np.float32],
    mean: ArrayLike,
    std: ArrayLike,
    cleaned: Cleaned | None = None,
) -> None:
    """Subtracts a mean and divides by a deviation, in place.

    Constant columns become zero, and so do values that replace what was not finite:
    zero is the mean, and nothing is known of them. What float32 cannot hold becomes
    infinite.

    Args:
        x: Items, [S, F].
        mean: Of each column, [F].
        std: Of each column, [F]; 0 for a constant one.
        cleaned: Which values replace others.

    Example:
        >>> x = np.array([[1, 7], [5, 7]], np.float32)
        >>> standardize_(x, [3, 7], [2, 0])
        >>> x
        array([[-1.,  0.],
               [ 1.,  0.]], dtype=float32)
    """
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    # Below the smallest normal number, float32 loses its digits.
    constant = ~(std >= np.maximum(_TINY, EQUAL * np.abs(mean)))
    divisor = np.where(constant, 1, std)
    # In two steps a mean is subtracted as exactly as in float64: those of time stamps
    # need more digits than float32 has.
    high = mean.astype(np.float32)
    low = (mean - high).astype(np.float32)
    wide = bool((divisor > _WIDE).any())  # Else what overflows is too large anyway.
    divisor = divisor if wide else divisor.astype(np.float32)
    rows = max(1, _BLOCK_BYTES // max(1, x.shape[1] * x.itemsize))
    with np.errstate(over='ignore', invalid='ignore'):
        for start in range(0, len(x), rows):
            block = x[start : start + rows]
            if wide:
                block[...] = (block - mean) / divisor
            else:
                block -= high
                block -= low
                block /= divisor
    x[:, constant] = 0
    if cleaned is not None:
        _zero(x, *cleaned, rows)


def _zero(
    x: NDArray[np.float32], bits: NDArray[np.uint8], columns: NDArray[np.int64], n: int
) -> None:
    """Sets marked values to zero, ``n`` rows at a time."""
    for start in range(0, len(x), n):
        part = bits[start : start + n]
        if part.any():
            row, column = np.nonzero(np.unpackbits(part, axis=1, count=len(columns)))
            x[start + row, columns[column]] = 0
