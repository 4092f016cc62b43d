from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked

#: Samples or groups that are dealt in all, so that repeated deals take no seconds.
_DEALT: Final = 20_000


def stratified_split(
    labels: NDArray,
    shares: Sequence[float],
    *,
    groups: Sequence[str] | NDArray | None = None,
    seed: int = 0,
    num_deals: int | None = None,
) -> NDArray[np.int64]:
    """Splits samples so that every label has nearly its share in every part.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the stratification of
    multi-label data", ECML PKDD 2011, Algorithm 1): the rarest label is dealt out
    first, each sample to the part that wants it most. Here parts have exact sizes, so
    a full part gets no more, and of several deals the most even one is kept.

    Groups of several samples are dealt whole, large ones first, each to the part where
    the chi-square statistic of label counts and sizes grows least:
    Σ (count - share · total)² / (share · total), over parts, labels and sizes. Every
    part with a share gets a group, and sizes are as near as groups allow.

    Args:
        labels: Zeros and ones, [N, L].
        shares: The share of each part; they add up to 1.
        groups: What no split takes apart, such as the video of each sample, [N].
        seed: Of the order in which samples are dealt and of ties.
        num_deals: How often to deal; by default up to 30 times, fewer for thousands.

    Returns:
        The index of each sample's part, [N].

    Raises:
        InputError: For labels that are no table of zeros and ones, shares that do not
            add up to 1, or fewer groups than parts.

    Example:
        >>> y = np.array([[1], [0], [1], [0]])
        >>> part = stratified_split(y, [0.5, 0.5])
        >>> sorted(part[[0, 2]].tolist()), sorted(part[[1, 3]].tolist())
        ([0, 1], [0, 1])
        >>> part = stratified_split(y, [0.5, 0.5], groups=['a', 'a', 'b', 'b'])
        >>> bool(part[0] == part[1] != part[2] == part[3])
        True
    """
    refuse_masked(labels, 'labels')
    y = np.asarray(labels)
    if y.ndim != 2 or not np.isin(y, (0, 1)).all():
        raise InputError(
            f'labels are a table of zeros and ones, [N, L] (got shape {list(y.shape)})'
        )
    ratio = np.asarray(shares, np.float64)
    if not len(ratio) or (ratio < 0).any() or not abs(ratio.sum() - 1) <= 1e-6:
        raise InputError(f'shares add up to 1 (got {list(shares)})')
    unit = _units(groups, len(y))
    num_units = int(unit.max(initial=-1)) + 1
    if num_deals is None:
        num_deals = int(np.clip(_DEALT // max(num_units, 1), 1, 30))
    rng = _generator(seed)
    y = y.astype(bool)
    if num_units < len(y):
        if num_units < (used := np.count_nonzero(ratio)):
            raise InputError(
                f'each of {used} parts gets a group, but there are {num_units} groups'
            )
        columns = [*y.T, np.ones(len(y))]
        counts = np.stack([np.bincount(unit, c, num_units) for c in columns], axis=1)
        whole = [_deal_groups(rng, counts, ratio) for _ in range(num_deals)]
        return min(whole, key=lambda deal: deal[1])[0][unit]
    sizes = exact_sizes(len(y), ratio)
    deals = [_deal(rng, y, ratio, sizes) for _ in range(num_deals)]
    return min(deals, key=lambda part: _unevenness(part, y, sizes))


def stratified_folds(
    labels: NDArray,
    num_folds: int,
    *,
    groups: Sequence[str] | NDArray | None = None,
    valid_share: float = 0.2,
    seed: int = 0,
) -> NDArray[np.str_]:
    """Folds for cross-validation, each with a valid part of its own.

    Every sample is in test of one fold. In each fold, valid is drawn from the other
    samples. Both are dealt by :func:`stratified_split`.

    Args:
        labels: Zeros and ones, [N, L].
        num_folds: How many folds, K.
        groups: What no fold takes apart, such as the video of each sample, [N].
        valid_share: The share of valid in what is not test.
        seed: Of the draw.

    Returns:
        ``train``, ``valid`` or ``test`` for each sample in each fold, [N, K].

    Raises:
        InputError: As of :func:`stratified_split`; for fewer than two folds, or too few
            samples or groups for three parts in each.

    Example:
        >>> y = np.array([[1], [0]] * 5)
        >>> split = stratified_folds(y, 5)
        >>> (split == 'test').sum(axis=0), (split == 'test').sum(axis=1)
        (array([2, 2, 2, 2, 2]), array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]))
    """
    if num_folds < 2:
        raise InputError(f'there are at least two folds (got {num_folds})')
    if not 0 < valid_share < 1:
        raise InputError(f"'valid_share' lies between 0 and 1 (got {valid_share})")
    unit = _units(groups, len(labels))
    num_units = len(np.unique(unit))
    what = 'samples' if num_units == len(labels) else 'groups'
    too_few = InputError(
        f'{num_units} {what} are too few for {num_folds} folds, each with {what} for '
        f'train, valid and test'
    )
    if num_units < max(num_folds, 3):
        raise too_few
    labels = np.asarray(labels)
    equal = [1 / num_folds] * num_folds
    fold = stratified_split(labels, equal, groups=unit, seed=seed)
    split = np.where(fold[:, None] == np.arange(num_folds), 'test', 'train')
    for k in range(num_folds):
        rest = np.flatnonzero(fold != k)
        if len(np.unique(unit[rest])) < 2:
            raise too_few
        is_valid = stratified_split(
            labels[rest],
            [1 - valid_share, valid_share],
            groups=unit[rest],
            seed=seed + 1 + k,
        )
        if not 0 < is_valid.sum() < len(rest):
            raise too_few
        split[rest[is_valid == 1], k] = 'valid'
    return split


def exact_sizes(num_samples: int, shares: Sequence[float] | NDArray) -> NDArray:
    """Whole sizes for shares: rounded down, what is left to the largest remainders.

    Args:
        num_samples: The sum of the sizes.
        shares: The share of each part; they add up to 1.

    Example:
        >>> exact_sizes(10, [0.6, 0.15, 0.25]).tolist()
        [6, 2, 2]
    """
    exact = np.asarray(shares, np.float64) * num_samples
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - sizes).round(9), kind='stable')
    sizes[order[: num_samples - sizes.sum()]] += 1
    return sizes


def _units(groups: Sequence[str] | NDArray | None, num_samples: int) -> NDArray:
    """The number of each sample's group, [N]; of its own where there are no groups."""
    if groups is None:
        return np.arange(num_samples)
    _, unit = np.unique(np.asarray(groups), return_inverse=True)
    if unit.shape != (num_samples,):
        raise InputError(
            f'each of {num_samples} samples has a group (got {unit.size} groups)'
        )
    return unit


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise InputError(f"'seed' is at least 0 (got {seed})")
    return np.random.Generator(np.random.PCG64(seed))


def _deal(
    rng: np.random.Generator,
    y: NDArray[np.bool_],
    ratio: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> NDArray[np.int64]:
    room, left = sizes.tolist(), y.sum(axis=0)
    wanted = ratio[:, None] * left  # [parts, L]
    part = np.full(len(y), -1, np.int64)
    order = rng.permutation(len(y))
    while left.any():
        label = int(np.where(left > 0, left, len(y) + 1).argmin())
        samples = order[(part[order] < 0) & y[order, label]]
        # Whose turn it is depends on this label alone, so the others wait.
        turns = _turns(rng, room, wanted[:, label].tolist(), len(samples))
        part[samples] = turns
        for k in range(len(room)):
            counts = y[samples[turns == k]].sum(axis=0)
            wanted[k] -= counts
            left -= counts
    part[order[part[order] < 0]] = np.repeat(np.arange(len(room)), room)
    return part


def _turns(
    rng: np.random.Generator, room: list[int], wanted: list[float], num_samples: int
) -> NDArray[np.int64]:
    """Parts in turn: which wants the label most, then has most room; room shrinks."""
    turns = np.empty(num_samples, np.int64)
    open_parts = [k for k, free in enumerate(room) if free]
    for i in range(num_samples):  # Lists: NumPy takes ten times as long for so few.
        most = max([wanted[k] for k in open_parts])
        best = [k for k in open_parts if wanted[k] == most]
        if len(best) > 1:
            free = max([room[k] for k in best])
            best = [k for k in best if room[k] == free]
        chosen = best[rng.integers(len(best))] if len(best) > 1 else best[0]
        turns[i] = chosen
        wanted[chosen] -= 1
        room[chosen] -= 1
        if not room[chosen]:
            open_parts.remove(chosen)
    return turns


def _deal_groups(
    rng: np.random.Generator, counts: NDArray, ratio: NDArray[np.float64]
) -> tuple[NDArray[np.int64], float]:
    """The part of each group, [G], and the statistic; ``counts`` are [G, L + 1]."""
    parts = np.flatnonzero(ratio)
    share = ratio[parts]
    total = counts.sum(axis=0)
    weighted = counts / np.maximum(total, 1)
    square = (counts * weighted).sum(axis=1)
    over = -np.ones((len(parts), 1)) * total  # (count - share · total) / share
    # Deals differ by the order of groups that are nearly of one size.
    order = np.argsort(-square * np.exp(0.3 * rng.standard_normal(len(counts))))
    added = square[:, None] / share
    chosen = np.empty(len(counts), np.int64)
    empty = set(range(len(parts)))
    for i, group in enumerate(order):
        growth = 2 * (over @ weighted[group]) + added[group]
        if len(order) - i <= len(empty):  # One group is left for each of these.
            best = min(empty, key=growth.__getitem__)
        else:
            best = int(growth.argmin())
        empty.discard(best)
        chosen[group] = best
        over[best] += counts[group] / share[best]
    statistic = (over**2 / np.maximum(total, 1)).sum(axis=1) @ share
    return parts[chosen], float(statistic)


def _unevenness(
    part: NDArray[np.int64], y: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> int:
    """The most positives of a label that a part has too many or too few, times N."""
    total = y.sum(axis=0)
    counts = np.stack([y[part == k].sum(axis=0) for k in range(len(sizes))])
    off = np.abs(counts * len(y) - sizes[:, None] * total)
    return int(off.max(initial=0))


def split_groups(
    groups: Sequence[str] | NDArray,
    shares: Mapping[str, float] = {'train': 0.7, 'valid': 0.1, 'test': 0.2},
    *,
    seed: int = 0,
) -> NDArray[np.str_]:
    """The split of each sample, drawn for whole groups.

    Args:
        groups: The group of each sample, such as its video.
        shares: The share of the groups in each split.
        seed: Of the draw.

    Example:
        >>> split = split_groups(['a', 'a', 'b', 'c'], {'train': 0.67, 'test': 0.33})
        >>> sorted(set(split.tolist())), split[0] == split[1]
        (['test', 'train'], True)
    """
    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    ratio = np.array(list(shares.values()))
    sizes = exact_sizes(len(names), ratio / ratio.sum())
    order = _generator(seed).permutation(len(names))
    drawn = np.empty(len(names), dtype=np.asarray(list(shares)).dtype)
    drawn[order] = np.repeat(list(shares), sizes)
    return drawn[group]
