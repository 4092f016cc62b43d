"""Labelled segments of videos become samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.intensity import Presence
from hetero_mmer.datasets.mosei.facts import SENTIMENT
from hetero_mmer.features.alignment import (
    Aligned,
    Keep,
    hard_unify,
    long_enough,
    overlap,
    trim,
)
from hetero_mmer.io.csd import CsdFile
from hetero_mmer.io.csd_entries import Segments
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import StoreWriter
from hetero_mmer.store.items import as_name
from hetero_mmer.store.like import POSITIVE_ABOVE

#: The items of a video (or its parts) become the items of each of its segments.
Arrange = Callable[[Mapping[str, Any], Segments], dict[str, Aligned]]


class SegmentWriter:
    """Adds the segments of one video after the other to a store, called ``<video>[i]``
    by their own numbers.

    The store gets the time of each segment as ``extra('interval')``, and its sentiment
    as ``extra('sentiment')``.

    Args:
        writer: The store.
        arrange: Which items of a video belong to which segment.
        label_columns: What each column of the labels is: the names of the store's
            labels, and perhaps ``sentiment``.
        presence: From which intensity on a label is present.
        complete: Whether a segment needs items of every modality.
        even: Whether to note segments with more items in one modality than in another.
        length: The most items of one modality, None for no limit.
        keep: Which items stay where there are more.
        unknown: The split whose labels are unknown, if there is one; others without
            labels are dropped.
        words: The words themselves, if they are known.
    """

    def __init__(
        self,
        writer: StoreWriter,
        arrange: Arrange,
        *,
        label_columns: Sequence[str],
        presence: Presence,
        complete: bool = True,
        even: bool = False,
        length: int | None = None,
        keep: Keep = 'last',
        unknown: str | None = None,
        words: CsdFile | None = None,
    ) -> None:
        self.words = words
        self.unknown = unknown
        self.writer = writer
        self.arrange = arrange
        self.presence = presence
        self.complete = complete
        self.even = even
        self.length = length
        self.keep = keep
        #: The split of each sample so far.
        self.splits: list[str] = []
        names = list(label_columns)
        self._emotions = [names.index(name) for name in writer.label_names]
        self._sentiment = names.index(SENTIMENT) if SENTIMENT in names else None
        self._sentiments: list[float] = []
        self._intervals: list[NDArray[np.float64]] = []
        self._counts: Counter[str] = Counter()

    def add(
        self, video: str, segments: Segments, items: Mapping[str, Any], split: str
    ) -> None:
        """Adds the segments of a video, or drops those that cannot be samples.

        Args:
            video: Its id, the group of its samples.
            segments: Labels, times and numbers of the segments.
            items: What each modality has, which ``arrange`` takes.
            split: The split of the video.

        Raises:
            InputError: For a sample that contradicts the store, or one that is dropped
                if the store is strict.
        """
        aligned = self.arrange(items, segments)
        words = None
        if self.words is not None and video in self.words:
            words = self.words.read_words(video)
        whole = hard_unify(*aligned.values())
        for rows in items.values():
            self._counts['untimed'] += int(_untimed(rows.intervals).sum())
        same = Counter(map(tuple, segments.intervals.tolist()))
        for i, (labels, interval, number) in enumerate(zip(*segments, strict=True)):
            sample_id = f'{video}[{number}]'
            parts = {m: slice(*rows.ptr[i : i + 2]) for m, rows in aligned.items()}
            is_known = split != self.unknown
            reason = self._reason(labels, interval, parts, bool(whole[i]), is_known)
            if reason:
                self.writer.drop(sample_id, reason)
                continue
            lengths = [part.stop - part.start for part in parts.values()]
            self._counts['long'] += max(lengths) > (self.length or max(lengths))
            self._counts['uneven'] += self.even and len(set(lengths)) > 1
            self._counts['repeated'] += same[tuple(interval.tolist())] > 1
            self._counts['negative'] += bool(interval.min() < 0)
            strength = labels[self._emotions]
            present = (
                self.presence.labels(strength)
                if is_known
                else np.full(len(strength), UNKNOWN)
            )
            times = {m: self._cut(aligned[m].intervals[parts[m]]) for m in aligned}
            names = {m: _names(times[m], words) for m in self.writer.named}
            self.writer.add(
                sample_id,
                {m: self._cut(aligned[m].features[parts[m]]) for m in aligned},
                present,
                group=video,
                split=split,
                intensities=strength if is_known else None,
                times=times,
                names=names,
            )
            self.splits.append(split)
            self._intervals.append(interval)
            if self._sentiment is not None:
                self._sentiments.append(float(labels[self._sentiment]))

    def drop(self, video: str, segments: Segments, reason: str) -> None:
        """Leaves out all segments of a video.

        Args:
            video: Its id.
            segments: Labels, times and numbers of the segments.
            reason: One sentence.

        Raises:
            InputError: If the store is strict.
        """
        for number in segments.numbers:
            self.writer.drop(f'{video}[{number}]', reason)

    def finish(self) -> None:
        """Writes what belongs to all samples, and notes what is odd about them."""
        self.writer.extra('interval', np.array(self._intervals).reshape(-1, 2))
        if self._sentiment is not None:
            self.writer.extra(SENTIMENT, np.array(self._sentiments, np.float32))
        self.writer.attrs[POSITIVE_ABOVE] = self.presence.above
        for note in self.presence.notes():
            self.writer.note(note)
        sentences = {
            'long': f'samples cut to their {self.keep} {self.length} items',
            'uneven': 'samples with more items in one modality than in another',
            'repeated': 'segments that another one of their video has the same time as',
            'negative': 'segments that start or end before 0 s',
            'untimed': 'words and frames left out, as their time is not finite',
        }
        for name, sentence in sentences.items():
            if count := self._counts[name]:
                self.writer.note(f'{sentence}: {count}')

    def _cut(self, rows: NDArray) -> NDArray:
        return trim(rows, self.length, self.keep)

    def _reason(
        self,
        labels: NDArray,
        interval: NDArray,
        parts: Mapping[str, slice],
        is_whole: bool,
        is_known: bool,
    ) -> str:
        """Why a segment cannot be a sample; empty if it can."""
        between = f'{interval[0]:g} and {interval[1]:g} s'
        if not np.isfinite(interval).all():
            return f'its time is not finite (between {between})'
        if not long_enough(interval[None])[0]:
            return f'it has no length (between {between})'
        if is_known and not np.isfinite(labels).all():
            return f'its labels are not finite ({labels.tolist()})'
        if interval[0] > interval[1] and not is_whole:
            return f'it ends before it starts (between {between})'
        empty = [m for m, part in parts.items() if part.start == part.stop]
        if not is_whole and (self.complete or len(empty) == len(parts)):
            return f'it has no {" and no ".join(empty)} between {between}'
        return ''


def _names(
    times: NDArray[np.float64], words: tuple[list[bytes], NDArray] | None
) -> list[str]:
    """The word that lasts longest while an item does, for each; empty without any."""
    names = [''] * len(times)
    if words is not None:
        found = overlap(times, words[1])
        lasts = np.abs(np.diff(found.intervals, axis=1)[:, 0])
        for i, (start, stop) in enumerate(pairwise(found.ptr.tolist())):
            if start < stop:
                row = found.rows[start + int(lasts[start:stop].argmax())]
                names[i] = as_name(words[0][row])
    return names


def _untimed(intervals: NDArray) -> NDArray[np.bool_]:
    untimed: NDArray[np.bool_] = ~np.isfinite(intervals).all(axis=1)
    return untimed
