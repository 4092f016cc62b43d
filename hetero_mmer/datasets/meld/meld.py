"""MELD: dialogues of the series Friends, with an emotion for each utterance.

One dialogue is one sample: its utterances are the items of every modality, its labels
the emotions of all of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from hetero_mmer.datasets.common import default_clean
from hetero_mmer.datasets.meld.encoders import encoders_like, new_encoders
from hetero_mmer.datasets.meld.rows import (
    EMOTIONS,
    PARTS,
    SPLITS,
    Utterance,
    count_notes,
    emotion_notes,
    read_utterances,
    repeat_notes,
    sample_id,
    seconds,
    shared_notes,
    starts_dialogue,
    time_notes,
)
from hetero_mmer.errors import InputError
from hetero_mmer.features.dialogue import TIMING, finite_spans, timing
from hetero_mmer.files.input import Source, existing
from hetero_mmer.io.download import download
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.io.split_names import split_of
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.store.items import as_name
from hetero_mmer.typing import Track, untracked

NUM_DIALOGUES: Final = 1432
MODALITIES: Final = ('text', 'speaker', 'timing')
SOURCE: Final = 'MELD, annotations (https://github.com/declare-lab/MELD)'
LICENCE: Final = 'GPL-3.0'
CITATION: Final = (
    'S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea: MELD: A '
    'Multimodal Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019'
)
HOME: Final = (
    'https://github.com/declare-lab/MELD/tree/'
    'e8cedf27b5d2877e198332c957127e16eb214afe/data/MELD'
)
URL: Final = (
    'https://raw.githubusercontent.com/declare-lab/MELD/'
    'e8cedf27b5d2877e198332c957127e16eb214afe/data/MELD'
)
#: Size and SHA-256 of the files there.
FILES: Final = {
    'train_sent_emo.csv': (
        1119290,
        'd2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db',
    ),
    'dev_sent_emo.csv': (
        121640,
        '2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c',
    ),
    'test_sent_emo.csv': (
        294526,
        '8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888',
    ),
}


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    encoder: str | None = None,
    text_channels: int | None = None,
    num_speakers: int | None = None,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of MELD's ``train_sent_emo.csv``, ``dev_...`` and ``test_...``.

    What is learned (weights of words, the cast, mean and spread) is learned on train,
    and kept with the store. New dialogues for a trained model are given ``like``: any
    CSV with MELD's columns, perhaps without emotions; only files called as MELD's have
    a part in their name, others are named by file and, with emotions, all ``test``.
    A test file may be without emotions: its labels are unknown.

    Args:
        sources: The files, or the folder where they lie; train has to be among them,
            unless ``like`` is given.
        output: The store to write.
        encoder: What makes vectors of the text: ``hashed`` for pieces of words and
            latent semantic analysis, the default, or the name or folder of a model of
            sentence-transformers.
        text_channels: Width of the vectors that ``hashed`` makes, 256 by default.
        num_speakers: How many speakers have a column of their own, 6 by default: the
            ones that speak most often in train. All others share one.
        like: A store of MELD's, or a run that was trained on one, whose encoders are
            used instead of fitting others.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse repeated utterances and values that are not finite.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For files that are not MELD's, and an encoder that is not there or
            not that of ``like``.
    """
    pattern = read_like(like)
    paths = find_files(sources, new=pattern is not None)
    rows, num_repeated = read_utterances(paths, strict=strict, new=pattern is not None)
    choose = new_encoders if pattern is None else partial(encoders_like, pattern)
    encoders = choose(encoder, text_channels, num_speakers, track)
    start, stop = seconds(rows)
    first = starts_dialogue(rows)
    num_words = np.array([len(row.text.split()) for row in rows])
    values = timing(start, stop, num_words, first)
    if pattern is None:
        train = np.array([row.part == 'train' for row in rows])
        learned = [row for row in rows if row.part == 'train']
        encoders.text.fit([row.text for row in learned])
        encoders.speaker.fit([row.speaker for row in learned])
        encoders.timing.fit(values[train])
    text = encoders.text.transform([row.text for row in rows])
    arrays = {
        'text': text,
        'speaker': encoders.speaker.transform([row.speaker for row in rows]),
        'timing': encoders.timing.transform(values, first),
    }
    cast = encoders.speaker.columns
    specs = {
        'text': ModalitySpec(text.shape[1], extractor=encoders.text.extractor),
        'speaker': ModalitySpec(len(cast), columns=cast),
        'timing': ModalitySpec(len(TIMING), columns=TIMING),
    }
    labelled = pattern is None or all(row.emotion for row in rows)
    writer = StoreWriter(
        output,
        specs,
        EMOTIONS,
        source=SOURCE if pattern is None else "dialogues in MELD's layout",
        licence=LICENCE if pattern is None else '',
        citation=CITATION if pattern is None else '',
        raw_sha256=sha256_of(paths.values()),
        clean=default_clean(clean, strict, pattern),
        labelled=labelled,
        timed=MODALITIES,
        named=['text'],
        strict=strict,
        fitted=encoders.fitted,
        like=pattern,
    )
    begin = np.flatnonzero(first)
    dialogues = list(zip(begin, [*begin[1:], len(rows)], strict=True))
    spans = finite_spans(start, stop)
    with writer:
        for a, b in track(dialogues, 'Converting', total=len(dialogues)):
            writer.add(
                sample_id(rows[a]),
                {m: array[a:b] for m, array in arrays.items()},
                _labels(rows[a:b]) if labelled else None,
                split=SPLITS.get(rows[a].part, 'test' if labelled else ''),
                times=dict.fromkeys(MODALITIES, spans[a:b]),
                names={'text': [as_name(row.text) for row in rows[a:b]]},
            )
        for note in (
            *(count_notes(rows, first) if pattern is None else ()),
            *(() if pattern is None else emotion_notes(rows)),
            *repeat_notes(num_repeated),
            *time_notes(start, stop, first, values),
            *shared_notes(rows),
        ):
            writer.note(note)
    return Store(output)


def _labels(dialogue: Sequence[Utterance]) -> list[int]:
    """The emotions of all utterances, unknown where those have none."""
    present = {row.emotion for row in dialogue}
    if present == {''}:
        return [UNKNOWN] * len(EMOTIONS)
    return [emotion in present for emotion in EMOTIONS]


def fetch(output: str | os.PathLike[str], *, track: Track = untracked) -> Store:
    """Downloads the annotations and writes their store.

    Args:
        output: The store to write; the files go to ``meld/`` beside it.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: If the files cannot be had.
    """
    folder = Path(output).parent / 'meld'
    paths = [
        download(f'{URL}/{name}', folder / name, sha256=sha256, size=size, track=track)
        for name, (size, sha256) in FILES.items()
    ]
    return convert(paths, output, track=track)


def find_files(sources: Sequence[Source], *, new: bool = False) -> dict[str, Path]:
    """The file of each part, ``train``, ``dev`` and ``test``, told by its name.

    Args:
        sources: Files, or folders where they lie.
        new: Whether these may be files of new dialogues, whose part is their name.

    Raises:
        InputError: For a file whose name says no part, two of one part, or no train,
            unless they are new; for a folder without any.
    """
    found: dict[str, Path] = {}
    for source in map(existing, sources):
        named = sorted(source.glob('*_sent_emo*.csv'))
        for path in named or (new and sorted(source.glob('*.csv'))) or [source]:
            part = PARTS.get(split_of(path.name.split('_')[0]) or '')
            if part is None and new:
                part = path.stem
            if part is None or path.is_dir():
                raise InputError(
                    f"MELD's files are train_sent_emo.csv, dev_sent_emo.csv and "
                    f"test_sent_emo.csv (got '{path}'); dialogues of your own are "
                    f'converted with `like=STORE` or RUN'
                )
            if part in found:
                raise InputError(
                    f"one file is '{part}' (got '{found[part]}' and '{path}')"
                )
            found[part] = path
    if not new and 'train' not in found:
        raise InputError(
            f'features are fitted on train_sent_emo.csv, which is not among the files '
            f'(got {[str(path) for path in found.values()]}): give it, too, or a store '
            f"or run of MELD's with `like=`"
        )
    return {part: found[part] for part in sorted(found, key=_place)}


def _place(part: str) -> int:
    """Parts in the order of MELD, then others as they were given."""
    return list(SPLITS).index(part) if part in SPLITS else len(SPLITS)
