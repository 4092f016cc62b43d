"""Features of an utterance besides its words: when it is said, and by whom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.column_scale import ColumnScale
from hetero_mmer.features.fitted import Fitted

#: Columns of :class:`TimingScale`.
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


class TimingScale:
    """Logarithms of what :func:`timing` tells, standardised, and what is unknown."""

    name: Final = 'timing-scale-1'

    def __init__(self) -> None:
        self.scale = ColumnScale(TIMING[:3])

    def fit(self, values: NDArray[np.float64]) -> TimingScale:
        """Learns mean and standard deviation.

        Args:
            values: The three columns in train, NaN where unknown.
        """
        self.scale.fit(_logs(values))
        return self

    def transform(
        self, values: NDArray[np.float64], first: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The columns of ``TIMING``, [N, 5].

        Args:
            values: The three columns, NaN where unknown.
            first: Whether an utterance is the first of its dialogue.

        Returns:
            Logarithms (with the sign of the value), standardised, 0 where unknown; then
            whether it is the first, and whether anything else is unknown.
        """
        known = np.isfinite(values)
        z = np.where(known, self.scale.transform(_logs(values)), 0)
        unknown = ~known[:, 0] | (~known[:, 1] & ~first)
        return np.column_stack([z, first, unknown]).astype(np.float32)

    @property
    def fitted(self) -> Fitted:
        """What was learned."""
        return replace(self.scale.fitted, encoder=self.name)

    @classmethod
    def of(cls, fitted: Fitted) -> TimingScale:
        """The encoder that learned something.

        Args:
            fitted: What it learned.
        """
        encoder = cls()
        encoder.scale = ColumnScale.of(fitted)
        return encoder


class SpeakerCast:
    """A column for each of those who speak most often, and one for all others.

    Args:
        size: How many speakers have a column of their own.

    Example:
        >>> cast = SpeakerCast(1).fit(['Joey', 'Ross', 'Joey'])
        >>> cast.columns, cast.transform(['Ross', 'Joey']).tolist()
        (('Joey', 'other'), [[0.0, 1.0], [1.0, 0.0]])
    """

    name: Final = 'speaker-cast-1'

    def __init__(self, size: int = 6) -> None:
        self.size = size
        self.cast: tuple[str, ...] = ()

    def fit(self, speakers: Sequence[str]) -> SpeakerCast:
        """Learns who speaks most often.

        Args:
            speakers: Who says each utterance of train.

        Raises:
            InputError: For a negative number of speakers.
        """
        self.cast = main_cast(speakers, self.size)
        return self

    def transform(self, speakers: Sequence[str]) -> NDArray[np.float32]:
        """A one in the column of each speaker, [N, K + 1].

        Args:
            speakers: Who says each utterance.
        """
        return one_hot(speakers, self.cast)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.cast, 'other')

    @property
    def fitted(self) -> Fitted:
        """What was learned."""
        return Fitted(self.name, self.cast)

    @classmethod
    def of(cls, fitted: Fitted) -> SpeakerCast:
        """The encoder that learned something.

        Args:
            fitted: What it learned.
        """
        encoder = cls(len(fitted.names))
        encoder.cast = fitted.names
        return encoder


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


def _logs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds spread over three orders of magnitude."""
    logs = np.sign(values) * np.log1p(np.abs(values))
    # Logarithms differ in the last bit from machine to machine; this hides it.
    return logs.astype(np.float32).astype(np.float64)
