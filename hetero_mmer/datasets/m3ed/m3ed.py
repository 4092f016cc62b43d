"""M3ED: emotional dialogues of TV series, as its makers share their features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

from hetero_mmer.datasets.common import default_clean, name_counts
from hetero_mmer.datasets.m3ed.annotation import EMOTIONS
from hetero_mmer.datasets.m3ed.files import (
    MODALITIES,
    Dialogue,
    Files,
    find_files,
    read_dialogues,
    width,
)
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, no_sample, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import Track, untracked

Level = Literal['utterance', 'dialogue']

HOME: Final = 'https://github.com/AIM3-RUC/RUCM3ED'
LICENCE: Final = 'for research, after a signed form; features only, no video'
CITATION: Final = (
    'J. Zhao, T. Zhang, J. Hu, Y. Liu, Q. Jin, X. Wang, H. Li: M3ED: Multi-modal '
    'Multi-scene Multi-label Emotional Dialogue Database. ACL 2022'
)
LABEL_NAMES: Final = tuple(name.lower() for name in EMOTIONS)
NUM_UTTERANCES: Final = 24_449
NUM_DIALOGUES: Final = 990


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    level: Level = 'utterance',
    max_items: int | None = None,
    keep_cut_labels: bool = False,
    frame_rate: float = 25.0,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of M3ED's feature pickle.

    Where no utterance of test has an emotion but others have, the labels of test are
    unknown.

    Args:
        sources: The pickle; with it annotation.json for several labels an utterance
            and times, and movie_list_train.txt, movie_list_val.txt and
            movie_list_test.txt, or their folder, for splits by show.
        output: The store to write.
        level: 'utterance' makes each utterance a sample, 'dialogue' each dialogue, with
            its utterances as items and the labels of all of them, as CARAT does.
        max_items: Cuts longer dialogues, and the labels that only the utterances have
            that are cut; none are cut by default. CARAT cuts at 60.
        keep_cut_labels: Whether labels of cut utterances stay, as in CARAT's reader.
        frame_rate: Frames in a second: time stamps of the annotation end in frames.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless clean is given, and samples
            that would be dropped.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For files that cannot be read, or contradict each other.
    """
    pattern = read_like(like)
    if level not in get_args(Level):
        raise InputError(f"'level' is one of {get_args(Level)} (got '{level}')")
    if max_items is not None and (level == 'utterance' or max_items < 1):
        raise InputError(
            f"'max_items' is at least 1, with the level 'dialogue' (got {max_items} "
            f"with '{level}')"
        )
    if not frame_rate > 0:
        raise InputError(f"'frame_rate' is above 0 (got {frame_rate})")
    files = find_files(sources)
    dialogues, told = read_dialogues(files, frame_rate=frame_rate)
    if not any(dialogue.utterances for dialogue in dialogues):
        dropped = [one for d in dialogues for one in d.left_out.items()]
        raise no_sample(Path(output), dropped, told)
    widths = {m: width(dialogues, m) for m in MODALITIES}
    timed = all(np.isfinite(dialogue.spans).all() for dialogue in dialogues)
    writer = StoreWriter(
        output,
        {m: ModalitySpec(w, extractor=files.features.stem) for m, w in widths.items()},
        LABEL_NAMES,
        source=f'M3ED, {HOME}',
        licence=LICENCE,
        citation=CITATION,
        raw_sha256=sha256_of(files.paths),
        clean=default_clean(clean, strict, pattern),
        timed=list(widths) if timed else [],
        named=['text'],
        strict=strict,
        like=pattern,
    )
    splits: list[str] = []
    total = len(dialogues)
    with writer:
        for dialogue in track(dialogues, 'Converting', total=total):
            for utterance, reason in dialogue.left_out.items():
                writer.drop(utterance, reason)
            before = len(writer)
            if level == 'utterance':
                _add_utterances(writer, dialogue)
            elif dialogue.utterances:
                _add_dialogue(writer, dialogue, max_items, keep_cut_labels)
            splits += [dialogue.split] * (len(writer) - before)
        known = {'M3ED': (685, 126, 179)} if level == 'dialogue' else {}
        writer.note(name_counts(splits, known))
        if unlisted := splits.count(''):
            writer.note(f'{unlisted} more samples are in no split')
        if level == 'dialogue':
            writer.note(_cuts(dialogues, max_items, keep_cut_labels))
        for note in (*_notes(dialogues, files, level, timed), *told):
            writer.note(note)
    return Store(output)


def _add_utterances(writer: StoreWriter, dialogue: Dialogue) -> None:
    for i, utterance in enumerate(dialogue.utterances):
        # The makers write zeros where they found no face or no voice.
        features = {m: p[i] for m, p in dialogue.features.items() if p[i].any()}
        if not features:
            writer.drop(utterance, 'all of its features are zero')
            continue
        writer.add(
            utterance,
            features,
            dialogue.labels[i],
            group=dialogue.show,
            split=dialogue.split,
            times={
                m: np.tile(dialogue.spans[i], (len(x), 1))
                for m, x in features.items()
                if m in writer.timed
            },
            names={'text': [dialogue.sentences[i]] * len(features.get('text', ()))},
        )


def _add_dialogue(
    writer: StoreWriter, dialogue: Dialogue, max_items: int | None, keep_labels: bool
) -> None:
    parts = {m: x[:max_items] for m, x in dialogue.features.items()}
    labels = dialogue.labels[: None if keep_labels else max_items]
    writer.add(
        dialogue.name,
        {m: np.concatenate(x) for m, x in parts.items()},
        labels.max(axis=0),  # 255 where they are unknown.
        group=dialogue.show,
        split=dialogue.split,
        times={
            m: dialogue.spans[:max_items].repeat([len(part) for part in x], axis=0)
            for m, x in parts.items()
            if m in writer.timed
        },
        names={
            'text': [
                sentence
                for sentence, x in zip(dialogue.sentences, parts['text'], strict=False)
                for _ in x
            ]
        },
    )


def _cuts(
    dialogues: Sequence[Dialogue], max_items: int | None, keep_labels: bool
) -> str:
    if max_items is None:
        return "no dialogue is cut, unlike CARAT's reader, which keeps 60 utterances"
    cut = sum(len(dialogue.utterances) > max_items for dialogue in dialogues)
    stay = "stay, as in CARAT's reader" if keep_labels else 'are left out'
    return (
        f'{cut} dialogues are cut to {max_items} utterances; labels that only the '
        f'others have {stay}'
    )


def _notes(
    dialogues: Sequence[Dialogue], files: Files, level: Level, timed: bool
) -> list[str]:
    utterances = sum(int((d.labels[:, 0] != UNKNOWN).sum()) for d in dialogues)
    zeros = ', '.join(
        f'{m} {sum(not part.any() for d in dialogues for part in d.features[m])}'
        for m in MODALITIES
    )
    what = 'missing' if level == 'utterance' else 'kept as items'
    notes = [
        f'{utterances} utterances with labels in {len(dialogues)} dialogues; all of '
        f'M3ED are {NUM_UTTERANCES} in {NUM_DIALOGUES}',
        'splits are those of the movie lists, by show'
        if files.lists
        else 'splits are those of the pickle',
        f'features that are zero, where nothing was found, are {what}: {zeros}',
        'part 4 of the pickle is audio and part 5 visual, as its makers wrote them; '
        "CARAT's reader calls them the other way round",
    ]
    if files.annotation is None:
        notes.append(
            'labels are those of the pickle, one for each utterance; annotation.json '
            'has several'
        )
    else:
        notes.append('labels are final_mul_emo of the annotation')
        if not timed:
            notes.append('times are left out: some stamps are not hh:mm:ss:ff')
    return notes
