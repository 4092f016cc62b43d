"""MulT's pickles: ``mosei_senti_data.pkl`` and ``mosei_senti_data_noalign.pkl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, only_source
from hetero_mmer.datasets.mosei.joined import Clip, write_joined
from hetero_mmer.datasets.mosei.label_join import LabelTable, Unmatched, read_labels
from hetero_mmer.datasets.padded import (
    column,
    even,
    floats,
    is_nothing,
    size_of,
    take_arrays,
    text_of,
    unread_parts,
)
from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import find_padding
from hetero_mmer.files.input import Source
from hetero_mmer.io.pickle.load import load_pickle
from hetero_mmer.store import Store, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import Track, untracked

#: What the four labels of MulT's IEMOCAP are, in the order of its evaluation.
IEMOCAP: Final = ('neutral', 'happiness', 'sadness', 'anger')

_OWN_NOTE: Final = (
    'labels are those of the file, in the order of MulT: neutral, happy, sad, angry; '
    'samples are called by split and row, and which share a dialogue is not known'
)
_NO_NOTE: Final = 'the file has no emotions, and none were given'
_KEYS: Final = {'text': 'text', 'visual': 'vision', 'audio': 'audio'}


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    labels: str | None = None,
    emotions: list[str] | None = None,
    tolerance: float = 0.01,
    positive_above: float | None = None,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of a MulT pickle, aligned or not.

    That of CMU-MOSEI has no emotions. They are joined by video and time; samples that
    the label file does not have are dropped and listed in the report. That of IEMOCAP
    has four, which MulT evaluates as neutral, happy, sad and angry; it needs no labels.
    Where no sample of test has labels but others have, those of test are unknown.

    Args:
        sources: The one raw file.
        output: The store to write.
        labels: The SDK's All Labels ``.csd``, or a CSV with the columns ``video_id``,
            ``start``, ``end`` and one per emotion. Needed for CMU-MOSEI, unless
            samples are ``like`` others.
        emotions: Which columns of the CSV are labels. By default, all that are called
            by a word for an emotion, where the six of CMU-MOSEI are among them, and
            otherwise all that hold no id, time, text or sentiment.
        tolerance: How far start and end may each be from those of the labels, in
            seconds.
        positive_above: The intensity above which an emotion is present, 0 by default.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse dropped samples, labels whose sentiment is not that of the
            features, parts that are no split and, unless ``clean`` is given, values
            that are not finite.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a file that cannot be read, or is laid out in another way.
    """
    pattern = read_like(like)
    path = only_source(sources, 'a mosei_senti_data.pkl of MulT')
    table: LabelTable | None = LabelTable(IEMOCAP, {}, {}, {}, path.name)
    if labels is not None:
        table = read_labels(labels, emotions=emotions)
        if not table.by_time:
            raise InputError(
                f"labels in '{labels}' are by clip and samples of '{path}' by time: "
                f"give a CSV of 'video_id', 'start', 'end' and one column per emotion"
            )
    data = load_pickle(path)
    parts = take_arrays(data, _KEYS, path)
    others = unread_parts(data, _KEYS.values(), path, strict=strict)
    if labels is None and emotions is not None:
        raise InputError(
            f"'emotions' are columns of the file of `labels=` (got {emotions}, but no "
            f'file)'
        )
    own = labels is None and any(_has_emotions(data[split]) for split in parts)
    own = own and all(
        _has_emotions(data[split])
        or (split == 'test' and is_nothing(data[split].get('labels')))
        for split in parts
    )
    if labels is None and not own:
        table = None
    if table is None and pattern is None:
        raise InputError(
            f"'{path}' has no emotions: give `labels=` with the SDK's All Labels "
            f".csd, or a CSV of 'video_id', 'start', 'end' and one column per emotion"
        )
    clips: dict[str, list[Clip]] = {}
    sentiment: dict[str, NDArray[np.float64]] = {}
    for split, arrays in parts.items():
        where, size = f"{split} in '{path}'", size_of(arrays)
        if own:
            clips[split] = _own_clips(data[split], split, size, where)
            continue
        clips[split] = _clips(data[split], size, where, tolerance)
        if not is_nothing(data[split].get('labels')):
            sentiment[split] = _sentiment(data[split], size, where)
    padding = find_padding(parts)
    return write_joined(
        output,
        parts,
        padding,
        clips,
        table,
        paths=[path, *([Path(labels)] if labels else [])],
        source=f'{path.name} of the Multimodal Transformer (MulT)',
        sentiment=sentiment,
        clean=default_clean(clean, strict, pattern),
        strict=strict,
        track=track,
        like=pattern,
        positive_above=positive_above,
        notes=[
            _NO_NOTE if table is None else _OWN_NOTE if own else table.note(),
            *others,
        ],
    )


def _has_emotions(part: Mapping[str, Any]) -> bool:
    labels = part.get('labels')
    return isinstance(labels, np.ndarray) and labels.shape[1:] == (len(IEMOCAP), 2)


def _own_clips(
    part: Mapping[str, Any], split: str, num_samples: int, where: str
) -> list[Clip]:
    """Samples called by row, with labels of their own: [N, 4] of (absent, present)."""
    values = np.full((num_samples, 1 + len(IEMOCAP)), np.nan)
    if not is_nothing(part.get('labels')):
        labels = column(part, 'labels', num_samples, where)
        try:
            labels = floats(labels)  # None becomes NaN.
        except (TypeError, ValueError):
            raise InputError(f"'labels' of {where} are numbers") from None
        present = np.where(np.isnan(labels).any(axis=2), np.nan, labels.argmax(axis=2))
        values[:, 1:] = present
    ids = [f'{split}-{i:05d}' for i in range(num_samples)]
    return [
        Clip(i, i, '', partial(_same, row=row))
        for i, row in zip(ids, values, strict=True)
    ]


def _same(table: LabelTable, *, row: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(row[1:]).all():
        raise Unmatched('its labels are not all there')
    return row


def _clips(
    part: Mapping[str, Any], num_samples: int, where: str, tolerance: float
) -> list[Clip]:
    """Names of samples: the video, and from when to when in seconds."""
    clips = []
    for row in column(part, 'id', num_samples, where):
        parts = even(row, f'parts of an id of {where}').reshape(-1)
        cells = [text_of(cell) for cell in parts]
        if len(cells) != 3:
            raise InputError(
                f"an id of {where} is video, start and end (got '{' '.join(cells)}')"
            )
        video, start, end = cells
        find = partial(_find, video=video, ends=(start, end), tolerance=tolerance)
        clips.append(Clip(f'{video}[{start}-{end}]', video, '', find))
    return clips


def _find(
    table: LabelTable, *, video: str, ends: tuple[str, str], tolerance: float
) -> NDArray[np.float64]:
    try:
        start, end = map(float, ends)
    except ValueError:
        raise Unmatched(f'its start and end are no numbers (got {ends})') from None
    return table.of_interval(video, start, end, tolerance)


def _sentiment(
    part: Mapping[str, Any], num_samples: int, where: str
) -> NDArray[np.float64]:
    labels = column(part, 'labels', num_samples, where)
    values = even(labels, f'labels of {where}')
    if values.dtype.kind not in 'biuf' or values.size != num_samples:
        raise InputError(
            f'labels of {where} are one sentiment per sample, [N, 1, 1] (got shape '
            f'{list(values.shape)})'
        )
    return values.reshape(-1).astype(np.float64)
