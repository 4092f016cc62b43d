"""Writing samples of padded arrays whose labels are joined from another file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.sources.common import Source, name_counts, sha256_of, track
from hetero_mmer.sources.label_join import LabelTable, Unmatched
from hetero_mmer.sources.mosei_facts import (
    CITATION,
    KNOWN_COUNTS,
    LABEL_NAMES,
    LICENCE,
)
from hetero_mmer.sources.padded import Parts, each_row, size_of, specs_of
from hetero_mmer.sources.padding import Padding
from hetero_mmer.store import Store, StoreWriter
from hetero_mmer.store.format import Clean

#: How far a sentiment may be from that of the label file and still be the same.
_SAME = 0.01


class Clip(NamedTuple):
    """A sample as its file calls it."""

    sample_id: str
    video: str
    #: Its values in a table, see there.
    find: Callable[[LabelTable], NDArray[np.float64]]


def write_joined(
    output: Source,
    parts: Parts,
    padding: Padding,
    clips: Mapping[str, Sequence[Clip]],
    table: LabelTable,
    *,
    paths: Sequence[Source],
    source: str,
    sentiment: Mapping[str, NDArray[np.float64]],
    clean: Clean | None,
    strict: bool,
    progress: bool,
    notes: Sequence[str],
) -> Store:
    """Writes a store; samples without labels are dropped, with the reason.

    A sample's group is its video, unless the file's own splits divide videos.

    Args:
        output: The store to write.
        parts: The features; each split is freed once it is written.
        padding: Which rows of them are items.
        clips: What each sample is called.
        table: The labels.
        paths: The raw files.
        source: Where the data come from.
        sentiment: What the file itself says of each sample, of the splits it does.
        clean: What replaces values that are not finite.
        strict: Whether to refuse the first sample that would be dropped.
        progress: Whether to show a progress bar.
        notes: Where labels come from, and what else a reader should know.
    """
    divided = _divided(clips)
    is_mosei = table.names == LABEL_NAMES
    scored = bool(table.by_clip or table.by_time)
    writer = StoreWriter(
        output,
        specs_of(parts),
        table.names,
        source=source,
        licence=LICENCE if is_mosei else '',
        citation=CITATION if is_mosei else '',
        raw_sha256=sha256_of(paths),
        clean=clean,
        intensities=scored,
        strict=strict,
    )
    total = sum(map(size_of, parts.values()))
    kept: list[str] = []
    scores: list[tuple[float, float]] = []
    seen: set[str] = set()
    with writer:
        for split, i in track(
            each_row(parts), 'Converting', total=total, progress=progress
        ):
            clip = clips[split][i]
            features = padding.items(split, parts[split], i)
            try:
                if clip.sample_id in seen:
                    raise Unmatched('another sample has the same id')
                if not any(map(len, features.values())):
                    raise Unmatched('all of its rows are zero')
                theirs, *values = clip.find(table)
            except Unmatched as reason:
                writer.drop(clip.sample_id, str(reason))
                continue
            seen.add(clip.sample_id)
            writer.add(
                clip.sample_id,
                features,
                np.array(values) > 0,
                group=None if divided else clip.video,
                split=split,
                intensities=values if scored else None,
            )
            kept.append(split)
            ours = sentiment[split][i] if split in sentiment else np.nan
            scores.append((float(ours), float(theirs)))
        if sentiment:
            writer.extra('sentiment', np.array(scores)[:, 0] if scores else [])
        known = KNOWN_COUNTS if is_mosei else {}
        for note in (
            name_counts(kept, known),
            padding.note(),
            *notes,
            *table.notes,
            *_agreement(np.array(scores).reshape(-1, 2)),
        ):
            writer.note(note)
        if divided:
            writer.note(
                f'the splits of the file divide {len(divided)} videos, such as '
                f"'{divided[0]}': samples are not grouped by video"
            )
    return Store(output)


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


def _agreement(scores: NDArray[np.float64]) -> list[str]:
    """Whether the sentiments of both files agree: they do if the join is right."""
    both = np.isfinite(scores).all(axis=1)
    if not both.any():
        return []
    same = np.abs(np.diff(scores[both])) <= _SAME
    return [
        f'the sentiment of the label file is that of the features in {same.sum()} of '
        f'{both.sum()} samples'
    ]
