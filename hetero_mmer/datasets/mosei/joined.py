"""Writing samples of padded arrays whose labels are joined from another file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import name_counts
from hetero_mmer.datasets.intensity import Presence, choose_above
from hetero_mmer.datasets.mosei.agreement import Agreement, agreement, parts_that_differ
from hetero_mmer.datasets.mosei.facts import (
    CITATION,
    KNOWN_COUNTS,
    LABEL_NAMES,
    LICENCE,
    label_name,
)
from hetero_mmer.datasets.mosei.label_join import LabelTable, Unmatched
from hetero_mmer.datasets.padded import Parts, each_row, size_of, specs_of
from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import Padding
from hetero_mmer.files.input import Source
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import Like, Store, StoreWriter
from hetero_mmer.store.format import Clean
from hetero_mmer.store.like import POSITIVE_ABOVE
from hetero_mmer.typing import Track


class Clip(NamedTuple):
    """A sample as its file calls it."""

    sample_id: str
    video: str
    #: Its name in the video; empty where only its time is known.
    clip: str
    #: Its values in a table, see there.
    find: Callable[[LabelTable], NDArray[np.float64]]


def write_joined(
    output: Source,
    parts: Parts,
    padding: Padding,
    clips: Mapping[str, Sequence[Clip]],
    table: LabelTable | None,
    *,
    paths: Sequence[Source],
    source: str,
    sentiment: Mapping[str, NDArray[np.float64]],
    clean: Clean | None,
    strict: bool,
    track: Track,
    like: Like | None,
    notes: Sequence[str],
    positive_above: float | None = None,
) -> Store:
    """Writes a store; samples without labels are dropped, with the reason.

    Where no sample of test has labels, as in a challenge, while others have, those of
    test are kept: their labels are unknown. A sample's group is its video, unless the
    file's own splits divide videos.

    Args:
        output: The store to write.
        parts: The features; each split is freed once it is written.
        padding: Which rows of them are items.
        clips: What each sample is called.
        table: The labels; None for new samples, which have none and are as ``like``.
        paths: The raw files.
        source: Where the data come from.
        sentiment: What the file itself says of each sample, of the splits it does.
        clean: What replaces values that are not finite.
        strict: Whether to refuse the first sample that would be dropped, and labels
            whose sentiment is another one than that of the features.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.
        like: What samples have to be like.
        notes: Where labels come from, and what else a reader should know.
        positive_above: The intensity above which an emotion is present; by default 0,
            or that of ``like``.

    Raises:
        InputError: If strict, or for ``positive_above`` where no intensities are.
    """
    if table is not None and like is not None:
        table = table.labelled_as(like.label_names)
    if table is not None:
        table = table.called_as([(c.video, c.clip) for s in clips.values() for c in s])
    divided = _divided(clips)
    names = _names(table, like)
    is_mosei = tuple(map(label_name, names)) == LABEL_NAMES
    scored = table is not None and bool(table.by_clip or table.by_time)
    if positive_above is not None and not scored:
        raise InputError(
            f"'positive_above' is for the intensities of a file of `labels=` (got "
            f'{positive_above:g}, but no file)'
        )
    above = choose_above(positive_above, like, 0)
    assert above is not None
    is_usual = positive_above is None and above == 0
    presence = Presence(names, above, is_usual=is_usual)
    writer = StoreWriter(
        output,
        specs_of(parts),
        names,
        source=source,
        licence=LICENCE if is_mosei else '',
        citation=CITATION if is_mosei else '',
        raw_sha256=sha256_of(paths),
        clean=clean,
        labelled=table is not None,
        intensities=scored,
        strict=strict,
        like=like,
    )
    why_unknown = _why_unknown(clips, table)
    total = sum(map(size_of, parts.values()))
    kept: list[tuple[str, int]] = []
    scores: list[tuple[float, float]] = []
    seen: set[str] = set()
    with writer:
        for split, i in track(each_row(parts), 'Converting', total=total):
            clip = clips[split][i]
            features = padding.items(split, parts[split], i)
            is_known = table is not None and not (why_unknown and split == 'test')
            try:
                if clip.sample_id in seen:
                    raise Unmatched('another sample has the same id')
                if not any(map(len, features.values())):
                    raise Unmatched('all of its rows are zero')
                theirs, *values = (
                    [np.nan] if not is_known or table is None else clip.find(table)
                )
            except Unmatched as reason:
                writer.drop(clip.sample_id, str(reason))
                continue
            seen.add(clip.sample_id)
            labels = (
                presence.labels(values) if is_known else np.full(len(names), UNKNOWN)
            )
            writer.add(
                clip.sample_id,
                features,
                None if table is None else labels,
                group=None if divided else clip.video,
                split=split,
                intensities=values if scored and is_known else None,
            )
            kept.append((split, i))
            ours = sentiment[split][i] if split in sentiment else np.nan
            scores.append((float(ours), float(theirs)))
        if sentiment:
            writer.extra('sentiment', np.array(scores)[:, 0] if scores else [])
        known = KNOWN_COUNTS if is_mosei else {}
        for note in (
            name_counts([split for split, _ in kept], known),
            padding.note(),
            *notes,
            *(() if table is None else table.notes),
            *([f'no sample of test has labels: {why_unknown}'] if why_unknown else []),
        ):
            writer.note(note)
        if scored:
            writer.attrs[POSITIVE_ABOVE] = above
            for note in presence.notes():
                writer.note(note)
        if table is not None:
            pairs = np.array(scores).reshape(-1, 2)
            for note in _agreement(pairs, kept, clips, table, strict):
                writer.note(note)
        if divided:
            writer.note(
                f'the splits of the file divide {len(divided)} videos, such as '
                f"'{divided[0]}': samples are not grouped by video"
            )
    return Store(output)


def _names(table: LabelTable | None, like: Like | None) -> Sequence[str]:
    if table is None:
        assert like is not None
        return like.label_names
    return table.names


def _why_unknown(clips: Mapping[str, Sequence[Clip]], table: LabelTable | None) -> str:
    """Why the first sample of test has no labels, if none has, but others have."""
    if table is None or not clips.get('test'):
        return ''
    reasons = {split: _why_none(some, table) for split, some in clips.items() if some}
    why = reasons.pop('test')
    return '' if all(reasons.values()) else why


def _why_none(clips: Sequence[Clip], table: LabelTable) -> str:
    """Why the first of some samples has no labels; empty if any of them has some."""
    first = ''
    for clip in clips:
        try:
            clip.find(table)
        except Unmatched as reason:
            first = first or str(reason)
        else:
            return ''
    return first


def _divided(clips: Mapping[str, Sequence[Clip]]) -> list[str]:
    """Videos that are in more than one split."""
    split_of: dict[str, str] = {}
    return sorted(
        {
            clip.video
            for split, some in clips.items()
            for clip in some
            if split_of.setdefault(clip.video, split) != split
        }
    )


def _agreement(
    scores: NDArray[np.float64],
    names: Sequence[tuple[str, int]],
    clips: Mapping[str, Sequence[Clip]],
    table: LabelTable,
    strict: bool,
) -> list[str]:
    """Whether the sentiments of both files agree: they do if the join is right."""
    whole = agreement(scores)
    if not whole.total:
        return []
    sentence = (
        f'the sentiment of the label file is that of the features in {whole.same} of '
        f'{whole.total} samples'
    )
    differ = parts_that_differ(scores, np.array([split for split, _ in names]))
    if whole.is_enough and not differ:
        return [sentence]
    if whole.is_enough or len(differ) == 1:
        parts = (f'{one.same} of {one.total} in {s}' for s, one in differ.items())
        sentence = f'{sentence}, but of {" and of ".join(parts)}'
    wrong = (
        f'{sentence}; by chance it would be in {whole.chance:.0%}: these are labels of '
        f'other samples{_shift(scores, names, clips, table, whole)}'
    )
    if strict:
        raise InputError(wrong)
    return [f'WARNING: {wrong}']


def _shift(
    scores: NDArray[np.float64],
    names: Sequence[tuple[str, int]],
    clips: Mapping[str, Sequence[Clip]],
    table: LabelTable,
    whole: Agreement,
) -> str:
    """Whether labels fit that lie a row before or after in their file."""
    for by, where in ((1, 'after'), (-1, 'before')):
        other = table.shifted(by)
        theirs = [_sentiment(clips[split][i], other) for split, i in names]
        found = agreement(np.stack([scores[:, 0], theirs], axis=1))
        if found.same > whole.same and found.is_enough:
            return (
                f'. With the labels of the row {where} it would be in {found.same} of '
                f'{found.total}: labels are shifted by a row'
            )
    return ' or on another scale'


def _sentiment(clip: Clip, table: LabelTable) -> float:
    try:
        return float(clip.find(table)[0])
    except Unmatched:
        return np.nan
