"""Emotions of samples whose file has none: joined by id and time, never by row.

A label file is either the SDK's All Labels ``.csd``, intervals of videos with their
scores, or a table (CSV) with a column per emotion and what says which sample a row is:
``video_id`` with ``clip_id``, with ``start`` and ``end`` in seconds, or with all three.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.emotion_words import is_emotion, unknown_labels
from hetero_mmer.datasets.mosei.csd_labels import label_columns
from hetero_mmer.datasets.mosei.facts import (
    LABEL_NAMES,
    SENTIMENT,
    called_like,
    label_name,
    label_order,
)
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source, existing
from hetero_mmer.io.csd import CsdFile
from hetero_mmer.io.ids import match
from hetero_mmer.io.text_file import read_text

T = TypeVar('T')

#: Intervals of a video, [S, 2] in seconds, and their values, [S, 7].
Emotions = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]

#: Columns of tables that are around and are no emotion.
_OTHERS: Final = frozenset(
    (
        *('video_id', 'clip_id', 'start', 'end', 'text', 'raw_text', 'sentiment'),
        *('label', 'label_t', 'label_a', 'label_v', 'label_by', 'annotation'),
        *('annotations', 'mode', 'split', 'index', 'asr', 'asr_text'),
        *('', 'unnamed: 0'),  # What pandas calls its index.
    )
)
#: Between the video and the clip, as in the ids of MMSA.
_MARK: Final = '$_$'
_HDF5: Final = ('.csd', '.h5', '.hdf5')


class Unmatched(LookupError):
    """Why a sample has no labels, in one sentence."""


class LabelTable(NamedTuple):
    """Scores of emotions by clip, and by interval of a video.

    A row of values is the sentiment (NaN where unknown), then one score per emotion.
    """

    names: tuple[str, ...]
    by_clip: Mapping[tuple[str, str], NDArray[np.float64]]
    by_time: Emotions
    times: Mapping[tuple[str, str], tuple[float, float]]
    path: str
    #: What is to be told of the choice of emotions, and of ids.
    notes: tuple[str, ...] = ()
    #: How a sentence goes on that says of a clip, or of a video and no clip, that it is
    #: not there.
    hints: Mapping[tuple[str, str], str] = {}

    def of_clip(self, video: str, clip: str, tolerance: float) -> NDArray[np.float64]:
        """Values of a clip: its own, or those of its interval.

        Args:
            video: The video.
            clip: Name of the clip in it.
            tolerance: See :func:`match_interval`.

        Raises:
            Unmatched: If there are none.
        """
        if (values := self.by_clip.get((video, clip))) is not None:
            return self._complete(values)
        if (interval := self.times.get((video, clip))) is not None:
            return self.of_interval(video, *interval, tolerance)
        hint = self.hints.get((video, clip), '')
        raise Unmatched(
            f"'{self.path}' has no clip '{clip}' of the video '{video}'{hint}"
        )

    def of_interval(
        self, video: str, start: float, end: float, tolerance: float
    ) -> NDArray[np.float64]:
        """Values of an interval of a video.

        Args:
            video: The video.
            start: When it starts, in seconds.
            end: When it ends.
            tolerance: See :func:`match_interval`.

        Raises:
            Unmatched: If there are none, or different ones at the same time.
        """
        if video not in self.by_time:
            hint = self.hints.get((video, ''), '')
            raise Unmatched(f"'{self.path}' has no labels of the video '{video}'{hint}")
        intervals, values = self.by_time[video]
        found = match_interval(intervals, start, end, tolerance)
        if not len(found):
            away = np.abs(intervals - (start, end)).max(axis=1)
            near = intervals[np.nan_to_num(away, nan=np.inf).argmin()]
            raise Unmatched(
                f"'{self.path}' has no labels of '{video}' from {start:g} to {end:g} s "
                f'(within {tolerance:g} s); the nearest are from {near[0]:g} to '
                f'{near[1]:g} s'
            )
        if (values[found] != values[found[0]])[:, 1:].any():
            raise Unmatched(
                f"'{self.path}' has {len(found)} different labels of '{video}' from "
                f'{start:g} to {end:g} s'
            )
        return self._complete(values[found[0]])

    def note(self) -> str:
        """Where labels come from, in one sentence."""
        return f"labels are joined from '{self.path}' by id and time"

    def called_as(self, clips: Collection[tuple[str, str]]) -> LabelTable:
        """The table with its videos and clips called as samples call them.

        Args:
            clips: The video and the clip of each sample; only its video if it has no
                name in it.

        Raises:
            InputError: See :func:`hetero_mmer.io.ids.match`.
        """
        where = f"'{self.path}'"
        videos = match((video for video, _ in clips), self.by_time, where)
        hints = {(v, ''): videos.hint(v) for v, _ in clips}
        times, told, notes = _called_as(self.times, clips, where)
        by_clip, others, more = _called_as(self.by_clip, clips, where)
        return self._replace(
            by_time=videos.rename(self.by_time),
            times=times,
            by_clip=by_clip,
            hints=hints | told | others,
            notes=tuple(dict.fromkeys((*self.notes, *videos.notes, *notes, *more))),
        )

    def labelled_as(self, wanted: Sequence[str]) -> LabelTable:
        """The table with its labels called and ordered as in other samples.

        Args:
            wanted: Names of the labels there.
        """
        called = called_like(self.names, wanted)
        order = [0, *(1 + self.names.index(name) for name in called)]
        return self._replace(
            names=tuple(called.values()),
            by_clip={clip: row[order] for clip, row in self.by_clip.items()},
            by_time={v: (t, rows[:, order]) for v, (t, rows) in self.by_time.items()},
        )

    def shifted(self, by: int) -> LabelTable:
        """The table with the values of another row in each, in the order of the file.

        Args:
            by: How many rows further down they come from; those of the last rows come
                from the first ones.
        """
        clips = np.array(list(self.by_clip.values()))
        by_clip = dict(zip(self.by_clip, np.roll(clips, -by, axis=0), strict=True))
        by_time, start = {}, 0
        if self.by_time:
            rows = np.concatenate([values for _, values in self.by_time.values()])
            rows = np.roll(rows, -by, axis=0)
            for video, (intervals, _) in self.by_time.items():
                by_time[video] = intervals, rows[start : start + len(intervals)]
                start += len(intervals)
        return self._replace(by_clip=by_clip, by_time=by_time)

    def _complete(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.isfinite(values[1:]).all():
            raise Unmatched(f"its scores in '{self.path}' are not all there")
        return values


def _called_as(
    values: Mapping[tuple[str, str], T], clips: Collection[tuple[str, str]], where: str
) -> tuple[dict[tuple[str, str], T], dict[tuple[str, str], str], list[str]]:
    """Values by what samples call their clips, hints on those without, and notes."""
    if not values:
        return {}, {}, []
    videos = match((v for v, _ in clips), (v for v, _ in values), where)
    ours = videos.ours
    pairs = {(ours.get(v, v), c): value for (v, c), value in values.items()}
    there = {_MARK.join(pair): (pair, value) for pair, value in pairs.items()}
    wanted = {_MARK.join(pair): pair for pair in clips}
    found = match(wanted, there, where)
    named = {wanted.get(id_, pair): x for id_, (pair, x) in found.rename(there).items()}
    hints = {
        pair: found.hint(id_)
        if pair[0] in videos.names
        else f', nor any other{videos.hint(pair[0], "the video")}'
        for id_, pair in wanted.items()
    }
    return named, hints, [*videos.notes, *found.notes]


def match_interval(
    intervals: NDArray, start: float, end: float, tolerance: float
) -> NDArray[np.int64]:
    """The nearest of the intervals whose both ends are near; all that are as near.

    Args:
        intervals: Start and end in seconds, [S, 2], in any order.
        start: The start to look for.
        end: The end to look for.
        tolerance: How far each end may be away, in seconds.

    Example:
        >>> match_interval(np.array([[5.0, 9.0], [0.0, 5.001]]), 0, 5, 0.01)
        array([1])
    """
    away = np.abs(np.asarray(intervals, np.float64) - (start, end)).max(axis=1)
    if not len(away) or not away.min() <= tolerance:
        return np.empty(0, np.int64)
    return np.flatnonzero(away == away.min())


def read_labels(
    labels: Source,
    clips: Source | None = None,
    emotions: Sequence[str] | None = None,
) -> LabelTable:
    """Reads a label file.

    Args:
        labels: An All Labels ``.csd`` or a table, see the module.
        clips: A table with ``video_id``, ``clip_id``, ``start`` and ``end``, for
            samples that are named by clip when labels are by time.
        emotions: Which columns are labels; if None, :func:`choose_emotions` tells.

    Raises:
        InputError: For a file that cannot be read, or without what is needed.
    """
    path = existing(labels)
    times = {} if clips is None else _read_times(existing(clips))
    if path.suffix.lower() in _HDF5:
        by_time, told = _read_csd(path)
        chosen = _named(emotions or LABEL_NAMES, LABEL_NAMES, path)
        names = label_order([label_name(name) for name in chosen])
        places = [0, *(1 + LABEL_NAMES.index(name) for name in names)]
        by_time = {v: (spans, x[:, places]) for v, (spans, x) in by_time.items()}
        return LabelTable(names, {}, by_time, times, path.name, told)
    header, rows = _read_csv(path)
    columns = [column for column in header if column not in _OTHERS]
    notes: tuple[str, ...] = ()
    if emotions is None:
        columns, notes = choose_emotions(columns, path)
    else:
        columns = _named(emotions, columns, path)
    found = [label_name(column) for column in columns]
    if not columns or len(set(found)) < len(found):
        raise InputError(
            f"'{path}' has one column per emotion, each of another one (got {header})"
        )
    names = label_order(found)
    order = [columns[found.index(name)] for name in names]
    sentiment = SENTIMENT if SENTIMENT in header else 'label'
    by_clip = {}
    timed: dict[str, list[tuple[list[float], NDArray]]] = {}
    for i, row in enumerate(rows, start=2):
        where = f"row {i} of '{path}'"
        known = row.get(sentiment) or 'nan'
        scores = [_score(row[column], column, where, emotions) for column in order]
        values = np.array([_number(known, sentiment, where), *scores])
        key = (row['video_id'], row.get('clip_id', ''))
        if 'clip_id' in header:
            if key in by_clip:
                raise InputError(f'each clip has one row, but {where} repeats {key}')
            by_clip[key] = values
        if 'start' in header and 'end' in header:
            interval = [_number(row[end], end, where) for end in ('start', 'end')]
            timed.setdefault(row['video_id'], []).append((interval, values))
    if not by_clip and not timed:
        raise InputError(
            f"'{path}' has rows with 'clip_id', or with 'start' and 'end', beside "
            f"'video_id' (got the columns {header})"
        )
    by_time = {
        video: (np.array([t for t, _ in pairs]), np.stack([v for _, v in pairs]))
        for video, pairs in timed.items()
    }
    return LabelTable(names, by_clip, by_time, times, path.name, notes)


def choose_emotions(
    columns: Sequence[str], path: Source
) -> tuple[list[str], tuple[str, ...]]:
    """Which columns are labels when nobody says it, and what is to be told of it.

    Where CMU-MOSEI's six emotions are all there, only columns that are called by a word
    for an emotion are labels. Otherwise all are, as emotions have names in any
    language.

    Args:
        columns: Those that may be.
        path: The file, for the notes.

    Example:
        >>> six = ['happy', 'sad', 'angry', 'surprise', 'disgust', 'fear']
        >>> choose_emotions([*six, 'duration'], 'a.csv')[0] == six
        True
        >>> choose_emotions(['happy', 'duration'], 'a.csv')[0]
        ['happy', 'duration']
    """
    others = [name for name in columns if not is_emotion(label_name(name))]
    if not others:
        return list(columns), ()
    if {label_name(name) for name in columns} >= set(LABEL_NAMES):
        note = (
            f"columns of '{path}' that are no label: {', '.join(others)}; with "
            f'`emotions=` they can be'
        )
        return [name for name in columns if name not in others], (note,)
    return list(columns), (unknown_labels(others, 'emotions'),)


def _read_csd(path: Source) -> tuple[Emotions, tuple[str, ...]]:
    """The emotions of an All Labels ``.csd``, and what is to be told of its columns."""
    with CsdFile(path) as file:
        columns, notes = label_columns(file)
        order = [columns.index(name) for name in LABEL_NAMES]
        emotions = {}
        for video in file.videos:
            features, intervals = file.read(video)
            values = np.full((len(features), 1 + len(order)), np.nan)
            values[:, 1:] = features[:, order]
            if SENTIMENT in columns:
                values[:, 0] = features[:, columns.index(SENTIMENT)]
            emotions[video] = intervals, values
    return emotions, notes


def _read_times(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    header, rows = _read_csv(path)
    needed = ['video_id', 'clip_id', 'start', 'end']
    if not set(needed) <= set(header):
        raise InputError(f"'{path}' has the columns {needed} (got {header})")
    return {
        (row['video_id'], row['clip_id']): (
            _number(row['start'], 'start', f"row {i} of '{path}'"),
            _number(row['end'], 'end', f"row {i} of '{path}'"),
        )
        for i, row in enumerate(rows, start=2)
    }


def _read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, in small letters, and the rows."""
    text = read_text(path, 'a table')
    try:
        header, *lines = csv.reader(io.StringIO(text))
    except (ValueError, csv.Error) as error:
        raise InputError(f"'{path}' is not a table (CSV): {error}") from error
    names = [name.strip().lower() for name in header]
    if 'video_id' not in names or len(set(names)) < len(names):
        raise InputError(
            f"'{path}' names its columns in the first line, with 'video_id' (got "
            f'{header})'
        )
    lines = [[cell.strip() for cell in line] for line in lines if line]
    for i, line in enumerate(lines, start=2):
        if len(line) != len(names):
            raise InputError(
                f"each row of '{path}' has {len(names)} cells, as the first (got "
                f'{len(line)} in row {i})'
            )
    return names, [dict(zip(names, line, strict=True)) for line in lines]


def _named(emotions: Sequence[str], columns: Sequence[str], path: Source) -> list[str]:
    """The columns that are meant, however their emotion is spelled."""
    wanted = [str(name).strip().lower() for name in emotions]
    chosen = []
    for name in wanted:
        same = [c for c in columns if label_name(c) == label_name(name)]
        if name not in columns and len(same) != 1:
            raise InputError(
                f"'emotions' names columns of '{path}' that hold scores (got '{name}', "
                f'there are {list(columns)})'
            )
        chosen.append(name if name in columns else same[0])
    return chosen


def _score(text: str, column: str, where: str, emotions: Sequence[str] | None) -> float:
    try:
        return _number(text or 'nan', column, where)
    except InputError as error:
        if emotions is not None:
            raise
        hint = f"; if '{column}' is no emotion, say which are with `emotions=`"
        raise InputError(f'{error}{hint}') from None


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text.replace('_', '?'))  # Python reads 1_5 as 15.
    except ValueError:
        number = math.inf
    if math.isinf(number):  # As 1e400 is; NaN says that there is none.
        raise InputError(f"'{column}' in {where} is a finite number (got '{text}')")
    return number
