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
from numpy.typing import NDArray

from hetero_mmer.sources import mosei_facts
from hetero_mmer.sources.alignment import (
    Aligned,
    Collapse,
    Items,
    Keep,
    align,
    pool,
    word_align,
)
from hetero_mmer.sources.common import (
    Source,
    default_clean,
    hash_beside,
    name_counts,
    split_groups,
    track,
)
from hetero_mmer.sources.csd import CsdFile, find_roles, label_columns
from hetero_mmer.sources.folds import read_folds
from hetero_mmer.sources.segments import SegmentWriter
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import InputError

SDK: Final = 'https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK'
MODALITIES: Final = ('text', 'visual', 'audio')

COMMAND: Final = (
    'hetero-mmer data convert cmu-mosei FOLDER --folds cmu_mosei_std_folds.py '
    '--output {store}'
)

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
    collapse: Collapse = 'mean',
    impute: bool = True,
    sequence_length: int | None = None,
    keep: Keep = 'last',
    visual_rate: float | None = None,
    audio_rate: float | None = None,
    seed: int = 0,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    progress: bool = False,
) -> Store:
    """Writes the store of CMU-MOSEI's ``.csd`` files, one sample per labelled segment.

    Samples are called ``<video>[i]`` with i the row of the label file, as the SDK does;
    an emotion is present if its intensity is above zero.

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
        collapse: What the frames of one word become (word-aligned).
        impute: Whether words without frames get zeros (word-aligned), or segments
            without frames of a modality stay without it (unaligned). Otherwise such
            segments are dropped.
        sequence_length: At most so many items of each modality, 50 or 60 in papers;
            all of them if None (word-aligned).
        keep: Which items of longer sequences stay: the SDK keeps the last.
        visual_rate: Average visual frames to this many Hz (unaligned).
        audio_rate: Average audio frames to this many Hz (unaligned).
        seed: Of the random split.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless ``clean`` is given, and
            segments that would be dropped.
        progress: Whether to show a progress bar.

    Raises:
        InputError: For files that cannot be read, or options that contradict each
            other.
    """
    pattern = read_like(like)
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
        writer = StoreWriter(
            output,
            {modality: _spec(file) for modality, file in files.items()},
            mosei_facts.LABEL_NAMES,
            source=f'{mosei_facts.SOURCE}, files of the CMU-MultimodalSDK ({SDK})',
            licence=mosei_facts.LICENCE,
            citation=mosei_facts.CITATION,
            clean=default_clean(clean, strict, pattern),
            timed=tuple(files),
            intensities=True,
            strict=strict,
            like=pattern,
        )
        segments = SegmentWriter(
            writer,
            partial(_word_aligned, collapse=collapse, imputed=impute)
            if aligns
            else partial(_unaligned, rates=rates),
            label_columns=label_columns(label_file),
            complete=aligns or not impute,
            even=aligns and collapse != 'none',
            length=sequence_length,
            keep=keep,
        )
        hashes = hash_beside(raw)
        with writer:
            writer.note(_how(mode, collapse, impute, rates))
            if split_of is None and pattern is not None:
                split_of = dict.fromkeys(label_file.videos, 'test')
                writer.note('there are no folds: all of it is test')
            elif split_of is None:
                split_of = _drawn(label_file.videos, files, seed)
                writer.note(
                    f'the videos were split at random with seed {seed}; the official '
                    f'folds are given with --folds'
                )
            _add_videos(segments, label_file, files, split_of, progress)
            segments.finish()
            writer.note(name_counts(segments.splits, mosei_facts.KNOWN_COUNTS))
            for sentence in unused:
                writer.note(sentence)
            writer.attrs['options'] = {
                'mode': mode,
                'collapse': collapse if aligns else None,
                'impute': impute,
                'sequence_length': sequence_length,
                'keep': keep,
                'rates': rates,
            }
            writer.raw_sha256 = hashes()
    return Store(output)


def fetch(output: Path) -> Store:
    """Says where the files are: there is no public link that we could follow.

    Args:
        output: The store that would be written.

    Raises:
        InputError: Always.
    """
    raise InputError(
        f'CMU-MOSEI comes with the CMU-MultimodalSDK, under its terms ({SDK}): get its '
        f".csd files there, then run '{COMMAND.format(store=output)}'"
    )


def _add_videos(
    segments: SegmentWriter,
    label_file: CsdFile,
    files: Mapping[str, CsdFile],
    split_of: Mapping[str, str],
    progress: bool,
) -> None:
    """One video after the other, in the order of the label file."""
    videos = label_file.videos
    for video in track(videos, 'Converting', total=len(videos), progress=progress):
        rows = label_file.read(video)
        lacking = [m for m, file in files.items() if video not in file]
        if lacking:
            path = files[lacking[0]].path.name
            segments.drop(video, rows, f"its video has no {lacking[0]} in '{path}'")
        elif video not in split_of:
            segments.drop(video, rows, 'its video is in none of the folds')
        else:
            items = {m: file.read(video) for m, file in files.items()}
            segments.add(video, rows, items, split_of[video])
    others = {video for file in files.values() for video in file.videos}
    for video in sorted(others - set(videos)):
        segments.writer.drop(video, 'the video has no labels')


def _word_aligned(
    items: Mapping[str, Items],
    intervals: NDArray,
    *,
    collapse: Collapse,
    imputed: bool,
) -> dict[str, Aligned]:
    """Align to the words, impute, align to the segments: the SDK's pipeline."""
    others = {m: rows for m, rows in items.items() if m != 'text'}
    words, by_word = word_align(items['text'], others, collapse, imputed=imputed)
    rows = {'text': words, **by_word}
    return {modality: align(intervals, rows[modality]) for modality in items}


def _unaligned(
    items: Mapping[str, Items],
    intervals: NDArray,
    *,
    rates: Mapping[str, float | None],
) -> dict[str, Aligned]:
    aligned = {}
    for modality, rows in items.items():
        rate = rates.get(modality)
        aligned[modality] = (
            align(intervals, rows) if rate is None else pool(intervals, rows, rate)
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


def _check_roles(paths: Mapping[str, Path]) -> None:
    for role in ('labels', 'text'):
        if role not in paths:
            raise InputError(
                f'CMU-MOSEI needs .csd files of labels, text (word vectors), visual or '
                f'audio (got no {role} among {[str(path) for path in paths.values()]})'
            )


def _how(
    mode: Mode, collapse: Collapse, impute: bool, rates: Mapping[str, float | None]
) -> str:
    if mode == 'unaligned':
        pooled = [f'{m} pooled to {rate:g} Hz' for m, rate in rates.items() if rate]
        return ', '.join(['unaligned: all words and frames of a segment', *pooled])
    frames = 'all frames' if collapse == 'none' else f'the {collapse} of the frames'
    rest = 'zeros for words without' if impute else 'nothing for words without'
    return f'word-aligned: {frames} that overlap a word, {rest}'
