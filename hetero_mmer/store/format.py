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
``.../segment``                         [ΣS] int32: which segment of its sample
                                        an item belongs to, such as the comment
                                        of a word, from 0 (optional)
``.../names``                           [ΣS] UTF-8 of at most 240 bytes: what an
                                        item is called, such as the word
                                        (optional)
``features/<modality>/minimum``,        [F] over the finite values
``.../maximum``, ``.../non_finite``     and the count of all others
``.../mean``, ``.../std``               [F] over the finite values of train, 0
                                        and 1 where it has none; of all samples
                                        if there is no train split
``.../non_finite_of_sample``            [N] count of replaced values; ids have
                                        none of these six
``.../cleaned``                         [ΣS, ⌈C / 8⌉] uint8: a bit for each value
                                        of the C columns whose ``non_finite`` is
                                        above 0, as ``numpy.packbits`` packs
                                        them; 1 where the conversion replaced it
                                        (only if it replaced any)
``.../unseen``                          [K] the columns with values, but none in
                                        train (only if there are any)
``.../fill``                            [F] what replaced them, where it is the
                                        mean
``fitted/<modality>/about``             JSON: which encoder made the features,
``fitted/<modality>/arrays/<name>``     and what it learned (optional)
``labels``                              [N, L] uint8 (optional): 0 or 1, or 255 in
                                        all of the row of a sample whose labels
                                        are unknown (format version 3 only)
``intensities``                         [N, L] float32 (optional), NaN in the
                                        rows of samples with unknown labels
``ids``, ``groups``, ``split``          [N] UTF-8
``dropped/ids``, ``dropped/reasons``    what the converter left out, and why
``extra/<name>``                        [N, ...] other numbers of each sample
``attrs``, ``about``                    JSON
``checksums``                           JSON: a CRC-32 of each block of rows of
                                        every dataset above (optional)
======================================= ======================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.io import safe_h5
from hetero_mmer.schema import Kind

FORMAT: Final = 'hetero_mmer store'
VERSION: Final = 2

#: The version of stores where the labels of some samples are unknown: releases that
#: read none but 2 would not know what 255 means.
VERSION_WITH_UNKNOWN: Final = 3

#: The names a split may have; the empty one stands for no split at all.
SPLITS: Final = ('train', 'valid', 'test', '')

#: Ids are stored as int32.
MAX_EMBEDDINGS: Final = 2**31 - 1

#: Features up to this size can be computed with. Float32 ends at 3e38, so a square or
#: the product of a query and a key overflows from 2e19 on; the rest is left to weights
#: and widths. Measured: HHMPN and CARAT with 768 features and weights four times as
#: large as at the start lose nothing at 1e12, and their loss at 1e13.
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


def unseen(modality: str, columns: NDArray[np.int64], spec: ModalitySpec) -> str:
    """A sentence about columns that the train split has no values of.

    Args:
        modality: Its name.
        columns: Their indices, [K].
        spec: What the modality is.

    Example:
        >>> print(unseen('audio', np.array([0]), ModalitySpec(1)))
        'audio' has no value in the train split: standardising leaves it as it is
    """
    what, it = 'value', 'it as it is'
    if len(columns) < spec.channels:
        what += f' of {name_columns(columns, spec)}'
        it = 'them as they are' if len(columns) > 1 else it
    return f"'{modality}' has no {what} in the train split: standardising leaves {it}"


def name_columns(columns: NDArray[np.int64], spec: ModalitySpec) -> str:
    """The first of some columns by their names, or by their numbers.

    Args:
        columns: Their indices, [K].
        spec: What the modality is.

    Example:
        >>> name_columns(np.array([0, 2]), ModalitySpec(3))
        'columns 0, 2'
    """
    names = [f"'{spec.columns[c]}'" if spec.columns else str(c) for c in columns[:5]]
    more = ', ...' if len(columns) > 5 else ''
    return f'column{"s" if len(columns) > 1 else ""} {", ".join(names)}{more}'


def write_strings(group: h5py.Group, name: str, strings: list[str]) -> None:
    """Writes strings as fixed-width UTF-8, which is read back in one go."""
    data = [string.encode() for string in strings]
    width = max([1, *map(len, data)])
    group[name] = np.array(data, dtype=h5py.string_dtype('utf-8', width))


def read_strings(dataset: h5py.Dataset) -> NDArray[np.str_]:
    """Reads what :func:`write_strings` wrote."""
    return np.array([item.decode() for item in safe_h5.read_strings(dataset)], np.str_)
