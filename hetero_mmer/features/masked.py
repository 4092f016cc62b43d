"""Arrays with values that a mask hides, which NumPy and PyTorch would bring back."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetero_mmer.errors import InputError


def refuse_masked(values: Any, what: str) -> None:
    """Refuses an array, or a list of some, with values that are masked.

    Args:
        values: Anything that is to become an array.
        what: What it is, in the plural.

    Raises:
        InputError: For a masked value.

    Example:
        >>> refuse_masked(np.ma.array([1, 2], mask=[False, False]), 'labels')
        >>> refuse_masked([np.ma.masked], 'labels')
        ... # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        hetero_mmer.errors.InputError: labels are all there, but 1 of 1 values ...
    """
    if isinstance(values, list | tuple):
        for value in values:
            if isinstance(value, list | tuple | np.ndarray):
                refuse_masked(value, what)
    # Most arrays are no more than that, and `numpy.ma` is imported when it is named.
    elif type(values) is not np.ndarray and isinstance(values, np.ndarray):
        if not isinstance(values, np.ma.MaskedArray):
            return
        mask = np.ma.getmaskarray(values)
        # Fields of a record have a mask each; records are refused for what they are.
        count = 0 if mask.dtype != np.bool_ else int(mask.sum())
        if count:
            raise InputError(
                f'{what} are all there, but {count} of {values.size} values are '
                f'masked: say what stands for them, such as 0 by `.filled(0)`'
            )
