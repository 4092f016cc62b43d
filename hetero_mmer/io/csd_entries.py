"""Files that the SDK has aligned: each of their entries belongs to a word or a segment.

The SDK's ``align`` gives each interval of a reference an entry ``<video>[i]`` with the
rows that overlap it, clipped to it. Its pipeline aligns to words and writes that, then
to the labelled segments and writes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.alignment import (
    Aligned,
    Collapse,
    Items,
    Parts,
    align,
    collapse_rows,
    impute,
    long_enough,
    pool,
    take_parts,
)
from hetero_mmer.io.csd import CsdFile

#: What an entry of the features is.
Kind = Literal['video', 'word', 'segment']

#: How far a clipped time may lie outside, in seconds: times may be in single precision.
_TOLERANCE: Final = 1e-3


class Segments(NamedTuple):
    """The labelled segments of one video."""

    labels: NDArray  # [S, L]
    intervals: NDArray[np.float64]  # [S, 2]
    numbers: NDArray[np.int64]  # [S]


def read_segments(file: CsdFile, video: str) -> Segments:
    """The segments of a video, by their own numbers.

    Args:
        file: The label file, aligned or not.
        video: The video.

    Raises:
        InputError: For an entry of an aligned file that is not one segment.
    """
    parts = file.read_parts(video)
    if not file.is_aligned:
        numbers = np.arange(len(parts.intervals))
        return Segments(parts.features, parts.intervals, numbers)
    counts = np.diff(parts.ptr)
    if (counts != 1).any():
        i = int(np.flatnonzero(counts != 1)[0])
        raise InputError(
            f'an entry of labels that the SDK has aligned is one segment, but '
            f"'{video}[{parts.numbers[i]}]' of '{file.path}' has {counts[i]} rows"
        )
    return Segments(parts.features, parts.intervals, parts.numbers)


def kind_of_entries(files: Mapping[str, CsdFile], labels: CsdFile) -> Kind:
    """What the entries of the features are, as their numbers and times say.

    Entries of segments lie within the segment of their number, in every file. Entries
    of words have one row of text each, and what else has their number lies within it.

    Args:
        files: The files of features by modality, with ``text``.
        labels: The label file.

    Raises:
        InputError: For files of both kinds, or entries that are neither.
    """
    whole = [m for m, file in files.items() if not file.is_aligned]
    if len(whole) == len(files):
        return 'video'
    if whole:
        aligned = next(file for file in files.values() if file.is_aligned)
        raise InputError(
            f"'{aligned.path}' was aligned by the SDK (its entries are '<video>[0]', "
            f"...), but '{files[whole[0]].path}' was not: give files of features that "
            f'were all aligned together, or none'
        )
    known = [v for v in labels.videos if all(v in file for file in files.values())]
    for video in known:
        parts = {m: file.read_parts(video) for m, file in files.items()}
        no_segments = _no_segments(video, parts, read_segments(labels, video), labels)
        no_words = _no_words(video, parts)
        if no_segments and no_words:
            raise InputError(
                f"the entries of '{files['text'].path}' and of the other features are "
                f'neither labelled segments ({no_segments}) nor words ({no_words})'
            )
        if no_segments or no_words:  # The others are looked at when they are used.
            return 'word' if no_segments else 'segment'
    return 'segment'


def check_kind(
    kind: Kind,
    video: str,
    parts: Mapping[str, Parts],
    segments: Segments,
    labels: CsdFile,
) -> None:
    """Makes sure that one video's entries are what those of the others are.

    Args:
        kind: What those are.
        video: The video.
        parts: Its entries by modality.
        segments: Its labelled segments.
        labels: The label file.

    Raises:
        InputError: If they are not.
    """
    reason = ''
    if kind == 'segment':
        reason = _no_segments(video, parts, segments, labels)
    elif kind == 'word':
        reason = _no_words(video, parts)
    if reason:
        raise InputError(f'the entries of the features are {kind}s, but {reason}')


def by_segment(
    items: Mapping[str, Parts],
    segments: Segments,
    *,
    rates: Mapping[str, float | None],
) -> dict[str, Aligned]:
    """The rows of each segment's own entry, as they are or on a regular grid.

    Args:
        items: The entries of each modality, by segment.
        segments: The segments.
        rates: Cells in a second of the modalities that are pooled.
    """
    aligned = {}
    for modality, parts in items.items():
        rows, spans, ptr = take_parts(parts, segments.numbers)
        own = Aligned(parts.features[rows], spans, ptr)
        rate = rates.get(modality)
        aligned[modality] = own if rate is None else _pooled(own, segments, rate)
    return aligned


def by_word(
    items: Mapping[str, Parts],
    segments: Segments,
    *,
    collapse: Collapse,
    imputed: bool,
) -> dict[str, Aligned]:
    """The rows of each word's own entry, aligned to the segments.

    Args:
        items: The entries of each modality, by word.
        segments: The segments.
        collapse: What the rows of one word become.
        imputed: Whether words without rows get a row of zeros.
    """
    text = items['text']
    kept = long_enough(text.intervals)
    spans = text.intervals[kept]
    spans = spans if collapse == 'none' else np.sort(spans, axis=1)
    words = {'text': Items(text.features[kept], spans)}
    for modality in (m for m in items if m != 'text'):
        parts = items[modality]
        found = take_parts(parts, text.numbers[kept])
        rows = collapse_rows(parts.features, found, collapse)
        words[modality] = impute(rows, spans) if imputed else Items(*rows[:2])
    return {m: align(segments.intervals, words[m]) for m in items}


def _pooled(own: Aligned, segments: Segments, rate: float) -> Aligned:
    """Segment by segment: what overlaps another one in time is in its own entry."""
    pooled = []
    for i, (start, stop) in enumerate(zip(own.ptr[:-1], own.ptr[1:], strict=True)):
        rows = Items(own.features[start:stop], own.intervals[start:stop])
        pooled.append(pool(segments.intervals[i : i + 1], rows, rate))
    if not pooled:
        return own
    counts = [len(part.features) for part in pooled]
    return Aligned(
        np.concatenate([part.features for part in pooled]),
        np.concatenate([part.intervals for part in pooled]),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _no_segments(
    video: str, items: Mapping[str, Parts], segments: Segments, labels: CsdFile
) -> str:
    """Why entries are not the segments of their numbers; empty if they may be."""
    for modality, parts in items.items():
        missing = np.setdiff1d(parts.numbers, segments.numbers)
        # A file of segments that was thinned out may lack some.
        if len(missing) and not labels.is_aligned:
            return (
                f"there is no row of labels for '{video}[{missing[0]}]' of {modality}"
            )
        if reason := _outside(
            video, modality, parts, segments.numbers, segments.intervals
        ):
            return f'{reason} of its segment'
    return ''


def _no_words(video: str, items: Mapping[str, Parts]) -> str:
    """Why entries are not the words of their numbers; empty if they may be."""
    text = items['text']
    counts = np.diff(text.ptr)
    if (counts != 1).any():
        i = int(np.flatnonzero(counts != 1)[0])
        return f"'{video}[{text.numbers[i]}]' has {counts[i]} rows of text"
    for modality, parts in items.items():
        missing = np.setdiff1d(parts.numbers, text.numbers)
        if len(missing):
            return f"'{video}[{missing[0]}]' of {modality} has no text"
        if reason := _outside(video, modality, parts, text.numbers, text.intervals):
            return f'{reason} of its word'
    return ''


def _outside(
    video: str, modality: str, parts: Parts, numbers: NDArray, intervals: NDArray
) -> str:
    """The first entry with rows outside of the interval of its number."""
    place = {number: i for i, number in enumerate(numbers.tolist())}
    for i, number in enumerate(parts.numbers.tolist()):
        times = parts.intervals[parts.ptr[i] : parts.ptr[i + 1]]
        times = times[np.isfinite(times).all(axis=1)]
        if number not in place or not len(times):
            continue
        first, last = intervals[place[number]].min(), intervals[place[number]].max()
        if times.min() < first - _TOLERANCE or times.max() > last + _TOLERANCE:
            return (
                f"'{video}[{number}]' of {modality} is from {times.min():g} to "
                f'{times.max():g} s, outside of the {first:g} to {last:g} s'
            )
    return ''
