"""How the CMU-MultimodalSDK aligns sequences in time, as functions of arrays.

Frames and words are rows with a start and an end in seconds. A sequence is aligned to a
reference (words, or labelled segments) by giving each interval of the reference the
rows that overlap it; the rows' times are clipped to that interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError

#: Intervals and overlaps that are not longer, in seconds, count for nothing.
EPSILON: Final = 1e-5

#: What becomes of the rows that overlap one word.
Collapse = Literal['mean', 'max', 'min', 'first', 'last', 'none']

#: Which rows of a long sequence stay.
Keep = Literal['last', 'first']

_REDUCE: Final = {'max': np.maximum, 'min': np.minimum}
_BLOCK_PAIRS: Final = 1 << 20


class Items(NamedTuple):
    """Rows of features and their times."""

    features: NDArray  # [T, F]
    intervals: NDArray[np.float64]  # [T, 2]


class Aligned(NamedTuple):
    """Rows for each interval of a reference: those of i are ``ptr[i]:ptr[i + 1]``."""

    features: NDArray  # [P, F]
    intervals: NDArray[np.float64]  # [P, 2]
    ptr: NDArray[np.int64]  # [R + 1]


class Parts(NamedTuple):
    """Rows of what was aligned, by the numbers of the reference's intervals.

    Those of ``numbers[i]`` are ``ptr[i]:ptr[i + 1]``; numbers ascend, with gaps.
    """

    features: NDArray  # [T, F]
    intervals: NDArray[np.float64]  # [T, 2]
    ptr: NDArray[np.int64]  # [E + 1]
    numbers: NDArray[np.int64]  # [E]


class Overlap(NamedTuple):
    """Which rows overlap which interval of a reference, and when."""

    rows: NDArray[np.int64]  # [P]
    intervals: NDArray[np.float64]  # [P, 2]
    ptr: NDArray[np.int64]  # [R + 1]


def long_enough(intervals: NDArray) -> NDArray[np.bool_]:
    """Which intervals of a reference are used at all, [R].

    Args:
        intervals: Starts and ends, [R, 2].

    Example:
        >>> long_enough(np.array([[0.0, 0.5], [0.5, 0.5]])).tolist()
        [True, False]
    """
    return ~(np.abs(intervals[:, 0] - intervals[:, 1]) < EPSILON)


def overlap(reference: NDArray, intervals: NDArray) -> Overlap:
    """The rows that overlap each interval of a reference, by their start.

    Rows that start at the same time stay in the order they came in; rows and
    references without a finite time overlap nothing.

    Args:
        reference: Starts and ends, [R, 2], in any order.
        intervals: Starts and ends of the rows, [T, 2], in any order.

    Example:
        >>> frames = np.array([[2.0, 3.0], [0.0, 1.0], [1.0, 2.0]])
        >>> found = overlap(np.array([[0.5, 2.0], [5.0, 6.0]]), frames)
        >>> found.rows.tolist(), found.intervals.tolist(), found.ptr.tolist()
        ([1, 2], [[0.5, 1.0], [1.0, 2.0]], [0, 2, 2])
    """
    timed = np.flatnonzero(np.isfinite(intervals).all(axis=1))
    order = timed[np.argsort(intervals[timed, 0], kind='stable')]
    start, end = intervals[order].T
    # Candidates, with a margin: rounding must not decide before the test below does.
    low = np.searchsorted(np.maximum.accumulate(end), reference[:, 0] - 2 * EPSILON)
    high = np.searchsorted(start, reference[:, 1] + 2 * EPSILON, side='right')
    counts = np.where(long_enough(reference), np.maximum(high - low, 0), 0)
    references, rows, spans = [], [], []
    for first, stop in _blocks(counts):
        which, row = _pairs(low[first:stop], counts[first:stop])
        begin, finish = reference[first:stop][which].T
        s, e = start[row], end[row]
        clipped = np.stack([np.maximum(s, begin), np.minimum(e, finish)], axis=1)
        hit = (finish - s > -EPSILON) & (e - begin > -EPSILON)
        hit &= np.abs(clipped[:, 0] - clipped[:, 1]) > EPSILON
        references.append(which[hit] + first)
        rows.append(order[row[hit]])
        spans.append(clipped[hit])
    found = np.bincount(np.concatenate(references), minlength=len(reference))
    ptr = np.concatenate([[0], np.cumsum(found)])
    return Overlap(np.concatenate(rows), np.concatenate(spans), ptr)


def align(reference: NDArray, items: Items, collapse: Collapse = 'none') -> Aligned:
    """The rows that overlap each interval of a reference, as they are or as one row.

    Args:
        reference: Starts and ends, [R, 2].
        items: The rows and their times.
        collapse: What one interval's rows become: their mean, maximum, minimum, the
            first or last of them, all over the time from the first to the last; or
            ``none``, they stay.

    Example:
        >>> times = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
        >>> frames = Items(np.array([[1.0], [3.0], [9.0]]), times)
        >>> out = align(np.array([[0.0, 1.8], [7.0, 8.0]]), frames, 'mean')
        >>> out.features.tolist(), out.intervals.tolist(), out.ptr.tolist()
        ([[2.0]], [[0.0, 1.8]], [0, 1, 1])
    """
    return collapse_rows(items.features, overlap(reference, items.intervals), collapse)


def collapse_rows(features: NDArray, found: Overlap, collapse: Collapse) -> Aligned:
    """The rows of each interval of a reference, as they are or as one row.

    Args:
        features: All rows, [T, F].
        found: Which of them belong to which interval, and when they are.
        collapse: What one interval's rows become, see :func:`align`.

    Example:
        >>> times = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
        >>> found = Overlap(np.arange(3), times, np.array([0, 1, 3]))
        >>> out = collapse_rows(np.array([[1.0], [2.0], [4.0]]), found, 'mean')
        >>> out.features.tolist(), out.intervals.tolist()
        ([[1.0], [3.0]], [[0.0, 1.0], [1.0, 3.0]])
    """
    rows, spans, ptr = found
    if collapse == 'none':
        return Aligned(features[rows], spans, ptr)
    has_rows = np.diff(ptr) > 0
    heads, tails = ptr[:-1][has_rows], ptr[1:][has_rows] - 1
    if collapse == 'mean':
        collapsed = _mean(features, rows, ptr)[has_rows]
    elif collapse in ('first', 'last'):
        collapsed = features[rows[heads if collapse == 'first' else tails]]
    else:
        collapsed = _reduce(_REDUCE[collapse], features[rows], heads)
    low = _reduce(np.minimum, spans.min(axis=1, initial=np.inf), heads)
    high = _reduce(np.maximum, spans.max(axis=1, initial=-np.inf), heads)
    ptr = np.concatenate([[0], np.cumsum(has_rows)])
    return Aligned(collapsed, np.stack([low, high], axis=1), ptr)


def take_parts(parts: Parts, numbers: NDArray) -> Overlap:
    """Which rows have each of some numbers, in the order of their start.

    Rows without a finite time are left out, and a number that is not there has none.

    Args:
        parts: What was aligned.
        numbers: The numbers, [R].

    Example:
        >>> times = np.array([[4.0, 5.0], [0.5, 1.0], [0.0, 0.5]])
        >>> parts = Parts(times, times, np.array([0, 1, 3]), np.array([2, 7]))
        >>> found = take_parts(parts, np.array([7, 3, 2]))
        >>> found.rows.tolist(), found.ptr.tolist()
        ([2, 1, 0], [0, 2, 2, 3])
    """
    part = np.repeat(np.arange(len(parts.numbers)), np.diff(parts.ptr))
    order = np.lexsort([parts.intervals[:, 0], part])  # Equal starts stay in order.
    order = order[np.isfinite(parts.intervals[order]).all(axis=1)]
    place = {number: i for i, number in enumerate(parts.numbers.tolist())}
    which = np.array([place.get(n, -1) for n in numbers.tolist()], np.int64)
    low = np.searchsorted(part[order], which)
    high = np.searchsorted(part[order], which, side='right')
    counts = np.where(which >= 0, high - low, 0)
    _, rows = _pairs(low, counts)
    ptr = np.concatenate([[0], np.cumsum(counts)])
    return Overlap(order[rows], parts.intervals[order[rows]], ptr)


def impute(aligned: Aligned, reference: NDArray) -> Items:
    """All rows, and after them a row of zeros for each interval that has none.

    Args:
        aligned: The rows of each interval.
        reference: Starts and ends of the intervals, [R, 2].

    Example:
        >>> words = np.array([[0.0, 1.0], [1.0, 2.0]])
        >>> frames = Items(np.ones((1, 1)), np.array([[1.0, 2.0]]))
        >>> full = impute(align(words, frames), words)
        >>> full.features.tolist(), full.intervals.tolist()
        ([[1.0], [0.0]], [[1.0, 2.0], [0.0, 1.0]])
    """
    empty = reference[np.diff(aligned.ptr) == 0]
    width = aligned.features.shape[1]
    zeros = np.zeros((len(empty), width), aligned.features.dtype)
    return Items(
        np.concatenate([aligned.features, zeros]),
        np.concatenate([aligned.intervals, empty]),
    )


def word_align(
    words: Items,
    others: Mapping[str, Items],
    collapse: Collapse = 'mean',
    *,
    imputed: bool = True,
) -> tuple[Items, dict[str, Items]]:
    """Words that last, and what the other sequences have during each of them.

    Args:
        words: The words of a video.
        others: Its other sequences.
        collapse: What the rows of one word become, see :func:`align`.
        imputed: Whether words without rows get a row of zeros.

    Example:
        >>> words = Items(np.eye(3), np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 2.0]]))
        >>> audio = Items(np.array([[4.0], [6.0]]), np.array([[0.0, 0.5], [0.5, 1.0]]))
        >>> text, aligned = word_align(words, {'audio': audio})
        >>> text.features.tolist(), aligned['audio'].features.tolist()
        ([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[5.0], [0.0]])
    """
    kept = long_enough(words.intervals)
    reference = words.intervals[kept]
    # A word collapses too: onto itself, from its least time to its greatest.
    spans = reference if collapse == 'none' else np.sort(reference, axis=1)
    found = {}
    for name, items in others.items():
        aligned = align(reference, items, collapse)
        full = impute(aligned, spans) if imputed else Items(*aligned[:2])
        found[name] = full
    return Items(words.features[kept], spans), found


def pool(reference: NDArray, items: Items, rate: float) -> Aligned:
    """The rows of each interval of a reference, averaged on a regular grid.

    The grid starts with the interval; a row that lies across a line of the grid counts
    on both sides, and cells without a row are left out.

    Args:
        reference: Starts and ends, [R, 2].
        items: The rows and their times.
        rate: Cells in a second.

    Raises:
        InputError: For a rate that is not positive.

    Example:
        >>> times = np.arange(4)[:, None] / 4 + np.array([0.0, 0.25])
        >>> frames = Items(np.array([[1.0], [3.0], [5.0], [7.0]]), times)
        >>> pool(np.array([[0.0, 1.0]]), frames, rate=2).features.tolist()
        [[2.0], [6.0]]
    """
    if not 0 < rate < np.inf:
        raise InputError(f'a rate is a positive number of Hz (got {rate})')
    # Only where there are rows: an interval may end an hour after the video.
    first = np.min(items.intervals, initial=np.inf, where=np.isfinite(items.intervals))
    last = np.max(items.intervals, initial=-np.inf, where=np.isfinite(items.intervals))
    start = np.maximum(reference[:, 0], first)
    stop = np.minimum(reference[:, 1], last)
    length = np.where(stop > start, stop - start, 0)  # NaN has no length either.
    counts = np.ceil(length * rate - 1e-6).astype(np.int64)
    which, cell = _pairs(np.zeros_like(counts), counts)
    begin = start[which] + cell / rate
    end = np.minimum(start[which] + (cell + 1) / rate, stop[which])
    pooled = align(np.stack([begin, end], axis=1), items, 'mean')
    ptr = pooled.ptr[np.concatenate([[0], np.cumsum(counts)])]
    return Aligned(pooled.features, pooled.intervals, ptr)


def hard_unify(*sequences: Aligned) -> NDArray[np.bool_]:
    """Which intervals of the reference have rows in every sequence, [R].

    Args:
        sequences: What was aligned to the same reference.

    Example:
        >>> rows, times = np.ones((1, 1)), np.array([[0.0, 1.0]])
        >>> one = Aligned(rows, times, np.array([0, 1, 1]))
        >>> other = Aligned(rows, times, np.array([0, 0, 1]))
        >>> hard_unify(one, one).tolist(), hard_unify(one, other).tolist()
        ([True, False], [False, False])
    """
    has_rows: NDArray[np.bool_] = np.all([np.diff(s.ptr) > 0 for s in sequences], 0)
    return has_rows


def trim(rows: NDArray, length: int | None, keep: Keep = 'last') -> NDArray:
    """At most so many rows.

    Args:
        rows: A sequence, [T, ...].
        length: How many rows stay, or None for all.
        keep: Which of them.

    Example:
        >>> trim(np.arange(5), 2).tolist(), trim(np.arange(5), 2, 'first').tolist()
        ([3, 4], [0, 1])
    """
    if length is None:
        return rows
    return rows[:length] if keep == 'first' else rows[max(len(rows) - length, 0) :]


def pad(rows: NDArray, length: int, keep: Keep = 'last') -> NDArray:
    """Exactly so many rows, as the SDK's tensors: trimmed, or filled up with zeros.

    Args:
        rows: A sequence, [T, ...].
        length: How many rows come out.
        keep: ``last`` puts the zeros in front, ``first`` at the end.

    Example:
        >>> pad(np.ones(2), 3).tolist(), pad(np.ones(2), 3, 'first').tolist()
        ([0.0, 1.0, 1.0], [1.0, 1.0, 0.0])
    """
    kept = trim(rows, length, keep)
    fill = np.zeros((length - len(kept), *kept.shape[1:]), kept.dtype)
    return np.concatenate([kept, fill] if keep == 'first' else [fill, kept])


def _mean(features: NDArray, rows: NDArray, ptr: NDArray) -> NDArray:
    """The mean of each interval's rows, zero if it has none; sums as NumPy's mean."""
    from scipy.sparse import csr_matrix

    if features.dtype.kind != 'f':
        features = features.astype(np.float64)
    ones = np.ones(len(rows), features.dtype)
    sums: NDArray = (
        csr_matrix((ones, rows, ptr), (len(ptr) - 1, len(features))) @ features
    )
    counts = np.maximum(np.diff(ptr), 1)
    return np.divide(sums, counts[:, None], out=sums, casting='unsafe')


def _reduce(function: np.ufunc, rows: NDArray, heads: NDArray) -> NDArray:
    reduced: NDArray = (
        function.reduceat(rows, heads, axis=0) if len(heads) else rows[:0]
    )
    return reduced


def _pairs(low: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Each i with each of ``low[i], ..., low[i] + counts[i] - 1``."""
    which = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, low[which] + place


def _blocks(counts: NDArray) -> Iterator[tuple[int, int]]:
    """Ranges of references that have a bounded number of candidates together."""
    cuts = np.flatnonzero(np.diff(np.cumsum(counts) // _BLOCK_PAIRS)) + 1
    bounds = [0, *cuts.tolist(), len(counts)]
    yield from pairwise(bounds)
