"""CMU-MOSEI from the files of the CMU-MultimodalSDK, aligned as the SDK does.

A. Zadeh et al.: "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and
Interpretable Dynamic Fusion Graph". ACL 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

from hetero_mmer.datasets.common import default_clean, name_counts
from hetero_mmer.datasets.intensity import Presence, choose_above
from hetero_mmer.datasets.mosei import facts as mosei_facts
from hetero_mmer.datasets.mosei.csd_labels import label_columns
from hetero_mmer.datasets.mosei.csd_roles import find_roles
from hetero_mmer.datasets.mosei.segments import Arrange, SegmentWriter
from hetero_mmer.errors import InputError
from hetero_mmer.features.alignment import (
    Aligned,
    Collapse,
    Items,
    Keep,
    Parts,
    align,
    pool,
    word_align,
)
from hetero_mmer.files.input import Source
from hetero_mmer.io.csd import CsdFile
from hetero_mmer.io.csd_entries import (
    Kind,
    Segments,
    by_segment,
    by_word,
    check_kind,
    kind_of_entries,
    read_segments,
)
from hetero_mmer.io.csd_times import check_times
from hetero_mmer.io.folds import read_folds
from hetero_mmer.io.hashes import hash_beside
from hetero_mmer.io.ids import Match, match
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.store.split import split_groups
from hetero_mmer.typing import Track, untracked

SDK: Final = 'https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK'
ADDRESSES: Final = 'mmsdk/mmdatasdk/dataset/standard_datasets/CMU_MOSEI'
MODALITIES: Final = ('text', 'visual', 'audio')

#: The files of words, faces, voices and labels, and that of the official folds.
FILES: Final = (
    'CMU_MOSEI_TimestampedWordVectors.csd',
    'CMU_MOSEI_VisualFacet42.csd',
    'CMU_MOSEI_COVAREP.csd',
    'CMU_MOSEI_Labels.csd',
)
FOLDS: Final = 'cmu_mosei_std_folds.py'

Mode = Literal['word-aligned', 'unaligned']


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    mode: Mode = 'word-aligned',
    folds: str | None = None,
    text: str | None = None,
    visual: str | None = None,
    audio: str | None = None,
    labels: str | None = None,
    words: str | None = None,
    collapse: Collapse = 'mean',
    impute: bool = True,
    sequence_length: int | None = None,
    keep: Keep = 'last',
    visual_rate: float | None = None,
    audio_rate: float | None = None,
    positive_above: float | None = None,
    seed: int = 0,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of CMU-MOSEI's ``.csd`` files, one sample per labelled segment.

    Samples are called ``<video>[i]`` with i the row of the label file, as the SDK does;
    an emotion is present if its intensity is above zero, or ``positive_above``. Files
    that the SDK has aligned are not aligned a second time: entries of segments keep
    their rows, entries of words are only gathered by segment. Where no segment of test
    has a number as a label but others have, the labels of test are unknown.

    Args:
        sources: The ``.csd`` files of labels, words, and other modalities, or a folder.
        output: The store to write.
        mode: ``word-aligned`` has one item per word in each modality, ``unaligned`` all
            words and frames of a segment.
        folds: The official folds: the SDK's ``cmu_mosei_std_folds.py``, a JSON or a
            CSV. Without them, videos are split at random, or are all test with
            ``like``.
        text: Root or path of the file of words, if its name does not tell.
        visual: Root or path of the visual file.
        audio: Root or path of the audio file.
        labels: Root or path of the label file.
        words: Root or path of the file of the words themselves, which become the names
            of text's items, where it is given.
        collapse: What the frames of one word become (word-aligned).
        impute: Whether words without frames get zeros (word-aligned), or segments
            without frames of a modality stay without it (unaligned). Otherwise such
            segments are dropped.
        sequence_length: At most so many items of each modality, 50 or 60 in papers;
            all of them if None (word-aligned).
        keep: Which items of longer sequences stay: the SDK keeps the last.
        visual_rate: Average visual frames to this many Hz (unaligned).
        audio_rate: Average audio frames to this many Hz (unaligned).
        positive_above: The intensity above which an emotion is present, 0 by default.
        seed: Of the random split.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless ``clean`` is given, and
            segments that would be dropped.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For files that cannot be read, or options that contradict each
            other.
    """
    pattern = read_like(like)
    above = choose_above(positive_above, pattern, 0)
    assert above is not None
    rates = {'visual': visual_rate, 'audio': audio_rate}
    for name, value, choice in (
        ('mode', mode, Mode),
        ('collapse', collapse, Collapse),
        ('keep', keep, Keep),
    ):
        if value not in get_args(choice):
            raise InputError(f"'{name}' is one of {get_args(choice)} (got '{value}')")
    aligns = mode == 'word-aligned'
    _check_options(aligns, sequence_length, rates)
    chosen = {'text': text, 'visual': visual, 'audio': audio, 'labels': labels}
    chosen['words'] = words
    paths, unused = find_roles(sources, chosen)
    _check_roles(paths)
    split_of = None if folds is None else read_folds(folds)
    raw: list[Source] = [*paths.values(), *([folds] if folds else [])]
    with ExitStack() as stack:
        files: dict[str, CsdFile] = {
            role: stack.enter_context(CsdFile(paths[role]))
            for role in (*MODALITIES, 'labels')
            if role in paths
        }
        label_file = files.pop('labels')
        word_file = None
        if 'words' in paths:
            word_file = stack.enter_context(CsdFile(paths['words'], words=True))
        found = {
            m: match(label_file.videos, file.videos, f"'{file.path}'")
            for m, file in files.items()
        }
        for m, file in files.items():
            file.rename(found[m])
        if word_file is not None:
            word_file.rename(
                match(label_file.videos, word_file.videos, f"'{word_file.path}'")
            )
        if split_of is not None:
            found['folds'] = match(label_file.videos, split_of, f"'{folds}'")
            split_of = found['folds'].rename(split_of)
        columns = label_columns(label_file)
        kind = kind_of_entries(files, label_file)
        _check_kind_options(kind, aligns, collapse, impute)
        times = check_times(label_file, files)
        writer = StoreWriter(
            output,
            {modality: _spec(file) for modality, file in files.items()},
            mosei_facts.LABEL_NAMES,
            source=f'{mosei_facts.SOURCE}, files of the CMU-MultimodalSDK ({SDK})',
            licence=mosei_facts.LICENCE,
            citation=mosei_facts.CITATION,
            clean=default_clean(clean, strict, pattern),
            timed=tuple(files),
            named=() if word_file is None else ('text',),
            intensities=True,
            strict=strict,
            like=pattern,
        )
        segments = SegmentWriter(
            writer,
            _arrange(kind, aligns, collapse, impute, rates),
            label_columns=columns.names,
            presence=Presence(
                mosei_facts.LABEL_NAMES,
                above,
                is_usual=positive_above is None and above == 0,
            ),
            complete=aligns or not impute,
            even=aligns and collapse != 'none',
            length=sequence_length,
            keep=keep,
            unknown=_unlabelled(label_file, columns.names, split_of),
            words=word_file,
        )
        hashes = hash_beside(raw)
        with writer:
            writer.note(_how(kind, mode, collapse, impute, rates))
            joined = (note for one in found.values() for note in one.notes)
            for sentence in (*columns.notes, *times, *joined):
                writer.note(sentence)
            if split_of is None and pattern is not None:
                split_of = dict.fromkeys(label_file.videos, 'test')
                writer.note('there are no folds: all of it is test')
            elif split_of is None:
                split_of = _drawn(label_file.videos, files, seed)
                writer.note(
                    f'the videos were split at random with seed {seed}; the official '
                    f'folds are given with `folds=`'
                )
            _add_videos(segments, kind, label_file, files, split_of, found, track)
            segments.finish()
            writer.note(name_counts(segments.splits, mosei_facts.KNOWN_COUNTS))
            for sentence in unused:
                writer.note(sentence)
            writer.attrs['options'] = {
                'mode': mode,
                'entries': kind,
                'collapse': collapse if aligns and kind != 'segment' else None,
                'impute': impute,
                'sequence_length': sequence_length,
                'keep': keep,
                'rates': rates,
            }
            writer.raw_sha256 = hashes()
    return Store(output)


def _unlabelled(
    label_file: CsdFile, names: Sequence[str], split_of: Mapping[str, str] | None
) -> str | None:
    """The split ``test`` if none of its segments has labels, but others have."""
    emotions = [i for i, name in enumerate(names) if name != mosei_facts.SENTIMENT]
    found = {
        (split_of or {}).get(video)
        for video in label_file.videos
        if np.isfinite(read_segments(label_file, video).labels[:, emotions]).any()
    }
    return 'test' if split_of and found and 'test' not in found else None


def _add_videos(
    segments: SegmentWriter,
    kind: Kind,
    label_file: CsdFile,
    files: Mapping[str, CsdFile],
    split_of: Mapping[str, str],
    found: Mapping[str, Match],
    track: Track,
) -> None:
    """One video after the other, in the order of the label file."""
    videos = label_file.videos
    for video in track(videos, 'Converting', total=len(videos)):
        rows = read_segments(label_file, video)
        lacking = [m for m, file in files.items() if video not in file]
        if not len(rows.numbers):
            segments.writer.drop(video, 'the video has no labels')
        elif lacking:
            path, hint = files[lacking[0]].path.name, found[lacking[0]].hint(video)
            reason = f"its video has no {lacking[0]} in '{path}'{hint}"
            segments.drop(video, rows, reason)
        elif video not in split_of:
            hint = found['folds'].hint(video)
            segments.drop(video, rows, f'its video is in none of the folds{hint}')
        else:
            parts = {m: file.read_parts(video) for m, file in files.items()}
            check_kind(kind, video, parts, rows, label_file)
            segments.add(video, rows, parts, split_of[video])
            if kind == 'segment':
                numbers = np.concatenate([p.numbers for p in parts.values()])
                for number in np.setdiff1d(numbers, rows.numbers):
                    segments.writer.drop(
                        f'{video}[{number}]', 'the segment has no labels'
                    )
    others = {video for file in files.values() for video in file.videos}
    labelled = match(sorted(others), videos, f"'{label_file.path}'")
    for video in sorted(others - set(videos)):
        segments.writer.drop(video, f'the video has no labels{labelled.hint(video)}')


def _arrange(
    kind: Kind,
    aligns: bool,
    collapse: Collapse,
    imputed: bool,
    rates: Mapping[str, float | None],
) -> Arrange:
    """What gives each segment its items."""
    if kind == 'segment':
        return partial(by_segment, rates=rates)
    if kind == 'word':
        return partial(by_word, collapse=collapse, imputed=imputed)
    if aligns:
        return partial(_word_aligned, collapse=collapse, imputed=imputed)
    return partial(_unaligned, rates=rates)


def _word_aligned(
    items: Mapping[str, Parts],
    segments: Segments,
    *,
    collapse: Collapse,
    imputed: bool,
) -> dict[str, Aligned]:
    """Align to the words, impute, align to the segments: the SDK's pipeline."""
    rows = {m: Items(*parts[:2]) for m, parts in items.items()}
    others = {m: frames for m, frames in rows.items() if m != 'text'}
    words, by_word = word_align(rows['text'], others, collapse, imputed=imputed)
    rows = {'text': words, **by_word}
    return {modality: align(segments.intervals, rows[modality]) for modality in items}


def _unaligned(
    items: Mapping[str, Parts],
    segments: Segments,
    *,
    rates: Mapping[str, float | None],
) -> dict[str, Aligned]:
    aligned = {}
    for modality, parts in items.items():
        rows = Items(*parts[:2])
        rate = rates.get(modality)
        aligned[modality] = (
            align(segments.intervals, rows)
            if rate is None
            else pool(segments.intervals, rows, rate)
        )
    return aligned


def _drawn(
    videos: Sequence[str], files: Mapping[str, CsdFile], seed: int
) -> dict[str, str]:
    """A split at random of the videos that every file has."""
    whole = [video for video in videos if all(video in f for f in files.values())]
    return dict(zip(whole, split_groups(whole, seed=seed).tolist(), strict=True))


def _spec(file: CsdFile) -> ModalitySpec:
    names = file.metadata.get('dimension names')
    known = isinstance(names, list) and len(names) == file.channels
    columns = tuple(map(str, names)) if known and names else ()
    return ModalitySpec(file.channels, extractor=file.root, columns=columns)


def _check_options(
    aligns: bool, length: int | None, rates: Mapping[str, float | None]
) -> None:
    if length is not None and (length < 1 or not aligns):
        raise InputError(
            f"'sequence_length' is at least 1, and for the mode word-aligned only "
            f'(got {length})'
        )
    for modality, rate in rates.items():
        if rate is not None and (aligns or not 0 < rate < np.inf):
            raise InputError(
                f"'{modality}_rate' is a positive number of Hz, and for the mode "
                f'unaligned only (got {rate})'
            )


def _check_kind_options(
    kind: Kind, aligns: bool, collapse: Collapse, imputed: bool
) -> None:
    """Refuses options that can do nothing on files that the SDK has aligned."""
    if kind == 'word' and not aligns:
        raise InputError(
            'the features were aligned to words by the SDK, which other frames are '
            "gone from: 'mode' is word-aligned for them, or give the files it made "
            'them from'
        )
    if kind == 'segment' and aligns and (collapse != 'mean' or not imputed):
        raise InputError(
            "the features were aligned to the segments by the SDK: 'collapse' and "
            "'impute' are for files that are not, as words of their own are gone "
            f'(got collapse={collapse}, impute={imputed})'
        )


def _check_roles(paths: Mapping[str, Path]) -> None:
    for role in ('labels', 'text'):
        if role not in paths:
            raise InputError(
                f'CMU-MOSEI needs .csd files of labels, text (word vectors), visual or '
                f'audio (got no {role} among {[str(path) for path in paths.values()]})'
            )


def _how(
    kind: Kind,
    mode: Mode,
    collapse: Collapse,
    impute: bool,
    rates: Mapping[str, float | None],
) -> str:
    pooled = [f'{m} pooled to {rate:g} Hz' for m, rate in rates.items() if rate]
    if kind == 'segment':
        rows = (
            'rows of the entries that the SDK has aligned to the segments, as they are'
        )
        return ', '.join([rows, *pooled])
    if mode == 'unaligned':
        return ', '.join(['unaligned: all words and frames of a segment', *pooled])
    frames = 'all frames' if collapse == 'none' else f'the {collapse} of the frames'
    rest = 'zeros for words without' if impute else 'nothing for words without'
    entries = ', as the SDK has aligned them' if kind == 'word' else ''
    return f'word-aligned: {frames} that overlap a word{entries}, {rest}'
