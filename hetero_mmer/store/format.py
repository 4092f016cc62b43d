"""What a store file is: its names, its version, and what describes a modality.

======================================= ======================================
Dataset                                 Content
======================================= ======================================
``features/<modality>/values``          [ΣS, F] float32 or float16: all items;
                                        [ΣS, 1] int32 where they are ids
``features/<modality>/ptr``             [N + 1] int64: sample i has the rows
                                        ``ptr[i]:ptr[i + 1]``; none if missing
``features/<modality>/time``            [ΣS, 2] start and end in seconds
                                        (optional)
``features/<modality>/minimum``,        [F] over the finite values
``.../maximum``, ``.../non_finite``     and the count of all others
``.../mean``, ``.../std``               [F] over the finite values of train, or
                                        of all if there is no train split
``.../non_finite_of_sample``            [N] count of replaced values; ids have
                                        none of these six
``labels``                              [N, L] uint8 (optional)
``intensities``                         [N, L] float32 (optional)
``ids``, ``groups``, ``split``          [N] UTF-8
``dropped/ids``, ``dropped/reasons``    what the converter left out, and why
``extra/<name>``                        [N, ...] anything else per sample
``attrs``, ``about``                    JSON
======================================= ======================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.schema import Kind
from hetero_mmer.typing import InputError

FORMAT: Final = 'hetero_mmer store'
VERSION: Final = 2

#: The names a split may have; the empty one stands for no split at all.
SPLITS: Final = ('train', 'valid', 'test', '')

#: Ids are stored as int32.
MAX_EMBEDDINGS: Final = 2**31 - 1

LARGEST: Final = 1e12

#: What happens to a value that is not finite: nothing, zero, the mean of its column.
Clean = Literal['zero', 'mean']


@dataclass(frozen=True)
class ModalitySpec:
    """What is constant about a modality: width, kind, and where it comes from.

    Args:
        channels: Width of one item.
        kind: A ``sequence`` has positions; the items of a ``set`` have no order.
        extractor: Which tool made the features, with its version.
        columns: Names of the feature columns, one per channel, or none.
        num_embeddings: Size V of the vocabulary, where an item is no vector but an id
            from 0 to V - 1, such as a word's; the width is 1 then.

    Raises:
        InputError: For a width below one, an unknown kind, as many column names as
            there are not channels, an empty vocabulary, or ids wider than 1.

    Example:
        >>> ModalitySpec(2, columns=('pitch', 'energy')).kind
        'sequence'
        >>> words = ModalitySpec(1, num_embeddings=5000)
    """

    channels: int
    kind: Kind = 'sequence'
    extractor: str = ''
    columns: tuple[str, ...] = ()
    num_embeddings: int | None = None

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise InputError(f"'channels' is at least 1 (got {self.channels})")
        if self.kind not in get_args(Kind):
            raise InputError(f"'kind' is one of {get_args(Kind)} (got '{self.kind}')")
        if self.columns and len(self.columns) != self.channels:
            raise InputError(
                f"'columns' names each of the {self.channels} channels "
                f'(got {len(self.columns)} names)'
            )
        if self.num_embeddings is not None:
            if not 1 <= self.num_embeddings <= MAX_EMBEDDINGS:
                raise InputError(
                    f"'num_embeddings' is from 1 to {MAX_EMBEDDINGS} "
                    f'(got {self.num_embeddings})'
                )
            if self.channels != 1:
                raise InputError(
                    f"items that are ids have 1 channel (got 'channels' "
                    f'{self.channels})'
                )


def write_strings(group: h5py.Group, name: str, strings: list[str]) -> None:
    """Writes strings as fixed-width UTF-8, which is read back in one go."""
    data = [string.encode() for string in strings]
    width = max([1, *map(len, data)])
    group[name] = np.array(data, dtype=h5py.string_dtype('utf-8', width))


def read_strings(dataset: h5py.Dataset) -> NDArray[np.str_]:
    """Reads what :func:`write_strings` wrote."""
    data = dataset[()]
    if data.dtype.kind == 'O':  # Variable-length strings of another writer.
        data = np.array([bytes(item) for item in data], dtype=np.bytes_)
    decoded: Any = np.char.decode(data, 'utf-8')
    return decoded.astype(np.str_)
