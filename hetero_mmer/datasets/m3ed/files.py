"""M3ED's files: which one is what, and the dialogues that they hold together.

The pickle is a list: utterances [0], speakers [1], labels [2], text [3], audio [4],
visual [5] and sentences [6] by dialogue, then the dialogues of train [7], validation
[8] and test [9]. CARAT's reader calls [4] visual and [5] audio; the makers' own code
writes and reads them as here, and the widths say the same: [4] is wav2vec with 1024
or IS10 with 1582 numbers, [5] DenseFace with 342.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.m3ed.annotation import (
    EMOTIONS,
    Utterance,
    multi_hot,
    read_annotation,
)
from hetero_mmer.datasets.padded import even, is_list, is_nothing
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source, existing
from hetero_mmer.io.ids import Match, caseless, match
from hetero_mmer.io.pickle.load import load_pickle
from hetero_mmer.io.split_names import find_splits, split_of
from hetero_mmer.io.text_file import read_text
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store.items import as_name

#: Something by dialogue, for each part of the pickle.
_Parts = Mapping[int, Mapping[str, Any]]

#: What an annotation says by utterance, and which utterances it has.
_Told = tuple[Mapping[str, Utterance], Match]

#: Where the pickle has the features of each modality.
MODALITIES: Final = {'text': 3, 'visual': 5, 'audio': 4}

_SPLITS: Final = {'train': 7, 'valid': 8, 'test': 9}
_LISTS: Final = 'movie_list_train.txt, movie_list_val.txt, movie_list_test.txt'
_LIST: Final = re.compile(r'movie_list_(.+)\.txt', re.IGNORECASE).fullmatch


class Files(NamedTuple):
    """What each source is."""

    features: Path
    annotation: Path | None
    lists: dict[str, Path]  # of shows, by split

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        annotation = [] if self.annotation is None else [self.annotation]
        return [self.features, *annotation, *self.lists.values()]


class Dialogue(NamedTuple):
    """A dialogue: those U of its utterances that have labels, or whose are unknown."""

    name: str
    split: str
    utterances: list[str]
    sentences: list[str]  # What is said, the utterances' names where unknown.
    labels: NDArray[np.uint8]  # [U, 7]
    features: dict[str, list[NDArray]]  # [S, F] for each utterance
    spans: NDArray[np.float64]  # [U, 2] in seconds, NaN where unknown
    left_out: dict[str, str]  # The other utterances, and why.

    @property
    def show(self) -> str:
        """The series that it is from."""
        return _show(self.name)


def find_files(sources: Sequence[Source]) -> Files:
    """The pickle, the annotation and the lists of shows among files and folders.

    Args:
        sources: What was given.

    Raises:
        InputError: For anything but one pickle, with or without the others.
    """
    paths = [existing(source) for source in sources]
    inside = [file for p in paths if p.is_dir() for file in sorted(p.iterdir())]
    named = {p.resolve(): m[1] for p in (*inside, *paths) if (m := _LIST(p.name))}
    find_splits(named.values(), 'the lists of shows')
    lists = {s: p for s in _SPLITS for p, name in named.items() if split_of(name) == s}
    others = [p for p in paths if p.is_file() and p.resolve() not in lists.values()]
    annotations = [path for path in others if path.suffix == '.json']
    pickles = [path for path in others if path.suffix != '.json']
    if len(pickles) != 1 or len(annotations) > 1 or 0 < len(lists) < len(_SPLITS):
        raise InputError(
            f'M3ED is one feature pickle, with or without an annotation.json, and all '
            f'or none of {_LISTS} (got {[str(path) for path in paths]})'
        )
    return Files(pickles[0], annotations[0] if annotations else None, lists)


def read_dialogues(
    files: Files, *, frame_rate: float = 25.0
) -> tuple[list[Dialogue], list[str]]:
    """Reads all dialogues.

    Where no utterance of test has an emotion, as in a challenge, while others have, the
    labels of test are unknown.

    Args:
        files: The files.
        frame_rate: Frames in a second, for the times in the annotation.

    Returns:
        The dialogues, and what is to be told of how the files fit together.

    Raises:
        InputError: For files that are laid out in another way.
    """
    data = load_pickle(files.features)
    parts, notes = _by_dialogue(data, files.features)
    told: _Told | None = None
    if files.annotation is not None:
        known = read_annotation(files.annotation, frame_rate=frame_rate)
        forms = set(map(caseless, known))
        utterances = (str(name) for names in parts[0].values() for name in names)
        called = [_called(name, forms) for name in utterances]
        found = match(called, known, f"'{files.annotation}'")
        told = found.rename(known), found
        notes += found.notes
    split, more = _splits(data, parts[0], files)
    path = files.features
    having = {split[name] for name in parts[0] if any(_felt(parts, name, told))}
    unknown = 'test' if having and 'test' not in having else None
    dialogues = [
        _dialogue(parts, name, split, told, path, split[name] == unknown)
        for name in parts[0]
    ]
    return dialogues, [*notes, *more]


def width(dialogues: Sequence[Dialogue], modality: str) -> int:
    """Width of a modality's features.

    Args:
        dialogues: All dialogues; one has an utterance at least.
        modality: Its name.
    """
    parts = (part for dialogue in dialogues for part in dialogue.features[modality])
    return int(next(parts).shape[-1])


def _by_dialogue(data: Any, path: Path) -> tuple[_Parts, list[str]]:
    """The parts by dialogue, all called as in the first, and what else is there."""
    by_dialogue = (0, 2, *MODALITIES.values())
    if (
        not isinstance(data, list | tuple)
        or len(data) < 10
        or not all(isinstance(data[i], dict) for i in by_dialogue)
        or not all(isinstance(data[i], list | tuple) for i in _SPLITS.values())
    ):
        got = type(data).__name__
        if isinstance(data, list | tuple):
            got = f'{got} of {[type(item).__name__ for item in data[:12]]}'
        raise InputError(
            f"'{path}' holds M3ED's ten parts: utterances, speakers, labels, text, "
            f'audio, visual and sentences by dialogue, and three lists (got {got})'
        )
    parts: dict[int, dict[str, Any]] = {}
    notes: list[str] = []
    for i in by_dialogue:
        part = {str(name): value for name, value in data[i].items()}
        found = match(parts.get(0, part), part, f"part {i} of '{path}'")
        parts[i] = part = found.rename(part)
        if other := [name for name, value in part.items() if not is_list(value)]:
            raise InputError(
                f"each part of '{path}' has a list for each dialogue (got "
                f"{type(part[other[0]]).__name__} for '{other[0]}' in part {i})"
            )
        if missing := [name for name in parts[0] if name not in part]:
            raise InputError(
                f"'{path}' has each dialogue in all of its parts, but part {i} lacks "
                f"'{missing[0]}'{found.hint(missing[0])}"
            )
        if others := [name for name in part if name not in parts[0]]:
            notes.append(
                f"WARNING: part {i} of '{path}' has {len(others)} dialogues that part "
                f"0 lacks, such as '{others[0]}': they are left out"
            )
        notes += found.notes
    spoken = data[6] if isinstance(data[6], dict) else {}
    parts[6] = {str(name): value for name, value in spoken.items() if is_list(value)}
    if len(data) > 10:
        notes.append(f"parts of '{path}' that are not read: {len(data) - 10}, from 10")
    return parts, notes


def _splits(
    data: Sequence[Any], dialogues: Iterable[str], files: Files
) -> tuple[dict[str, str], list[str]]:
    """The split of each dialogue, none for those in no list, and notes."""
    what = 'show' if files.lists else 'dialogue'
    if files.lists:
        texts = {s: read_text(p, 'a list of shows') for s, p in files.lists.items()}
        members = {s: text.split() for s, text in texts.items()}
    else:
        members = {s: list(map(str, data[i])) for s, i in _SPLITS.items()}
    listed = _split_of(members, what)
    names = {name: _show(name) if files.lists else name for name in dialogues}
    found = match(names.values(), listed, f'the lists of {what}s')
    listed = found.rename(listed)
    notes = found.notes
    lacking = [name for name in dict.fromkeys(names.values()) if name not in listed]
    # Those that may be meant first.
    lacking.sort(key=lambda name: name not in found.guesses)
    if listed and lacking and (hint := found.hint(lacking[0])):
        notes = [
            *notes,
            f'WARNING: {len(lacking)} {what}s are in none of the lists, such as '
            f"'{lacking[0]}'{hint}",
        ]
    return {name: listed.get(called, '') for name, called in names.items()}, notes


def _split_of(names: Mapping[str, Sequence[str]], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for split, members in names.items():
        for name in members:
            if found.setdefault(name, split) != split:
                raise InputError(
                    f"a {what} is in one split, but '{name}' is in '{found[name]}' and "
                    f"'{split}'"
                )
    return found


def _dialogue(
    data: _Parts,
    name: str,
    split: Mapping[str, str],
    known: _Told | None,
    path: Path,
    is_unknown: bool,
) -> Dialogue:
    utterances = [str(utterance) for utterance in data[0][name]]
    targets = list(data[2][name])
    features = {
        m: [np.atleast_2d(even(part, f"rows of '{name}'")) for part in data[i][name]]
        for m, i in MODALITIES.items()
    }
    sizes = {'labels': len(targets), **{m: len(x) for m, x in features.items()}}
    if set(sizes.values()) != {len(utterances)}:
        raise InputError(
            f"each part of '{path}' has all {len(utterances)} utterances of dialogue "
            f"'{name}' (got {sizes})"
        )
    spoken = list(data[6].get(name, ()))
    spoken = spoken if len(spoken) == len(utterances) else utterances
    kept: list[int] = []
    labels: list[NDArray[np.uint8]] = []
    spans: list[tuple[float, float]] = []
    left_out: dict[str, str] = {}
    for i, utterance in enumerate(utterances):
        told, hint = (None, '') if known is None else _look_up(utterance, *known)
        emotions = _emotions(targets[i]) if told is None else told.emotions
        y = multi_hot(emotions)
        if is_unknown:
            y = np.full(len(EMOTIONS), UNKNOWN, np.uint8)
        elif known is not None and told is None:
            left_out[utterance] = f'the annotation has no such utterance{hint}'
            y = None
        elif y is None:
            left_out[utterance] = (
                f'its emotions are not all among the seven (got {list(emotions)})'
            )
        if y is not None:
            kept.append(i)
            labels.append(y)
            span = None if told is None else told.span
            spans.append((np.nan, np.nan) if span is None else span)
    return Dialogue(
        name,
        split[name],
        [utterances[i] for i in kept],
        [as_name(spoken[i]) for i in kept],
        np.array(labels, np.uint8).reshape(-1, len(EMOTIONS)),
        {m: [parts[i] for i in kept] for m, parts in features.items()},
        np.array(spans, np.float64).reshape(-1, 2),
        left_out,
    )


def _felt(data: _Parts, name: str, known: _Told | None) -> Iterator[tuple[str, ...]]:
    """What is felt in each utterance of a dialogue, nothing where nobody tells."""
    if known is None:
        yield from map(_emotions, data[2][name])
        return
    for utterance in data[0][name]:
        told, _ = _look_up(str(utterance), *known)
        yield () if told is None else told.emotions


def _called(utterance: str, known: Collection[str]) -> str:
    """The pickle puts the speaker first, ``A_anjia_1_1``; the annotation does not."""
    rest = utterance.partition('_')[2]
    return utterance if not rest or caseless(utterance) in known else rest


def _look_up(
    utterance: str, known: Mapping[str, Utterance], found: Match
) -> tuple[Utterance | None, str]:
    """What is known of an utterance, and a hint where that is nothing."""
    name = utterance if utterance in found.names else utterance.partition('_')[2]
    return known.get(name), found.hint(name)


def _emotions(target: Any) -> tuple[str, ...]:
    """One emotion, by its number or its name, if there is one."""
    if is_nothing(target):
        return ()
    if isinstance(target, int | np.integer) and 0 <= target < len(EMOTIONS):
        return (EMOTIONS[target],)
    return (str(target),)


def _show(dialogue: str) -> str:
    return dialogue.rpartition('_')[0] or dialogue
