"""Mean and deviation of the columns of some samples."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.store.column import Moments
from hetero_mmer.store.reader import Store

#: So much is read at once.
_BYTES: Final = 1 << 24


class ColumnMoments(NamedTuple):
    """What :func:`moments_of` gives."""

    mean: NDArray[np.float64]  # [F]; 0 without a value
    std: NDArray[np.float64]  # [F]; 1 without a value
    unseen: NDArray[np.int64]  # the columns without a value


def moments_of(store: Store, modality: str, rows: NDArray[np.int64]) -> ColumnMoments:
    """Mean and standard deviation of each column over the items of some samples.

    Values that replace what was not finite take no part.

    Args:
        store: An open store.
        modality: The name of a modality with features.
        rows: The samples, [N].
    """
    start = store.ptr[modality][rows]
    length = store.ptr[modality][rows + 1] - start
    moments = Moments(store.in_channels[modality])
    size = 4 * int(length.sum()) * store.in_channels[modality]
    for part in np.array_split(np.arange(len(rows)), max(1, -(-size // _BYTES))):
        values = store.read_slices(modality, start[part], length[part])
        finite = np.isfinite(values)
        cleaned = store.cleaned_slices(modality, start[part], length[part])
        if cleaned is not None:
            bits, columns = cleaned
            replaced = np.unpackbits(bits, axis=1, count=len(columns)).astype(bool)
            finite[:, columns] &= ~replaced
        moments.update(np.where(finite, values, 0), finite)
    seen = moments.count > 0
    return ColumnMoments(
        np.where(seen, moments.mean, 0),
        np.where(seen, moments.std, 1),
        np.flatnonzero(~seen),
    )
