"""A store's samples dealt into train, valid and test, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.store.reader import Store
from hetero_mmer.store.split import stratified_folds, stratified_split
from hetero_mmer.store.split_file import PARTS, SPLIT, fold_column, rows_by_id


def split_store(
    store: Store,
    *,
    folds: int | None = None,
    by: Literal['group', 'sample'] = 'group',
    shares: Sequence[float] = (0.6, 0.15, 0.25),
    seed: int = 0,
) -> dict[str, NDArray[np.str_]]:
    """Deals the samples of a store into train, valid and test, evenly in each label.

    A sample whose labels are unknown takes no part.

    Args:
        store: An open store with labels.
        folds: How many folds for cross-validation; one split by default.
        by: Groups are dealt whole; single samples even if others of their group are in
            another part.
        shares: Of train, valid and test; in folds, the share of test is equal in all,
            and the first two say how the rest is divided.
        seed: Of the draw.

    Returns:
        The column ``split``, or one for each fold: the part of each sample, [N], empty
        where it takes none.

    Raises:
        InputError: For a store without labels, an id that several samples have, shares
            that do not add up to 1, or too few samples or groups.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import ModalitySpec, StoreWriter
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(1)}, ['joy']) as w:
        ...     for i in range(6):
        ...         w.add(f's{i}', {'text': [[1.0]]}, [i % 2])
        >>> columns = split_store(Store(path), folds=3)
        >>> [(name, int((part == 'test').sum())) for name, part in columns.items()]
        [('fold_0', 2), ('fold_1', 2), ('fold_2', 2)]
    """
    if store.labels is None:
        raise InputError(f"'{store.path}' has no labels, which are needed here")
    if len(shares) != 3 or min(shares) <= 0 or not abs(sum(shares) - 1) <= 1e-6:
        raise InputError(
            f'shares of train, valid and test are above 0 and add up to 1 (got '
            f'{list(shares)})'
        )
    rows_by_id(store.ids)
    known = store.known
    y, groups = store.labels[known], store.groups[known] if by == 'group' else None
    if folds is None:
        dealt = np.array(PARTS)[stratified_split(y, shares, groups=groups, seed=seed)]
        if lacking := [part for part in PARTS if part not in dealt]:
            raise InputError(f"{len(y)} samples are too few for a '{lacking[0]}' split")
        dealt, names = dealt[:, None], [SPLIT]
    else:
        share = shares[1] / (shares[0] + shares[1])
        dealt = stratified_folds(y, folds, groups=groups, valid_share=share, seed=seed)
        names = [fold_column(k) for k in range(folds)]
    split = np.full((len(store), len(names)), '', dealt.dtype)
    split[known] = dealt
    return dict(zip(names, split.T, strict=True))


class Count(NamedTuple):
    """How many samples a part has, and how many of these have each label."""

    samples: int
    labels: dict[str, int]


#: A count for each part of each column of a split file.
Counts = Mapping[str, Mapping[str, Count]]


def count_parts(
    columns: Mapping[str, NDArray[np.str_]], labels: NDArray, names: Sequence[str]
) -> Counts:
    """Counts the samples and labels of each part.

    Args:
        columns: What :func:`split_store` returns.
        labels: Zeros and ones, [N, L], where a sample takes part.
        names: Of the labels.

    Example:
        >>> columns = {'split': np.array(['train', 'test', 'train'])}
        >>> count_parts(columns, np.array([[1], [0], [1]]), ['joy'])['split']['train']
        Count(samples=2, labels={'joy': 2})
    """

    def count(rows: NDArray[np.int64]) -> Count:
        positives = labels[rows].sum(axis=0, dtype=np.int64).tolist()
        return Count(len(rows), dict(zip(names, positives, strict=True)))

    return {
        column: {part: count(np.flatnonzero(split == part)) for part in PARTS}
        for column, split in columns.items()
    }


class Deviation(NamedTuple):
    """A label that a part has more or less often than its size suggests."""

    column: str
    part: str
    label: str
    samples: int
    #: The part's size times the label's share of all samples that take part.
    proportional: float


def largest_deviation(counts: Counts) -> Deviation:
    """The count that is farthest from proportional; the first of equals.

    Args:
        counts: What :func:`count_parts` returns.

    Example:
        >>> parts = {'train': Count(3, {'joy': 2}), 'test': Count(1, {'joy': 0})}
        >>> tuple(largest_deviation({'split': parts}))
        ('split', 'train', 'joy', 2, 1.5)
    """
    found = []
    for column, parts in counts.items():
        size = sum(part.samples for part in parts.values())
        for name, part in parts.items():
            for label, count in part.labels.items():
                total = sum(other.labels[label] for other in parts.values())
                fair = part.samples * total / size
                found.append(Deviation(column, name, label, count, fair))
    return max(found, key=lambda one: abs(one.samples - one.proportional))


def saw_test(store: Store, split: NDArray[np.str_]) -> str:
    """A sentence on features that were fitted to samples which are test now.

    Encoders, and the means that replaced values, learned from the store's own train
    split when it was made.

    Args:
        store: An open store.
        split: The part of each sample, [N].

    Returns:
        The sentence, empty if no such sample is test here.
    """
    fitted = list(store.fitted_sha256)
    if store.clean == 'mean':
        fitted += [m for m, n in store.non_finite.items() if n and m not in fitted]
    if not fitted or not ((store.split == 'train') & (split == 'test')).any():
        return ''
    return (
        f"what made the features of {fitted} of '{store.path}' learned from its own "
        f'train split, of which some samples are test here'
    )
