"""MMSA's ``aligned_50.pkl`` and ``unaligned_50.pkl``, and what MMSA-FET writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, only_source
from hetero_mmer.datasets.mosei.joined import Clip, write_joined
from hetero_mmer.datasets.mosei.label_join import LabelTable, read_labels
from hetero_mmer.datasets.padded import (
    Parts,
    column,
    even,
    floats,
    size_of,
    take_arrays,
    text_of,
    unread_parts,
)
from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import Padding, find_padding, use_lengths
from hetero_mmer.files.input import Source
from hetero_mmer.io.pickle.load import load_pickle
from hetero_mmer.store import Store, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import Track, untracked

_KEYS: Final = {'text': 'text', 'visual': 'vision', 'audio': 'audio'}
_NO_NOTE: Final = 'the file has no emotions, and none were given'
_LENGTHS: Final = {'visual': 'vision_lengths', 'audio': 'audio_lengths'}


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    labels: str | None = None,
    emotions: list[str] | None = None,
    clips: str | None = None,
    tolerance: float = 0.01,
    positive_above: float | None = None,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of a pickle of MMSA or MMSA-FET, aligned or not.

    The pickle has no emotions. They are joined by video and clip; samples that the
    label file does not have are dropped and listed in the report; where it has none of
    test, but others, the labels of test are unknown. The text is the vectors under
    ``text``; token ids under ``text_bert`` only tell how many there are.

    Args:
        sources: The one raw file.
        output: The store to write.
        labels: A CSV with the columns ``video_id``, ``clip_id`` and one per emotion,
            or the SDK's All Labels ``.csd`` together with ``clips``. Needed, unless
            samples are ``like`` others.
        emotions: Which columns of the CSV are labels. By default, all that are called
            by a word for an emotion, where the six of CMU-MOSEI are among them, and
            otherwise all that hold no id, time, text or sentiment.
        clips: A CSV with ``video_id``, ``clip_id``, ``start`` and ``end``: when each
            clip is, for labels that are by time.
        tolerance: How far start and end of a clip may each be from those of the
            labels, in seconds.
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
    path = only_source(sources, 'an aligned_50.pkl or unaligned_50.pkl of MMSA')
    if labels is None and pattern is None:
        raise InputError(
            f"'{path}' has no emotions: give `labels=` with a CSV of 'video_id', "
            f"'clip_id' and one column per emotion, or with the SDK's All Labels .csd "
            f"and `clips=` with a CSV of 'video_id', 'clip_id', 'start', 'end'"
        )
    table = None if labels is None else read_labels(labels, clips, emotions)
    if table is not None and not table.by_clip and not table.times:
        raise InputError(
            f"labels in '{labels}' are by time and samples of '{path}' by clip: give "
            f"`clips=` with a CSV of 'video_id', 'clip_id', 'start', 'end'"
        )
    data = load_pickle(path)
    parts = take_arrays(data, _KEYS, path)
    others = unread_parts(data, _KEYS.values(), path, strict=strict)
    named, sentiment = {}, {}
    for split, arrays in parts.items():
        where = f"{split} in '{path}'"
        ids = column(data[split], 'id', size_of(arrays), where)
        named[split] = [_clip(text_of(i), where, tolerance) for i in ids]
        if data[split].get('regression_labels') is not None:
            scores = column(data[split], 'regression_labels', size_of(arrays), where)
            sentiment[split] = _numbers(scores, f"'regression_labels' of {where}")
    padding, notes = _padding(data, parts, path)
    return write_joined(
        output,
        parts,
        padding,
        named,
        table,
        paths=[path, *(Path(given) for given in (labels, clips) if given)],
        source=f'{path.name}, in the layout of MMSA',
        sentiment=sentiment,
        clean=default_clean(clean, strict, pattern),
        strict=strict,
        track=track,
        like=pattern,
        positive_above=positive_above,
        notes=[_NO_NOTE if table is None else table.note(), *notes, *others],
    )


def _clip(sample_id: str, where: str, tolerance: float) -> Clip:
    video, mark, clip = sample_id.partition('$_$')
    if not mark or not video or not clip:
        raise InputError(f"an id of {where} is <video>$_$<clip> (got '{sample_id}')")
    find = partial(LabelTable.of_clip, video=video, clip=clip, tolerance=tolerance)
    return Clip(sample_id, video, clip, find)


def _numbers(values: Any, where: str) -> NDArray[np.float64]:
    try:
        array = floats(values).reshape(len(values))
    except (TypeError, ValueError):
        raise InputError(f'{where} are numbers, one per sample') from None
    return array


def _padding(data: Any, parts: Parts, path: Source) -> tuple[Padding, list[str]]:
    """Items of each sample, from zero rows, the text's mask and the file's lengths."""
    known = {split: _text_rows(data[split], arrays) for split, arrays in parts.items()}
    some = next(iter(parts))
    aligned = False if any(key in data[some] for key in _LENGTHS.values()) else None
    padding = find_padding(parts, known, aligned=aligned)
    notes = []
    if any(known.values()):
        notes.append("which tokens of the text there are is read from 'text_bert'")
    for m, key in _LENGTHS.items():
        wrong = 0
        for split, arrays in parts.items():
            if m not in arrays or data[split].get(key) is None:
                continue
            size, where = size_of(arrays), f"{split} in '{path}'"
            lengths = _numbers(
                column(data[split], key, size, where), f"'{key}' of {where}"
            )
            spans = padding.spans[split]
            spans[m], count = use_lengths(
                spans[m], lengths, arrays[m].shape[1], padding.sides[m]
            )
            wrong += count
        if wrong:
            notes.append(
                f"'{key}' is shorter than what is there in {wrong} samples, where rows "
                f'that are not zero count instead'
            )
    return padding, notes


def _text_rows(
    part: Mapping[str, Any], arrays: Mapping[str, NDArray]
) -> dict[str, NDArray[np.bool_]]:
    """Which rows of the text are tokens, [N, T], by the mask in ``text_bert``."""
    if 'text' not in arrays or part.get('text_bert') is None:
        return {}
    num_samples, num_rows = arrays['text'].shape[:2]
    tokens = even(part['text_bert'], "lists in 'text_bert'")
    if tokens.shape != (num_samples, 3, num_rows) or tokens.dtype.kind not in 'biuf':
        return {}
    return {'text': tokens[:, 1] > 0}
