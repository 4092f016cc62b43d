"""The rows of MELD's files, and what is odd about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import name_counts
from hetero_mmer.errors import InputError
from hetero_mmer.features.dialogue import LONGEST, parse_time
from hetero_mmer.io.csv import read_table

#: The labels, in the order of the authors' baseline.
EMOTIONS: Final = (
    *('neutral', 'surprise', 'fear', 'sadness', 'joy', 'disgust', 'anger'),
)
#: The split of each part, as its file is called.
SPLITS: Final = {'train': 'train', 'dev': 'valid', 'test': 'test'}
#: The part of each split.
PARTS: Final = {split: part for part, split in SPLITS.items()}
_COLUMNS: Final = (
    *('Utterance', 'Speaker', 'Dialogue_ID', 'Utterance_ID', 'StartTime', 'EndTime'),
)
#: What new dialogues may lack.
_MORE: Final = ('Emotion', 'Season', 'Episode')
#: What MELD's README counts: train, dev, test.
_UTTERANCES: Final = (9989, 1109, 2610)
_DIALOGUES: Final = (1039, 114, 280)


class Utterance(NamedTuple):
    """A row of the files."""

    part: str  # 'train', 'dev', 'test', or the name of a file of new dialogues
    dialogue: int
    number: int
    text: str
    speaker: str
    emotion: str  # Empty where it is not known.
    episode: tuple[str, str]
    times: tuple[str, str]  # start and end, as they came


def read_utterances(
    paths: Mapping[str, Path], *, strict: bool = False, new: bool = False
) -> tuple[list[Utterance], int]:
    """Reads the files.

    Args:
        paths: The file of each part.
        strict: Whether to refuse an utterance that comes twice.
        new: Whether these are new dialogues, from which nothing is learned: then none
            need be of train, and emotions may be unknown. Otherwise all those of test
            may be.

    Returns:
        The utterances in order, and how many came twice.

    Raises:
        InputError: For a row that cannot be understood.
    """
    rows: dict[tuple[str, int, int], Utterance] = {}
    num_rows = 0
    known: dict[bool, str] = {}
    for part, path in paths.items():
        needed = [c for c in _MORE if not new and (part, c) != ('test', 'Emotion')]
        table = read_table(path, (*_COLUMNS, *needed))
        num_rows += len(table.rows)
        for line, cells in zip(table.lines, table.rows, strict=True):
            where = f"line {line} of '{path}'"
            row = _utterance(part, cells, where, new or part == 'test')
            if part == 'test' and not new:
                known.setdefault(bool(row.emotion), where)
            before = rows.setdefault((part, row.dialogue, row.number), row)
            if before is not row and (strict or before != row):
                raise InputError(
                    f'an utterance comes once, but {where} has another utterance '
                    f'{row.number} of dialogue {row.dialogue}'
                )
    if len(known) > 1:
        raise InputError(
            f'either each utterance of test has an emotion or none has (got one in '
            f'{known[True]}, none in {known[False]})'
        )
    if not rows:
        raise InputError(f'there are no utterances in {_quoted(paths)}')
    if not new and not any(part == 'train' for part, _, _ in rows):
        raise InputError(
            f"features are fitted on train, but '{paths['train']}' is empty"
        )
    order = list(paths)
    keys = sorted(rows, key=lambda key: (order.index(key[0]), *key[1:]))
    return [rows[key] for key in keys], num_rows - len(rows)


def _quoted(paths: Mapping[str, Path]) -> str:
    return ' and '.join(f"'{path}'" for path in paths.values())


def _utterance(
    part: str, cells: dict[str, str], where: str, may_lack: bool
) -> Utterance:
    emotion = cells.get('Emotion', '').lower()
    if emotion not in EMOTIONS and (emotion or not may_lack):
        raise InputError(
            f"an emotion is one of {EMOTIONS} (got '{cells['Emotion']}' in {where})"
        )
    numbers = []
    for column in ('Dialogue_ID', 'Utterance_ID'):
        if not cells[column].isdecimal() or len(cells[column]) > 9:
            raise InputError(
                f"'{column}' is a whole number, in digits alone (got "
                f"'{cells[column]}' in {where})"
            )
        numbers.append(int(cells[column]))
    return Utterance(
        part,
        numbers[0],
        numbers[1],
        cells['Utterance'],
        cells['Speaker'],
        emotion,
        (cells.get('Season', ''), cells.get('Episode', '')),
        (cells['StartTime'], cells['EndTime']),
    )


def sample_id(row: Utterance) -> str:
    """As in the names of the clips, with the part before."""
    return f'{row.part}-dia{row.dialogue}'


def starts_dialogue(rows: Sequence[Utterance]) -> NDArray[np.bool_]:
    """Whether an utterance is the first of its dialogue, [N]."""
    ids = [sample_id(row) for row in rows]
    return np.array([i == 0 or ids[i] != ids[i - 1] for i in range(len(ids))], bool)


def seconds(rows: Sequence[Utterance]) -> tuple[NDArray, NDArray]:
    """Start and end of each utterance, NaN where it cannot be read."""
    times = [(parse_time(row.times[0]), parse_time(row.times[1])) for row in rows]
    start, stop = np.array(times).T
    return start, stop


def count_notes(rows: Sequence[Utterance], first: NDArray[np.bool_]) -> Iterator[str]:
    """Counts of utterances and dialogues beside the known ones."""
    split = np.array([SPLITS[row.part] for row in rows])
    yield name_counts(split, {"MELD's README": _UTTERANCES}, 'utterances')
    yield name_counts(split[first], {"MELD's README": _DIALOGUES}, 'dialogues')


def emotion_notes(rows: Sequence[Utterance]) -> Iterator[str]:
    """How many utterances have no emotion where others have one."""
    unknown = sum(not row.emotion for row in rows)
    if 0 < unknown < len(rows):
        yield (
            f'WARNING: {unknown} of {len(rows)} utterances have no emotion, so '
            'dialogues have no labels'
        )


def repeat_notes(num_repeated: int) -> Iterator[str]:
    """How many rows came twice."""
    if num_repeated:
        yield f'{num_repeated} rows repeat another one and were left out'


def time_notes(
    start: NDArray, stop: NDArray, first: NDArray[np.bool_], values: NDArray
) -> Iterator[str]:
    """Times that cannot be right, and utterances that overlap."""
    duration, gap = stop - start, np.r_[np.nan, start[1:] - stop[:-1]]
    gap[first] = np.nan
    unread = np.isnan(duration)
    counts = {
        'have a time that cannot be read': unread,
        'end where they start, or before': duration <= 0,
        f'last longer than {LONGEST:g} s': duration > LONGEST,
        f'start more than {LONGEST:g} s before or after the end of the previous one': (
            np.abs(gap) > LONGEST
        ),
    }
    found = ', '.join(
        f'{n} {what}' for what, is_so in counts.items() if (n := is_so.sum())
    )
    if found:
        yield f'of the utterances {found}: what these times tell counts as unknown'
    if overlaps := (values[:, 1] < 0).sum():
        yield f'{overlaps} utterances start before the previous one ends: a gap below 0'


def shared_notes(rows: Sequence[Utterance]) -> Iterator[str]:
    """Utterances that lie in two dialogues, which may lie in two splits."""
    known: dict[tuple, Utterance] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    leaks: Counter[tuple[str, str]] = Counter()
    for row in rows:
        other = known.setdefault((row.text, row.speaker, row.episode, row.times), row)
        pair = sample_id(other), sample_id(row)
        if pair[0] != pair[1]:
            (pairs if other.part == row.part else leaks)[pair] += 1
    for counts, where in ((pairs, 'of one split'), (leaks, 'of two splits')):
        if counts:
            names = ', '.join(f'{a} and {b}: {n}' for (a, b), n in counts.items())
            yield f'dialogues {where} share utterances ({names})'
