from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked


def stratified_split(
    labels: NDArray, shares: Sequence[float], *, seed: int = 0, num_deals: int = 30
) -> NDArray[np.int64]:
    """Splits samples so that every label has nearly its share in every part.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the stratification of
    multi-label data", ECML PKDD 2011, Algorithm 1): the rarest label is dealt out
    first, each sample to the part that wants it most. Here parts have exact sizes, so
    a full part gets no more, and of several deals the most even one is kept.

    Args:
        labels: Zeros and ones, [N, L].
        shares: The share of each part; they add up to 1.
        seed: Of the order in which samples are dealt and of ties.
        num_deals: How often to deal.

    Returns:
        The index of each sample's part, [N].

    Raises:
        InputError: For labels that are no table of zeros and ones, or shares that do
            not add up to 1.

    Example:
        >>> part = stratified_split(np.array([[1], [0], [1], [0]]), [0.5, 0.5])
        >>> sorted(part[[0, 2]].tolist()), sorted(part[[1, 3]].tolist())
        ([0, 1], [0, 1])
    """
    refuse_masked(labels, 'labels')
    y = np.asarray(labels)
    if y.ndim != 2 or not np.isin(y, (0, 1)).all():
        raise InputError(
            f'labels are a table of zeros and ones, [N, L] (got shape {list(y.shape)})'
        )
    ratio = np.asarray(shares, np.float64)
    if not len(ratio) or (ratio < 0).any() or abs(ratio.sum() - 1) > 1e-6:
        raise InputError(f'shares add up to 1 (got {list(shares)})')
    rng = np.random.Generator(np.random.PCG64(seed))
    y = y.astype(bool)
    sizes = exact_sizes(len(y), ratio)
    deals = [_deal(rng, y, ratio, sizes) for _ in range(num_deals)]
    return min(deals, key=lambda part: _unevenness(part, y, sizes))


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


def _deal(
    rng: np.random.Generator,
    y: NDArray[np.bool_],
    ratio: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> NDArray[np.int64]:
    room = sizes.copy()
    wanted = ratio[:, None] * y.sum(axis=0)  # [parts, L]
    part = np.full(len(y), -1, np.int64)
    order = rng.permutation(len(y))
    while (left := y[part < 0].sum(axis=0)).any():
        label = int(np.where(left > 0, left, len(y) + 1).argmin())
        for sample in order[(part[order] < 0) & y[order, label]]:
            chosen = _choose(rng, room, wanted[:, label])
            part[sample] = chosen
            room[chosen] -= 1
            wanted[chosen, y[sample]] -= 1
    part[order[part[order] < 0]] = np.repeat(np.arange(len(room)), room)
    return part


def _unevenness(
    part: NDArray[np.int64], y: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> int:
    """The most positives of a label that a part has too many or too few, times N."""
    total = y.sum(axis=0)
    counts = np.stack([y[part == k].sum(axis=0) for k in range(len(sizes))])
    off = np.abs(counts * len(y) - sizes[:, None] * total)
    return int(off.max(initial=0))


def _choose(rng: np.random.Generator, room: NDArray, wanted: NDArray) -> int:
    """The part with room that wants the label most, then the one with most room."""
    open_parts = np.flatnonzero(room > 0)
    best = open_parts[wanted[open_parts] == wanted[open_parts].max()]
    best = best[room[best] == room[best].max()]
    return int(best[rng.integers(len(best))] if len(best) > 1 else best[0])


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
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    drawn = np.empty(len(names), dtype=np.asarray(list(shares)).dtype)
    drawn[order] = np.repeat(list(shares), sizes)
    return drawn[group]
