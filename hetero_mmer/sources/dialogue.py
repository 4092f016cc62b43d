"""Features of an utterance besides its words: when it is said, and by whom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.typing import InputError

#: Columns of :func:`timing_features`.
TIMING: Final = ('duration', 'gap', 'rate', 'first', 'unknown')

#: Longer utterances and gaps come from broken times, or from a cut.
LONGEST: Final = 60.0

_TIME: Final = re.compile(r'(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?')


def parse_time(text: str) -> float:
    """Seconds of ``hh:mm:ss,ms``; NaN for anything else.

    Args:
        text: The time.

    Example:
        >>> parse_time('0:01:02,500'), parse_time('never')
        (62.5, nan)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return float('nan')
    hours, minutes, seconds, fraction = match.groups(default='0')
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + float(f'0.{fraction}')


def finite_spans(start: NDArray, stop: NDArray) -> NDArray[np.float64]:
    """Start and end of utterances as intervals that can be stored, [N, 2].

    Args:
        start: Seconds; NaN where unknown, which becomes the end.
        stop: Seconds; NaN where unknown, which becomes the start, as does an earlier
            end.

    Example:
        >>> finite_spans(np.array([1.0, np.nan]), np.array([0.5, 3]))
        array([[1., 1.],
               [3., 3.]])
    """
    start = np.nan_to_num(np.where(np.isnan(start), stop, start))
    return np.stack([start, np.fmax(start, stop)], axis=1)


def timing(
    start: NDArray, stop: NDArray, num_words: NDArray, first: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Duration, gap to the previous utterance and words per second, [N, 3].

    What broken times tell is NaN: no duration, one of more than a minute, a gap of more
    than a minute; so are gaps beside such a duration, and before a first utterance.

    Args:
        start: Seconds; NaN where unknown.
        stop: Seconds; NaN where unknown.
        num_words: Of each utterance.
        first: Whether an utterance is the first of its dialogue.

    Example:
        >>> timing(np.array([1.0, 4, 9]), np.array([3.0, 9, 9]), np.array([4, 5, 1]),
        ...        np.array([True, False, False]))
        array([[ 2., nan,  2.],
               [ 5.,  1.,  1.],
               [nan, nan, nan]])
    """
    duration = stop - start
    duration[~((duration > 0) & (duration <= LONGEST))] = np.nan
    known = np.isfinite(duration)
    gap = np.full_like(duration, np.nan)
    gap[1:] = start[1:] - stop[:-1]
    gap[first | ~known | ~np.roll(known, 1) | (np.abs(gap) > LONGEST)] = np.nan
    return np.stack([duration, gap, num_words / duration], axis=1)


def timing_features(
    values: NDArray[np.float64], train: NDArray[np.bool_], first: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What :func:`timing` tells as features, see ``TIMING``, [N, 5].

    Args:
        values: The three columns, NaN where unknown.
        train: Where mean and standard deviation come from.
        first: Whether an utterance is the first of its dialogue.

    Returns:
        Logarithms (with the sign of the value), standardised, 0 where unknown; then
        whether it is the first, and whether anything else is unknown.
    """
    # Seconds spread over three orders of magnitude.
    scaled = np.sign(values) * np.log1p(np.abs(values))
    known = np.isfinite(scaled)
    learned = np.where(known & train[:, None], scaled, 0)
    count = np.maximum((known & train[:, None]).sum(axis=0), 1)
    mean = learned.sum(axis=0) / count
    square = np.where(known & train[:, None], (scaled - mean) ** 2, 0)
    std = np.sqrt(square.sum(axis=0) / count)
    std[std == 0] = 1
    z = np.where(known, (scaled - mean) / std, 0)
    unknown = ~known[:, 0] | (~known[:, 1] & ~first)
    return np.column_stack([z, first, unknown]).astype(np.float32)


def main_cast(speakers: Sequence[str], size: int) -> tuple[str, ...]:
    """Who speaks most often, the most frequent first.

    Args:
        speakers: Who says each utterance.
        size: How many to name.

    Raises:
        InputError: For a negative number.

    Example:
        >>> main_cast(['Joey', 'Ross', 'Joey', 'Amy'], 2)
        ('Joey', 'Amy')
    """
    if size < 0:
        raise InputError(f"'num_speakers' is not negative (got {size})")
    counts = Counter(speakers)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:size])


def one_hot(names: Sequence[str], known: Sequence[str]) -> NDArray[np.float32]:
    """A one in the column of a name, or in the last column, [N, K + 1].

    Args:
        names: The names.
        known: Those with a column of their own, K.

    Example:
        >>> one_hot(['b', 'x'], ['a', 'b'])
        array([[0., 1., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    column = {name: i for i, name in enumerate(known)}
    places = [column.get(name, len(column)) for name in names]
    return np.eye(len(column) + 1, dtype=np.float32)[places]
