"""What the columns of one's own table are: id, group, split, labels, or nothing."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hetero_mmer.datasets.emotion_words import is_emotion, unknown_labels
from hetero_mmer.errors import InputError
from hetero_mmer.io.arff_labels import PRESENT
from hetero_mmer.io.cells import read_truth
from hetero_mmer.io.csv import Table, missing_column
from hetero_mmer.io.split_names import split_of, split_words

_ROLES: Final = ('id', 'group', 'split')
_NAMES: Final = ('train', 'valid', 'test')

#: Other names of a split, without capitals, spaces and the like.
_SPLITS: Final = frozenset(
    ('splits', 'set', 'subset', 'partition', 'datasplit', 'fold', 'folds', 'cvfold')
)

#: Other names of a group: the clips of one video or turns of one dialogue belong
#: together.
_GROUPS: Final = frozenset(
    (
        *('groups', 'groupid', 'groupname', 'video', 'videoid', 'videoname', 'vid'),
        *('youtubeid', 'dialogue', 'dialogueid', 'dialog', 'dialogid', 'diaid'),
        *('conversation', 'conversationid', 'convid', 'thread', 'threadid'),
        *('recording', 'recordingid', 'song', 'songid'),
    )
)

#: What may be a group: whether a speaker of train may be in test is for its user to
#: say.
_MAYBE_GROUPS: Final = frozenset(
    name + end
    for name in (
        *('speaker', 'subject', 'participant', 'person', 'actor', 'user', 'author'),
        *('patient', 'session', 'movie', 'film', 'show', 'series', 'episode'),
    )
    for end in ('', 'id', 'name')
)


#: Words for one of these in longer names, such as 'source video id'.
_GROUP_WORDS: Final = frozenset(
    (
        *('group', 'video', 'vid', 'youtube', 'yt', 'dialogue', 'dialog', 'dia'),
        *('conversation', 'conv', 'thread', 'recording', 'song', 'speaker', 'subject'),
        *('participant', 'person', 'actor', 'user', 'author', 'patient', 'session'),
        *('movie', 'film', 'show', 'series', 'episode', 'artist', 'singer', 'podcast'),
        *('interview', 'scene', 'talk'),
    )
)

#: Words that end the name of a column which says which one, not what it is like.
_WHICH: Final = frozenset(
    (
        *('id', 'ids', 'name', 'no', 'nr', 'num', 'number', 'key', 'code', 'index'),
        *('idx', 'title', 'url', 'link', 'hash', 'file', 'path', 'ref'),
    )
)

#: Words around a short word for a split, such as 'val', that leave no other meaning.
_AROUND: Final = frozenset(
    (
        *('is', 'in', 'for', 'to', 'of', 'the', 'or', 'and', 'use', 'used', 'flag'),
        *('mask', 'belongs', 'split', 'set', 'subset', 'data', 'sample', 'samples'),
        *('fold', 'part', 'partition'),
    )
)

#: Words that mark rows of some split, without saying which.
_PARTS: Final = frozenset(
    ('fold', 'folds', 'kfold', 'cv', 'eval', 'evaluation', 'holdout', 'heldout')
)

#: How people mark rows, beside what labels are.
_MARKS: Final = {**PRESENT, 'x': 1, '': 0}


class Columns(NamedTuple):
    """Names of columns; ``group`` and ``split`` may not be there."""

    id: str
    group: str | None
    split: str | None
    labels: list[str]
    notes: list[str]


def find_columns(
    table: Table,
    path: Path,
    *,
    labels: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    deals: bool = True,
) -> Columns:
    """Tells what each column is; one that may be a split or a group is never passed by.

    Args:
        table: The table.
        path: Its file, for messages.
        labels: Which columns are labels; if None, all that are nothing else.
        ignore: Columns that are nothing.
        deals: Whether samples with labels and no split are dealt out.

    Raises:
        InputError: For no id, no labels, names that are no columns, and columns of
            which more than one may be the group or the split.

    Example:
        >>> rows = [{'ID': 'a', 'set': 'train', 'joy': '1'}]
        >>> table = Table(['ID', 'set', 'joy'], rows, [2])
        >>> find_columns(table, Path('a.csv'))[:4]
        ('ID', None, 'set', ['joy'])
    """
    if unknown := [name for name in ignore if name not in table.columns]:
        raise InputError(
            f"there is no column '{unknown[0]}' in '{path}' to ignore (got "
            f'{table.columns})'
        )
    chosen = set(labels or ()) - set(_ROLES) - set(ignore)
    free = [c for c in table.columns if c not in ignore and c not in chosen]
    by_role = {role: _called(role, free, path) for role in _ROLES}
    id_ = by_role['id']
    if id_ is None:
        raise missing_column('id', table.columns, path)
    filled = {c: [row[c] for row in table.rows if row[c]] for c in table.columns}
    others = [c for c in free if c not in by_role.values()]
    known = _SPLITS | _GROUPS | _MAYBE_GROUPS
    named = [c for c in others if _may_be_group(c, filled[c])]
    maybe = [c for c in others if plain(c) not in known and c not in named]
    is_labelled = any(filled.get(c) for c in (maybe if labels is None else chosen))
    notes = [
        f"the column '{name}' is taken as '{role}'"
        for role, name in by_role.items()
        if name not in (None, role)
    ]
    split, group = by_role['split'], by_role['group']
    if split is None or not filled[split]:
        found = _other_split(others, filled, deals and is_labelled, path)
        if found:
            split = found
            notes.append(_taken(found, 'split'))
    deals = deals and is_labelled and not (split and filled[split])
    others = [c for c in others if c != split]
    if deals:
        _refuse_flags(others, table, path)
        _refuse_split_folders(filled[id_], path)
    if group is None or not filled[group]:
        group, told = _other_group(others, table, filled, split, deals, path)
        notes += told or (_folder_notes(filled[id_]) if deals and not group else [])
    maybe = [c for c in maybe if c not in (split, group)]
    names = _label_names(table, labels, [*maybe, *chosen], path)
    used = {id_, group, split, *by_role.values(), *names}
    if unused := [c for c in table.columns if c not in used]:
        notes.append(f'columns that are not used: {", ".join(unused)}')
    strange = [name for name in names if not is_emotion(name)]
    if labels is None and strange:
        notes.append(unknown_labels(strange, 'labels'))
    return Columns(id_, group, split, names, notes)


def plain(name: str) -> str:
    """A name without capitals, spaces, dashes and the like.

    Args:
        name: The name.

    Example:
        >>> plain('Video ID') == plain('video_id') == 'videoid'
        True
    """
    text = unicodedata.normalize('NFKC', name).casefold()
    return re.sub(r'[\W_]+', '', text)


def divided(groups: Iterable[str], splits: Iterable[str]) -> list[str]:
    """Groups with samples in more than one split.

    Args:
        groups: The group of each sample, empty for none.
        splits: The split of each sample, empty for none.

    Example:
        >>> divided(['a', 'a', 'b'], ['train', 'test', 'test'])
        ['a']
    """
    first: dict[str, str] = {}
    pairs = [(g, s) for g, s in zip(groups, splits, strict=True) if g and s]
    return sorted({g for g, s in pairs if first.setdefault(g, s) != s})


def _called(role: str, columns: Sequence[str], path: Path) -> str | None:
    """The column of a role's own name, whatever its capitals and spaces."""
    found = [name for name in columns if plain(name) == role]
    if len(found) > 1:
        raise _several(found, role, path)
    return found[0] if found else None


def _other_split(
    columns: Sequence[str],
    filled: dict[str, list[str]],
    deals: bool,
    path: Path,
) -> str | None:
    """A column of another name that says the split."""
    splits = {c: {split_of(cell) for cell in filled[c]} for c in columns}
    found = [c for c in columns if splits[c] and None not in splits[c]]
    # A column of nothing but 'test' may be anything.
    sure = [c for c in found if plain(c) in _SPLITS or {'train'} < splits[c]]
    if len({tuple(map(split_of, filled[c])) for c in sure}) > 1:
        raise _several(sure, 'split', path)
    if sure:
        return sure[0]
    maybe = found or [c for c in columns if plain(c) in _SPLITS and filled[c]]
    # Two splits among the cells are no chance, whatever the others say.
    maybe = maybe or [c for c in columns if len(splits[c] - {None}) > 1]
    if not maybe or not deals:
        return None
    raise InputError(
        f"'{maybe[0]}' of '{path}' may say the split (got '{filled[maybe[0]][0]}'): "
        f"call it 'split', with train, valid and test, or leave it out with "
        f'`ignore=[{maybe[0]!r}]`'
    )


def _other_group(
    columns: Sequence[str],
    table: Table,
    filled: dict[str, list[str]],
    split: str | None,
    deals: bool,
    path: Path,
) -> tuple[str | None, list[str]]:
    """A column of another name that says the group, and what is to be told of it."""
    groups = [c for c in columns if plain(c) in _GROUPS and filled[c]]
    # Zeros and ones under 'video' may say whether there is one.
    found = [
        c for c in groups if plain(c).endswith('id') or not set(filled[c]) <= {'0', '1'}
    ]
    if len(found) > 1 and deals:
        raise _several(found, 'group', path)
    if len(found) > 1:
        names = ' and '.join(f"'{name}'" for name in found)
        return None, [f"{names} may be the group: none is; call one of them 'group'"]
    if found:
        name = found[0]
        splits = [split_of(row[split]) or '' for row in table.rows] if split else []
        torn = split and divided((row[name] for row in table.rows), splits)
        if not torn:
            return name, [_taken(name, 'group')]
        return None, [
            f"the column '{name}' is not taken as the group: the split of the table "
            f"divides {len(torn)} of its values, such as '{torn[0]}'"
        ]
    maybe = [c for c in columns if plain(c) in _MAYBE_GROUPS and filled[c]] or groups
    maybe = maybe or [c for c in columns if _may_be_group(c, filled[c])]
    if maybe and deals:
        return None, [
            f'WARNING: samples that are dealt out have no group, so those of one '
            f"'{maybe[0]}' may lie in several splits; if they are to stay together, "
            f"call that column 'group'"
        ]
    return None, []


def _may_be_group(name: str, cells: Sequence[str]) -> bool:
    """Whether a column of another name says which video, speaker or the like."""
    words = [word for word in split_words(name) if not word.isdigit()]
    is_named = _GROUP_WORDS & set(words) and words[-1] in _GROUP_WORDS | _WHICH
    if not is_named or len(set(cells)) == len(cells):
        return False
    return any(read_truth(cell) is None for cell in cells)


def _refuse_split_folders(ids: Sequence[str], path: Path) -> None:
    """Refuses ids such as ``train/1`` and ``test/1``, which say the split."""
    folders = [id_.split('/')[:-1] for id_ in ids]
    for names in zip(*folders, strict=False):
        splits = {split_of(name) for name in names}
        if None not in splits and len(splits) > 1:
            raise InputError(
                f"ids of '{path}' lie in folders that are called as splits, such as "
                f"'{ids[0]}', but no column says the split: call one 'split', with "
                f'train, valid and test'
            )


def _folder_notes(ids: Sequence[str]) -> list[str]:
    """A warning of ids such as ``v1/0`` and ``v1/1``, which may say the group."""
    folders = [id_.rpartition('/')[0] for id_ in ids]
    counts = Counter(filter(None, folders))
    several = [name for name, count in counts.items() if count > 1]
    if not several or len(set(folders)) == 1:
        return []
    return [
        f'WARNING: samples that are dealt out have no group, so those of one folder, '
        f"such as '{several[0]}', may lie in several splits; if they are to stay "
        f"together, give a column 'group'"
    ]


def _refuse_flags(columns: Sequence[str], table: Table, path: Path) -> None:
    """Refuses columns that mark the samples of a split, such as ``is_train``."""
    marks = {c: [_mark(row[c]) for row in table.rows] for c in columns if _flagged(c)}
    marks = {c: m for c, m in marks.items() if None not in m and any(m)}
    if not marks:
        return
    ignored, first = [*marks], next(iter(marks))
    splits = [_flagged(name) for name in marks]
    one_each = all(row.count(1) == 1 for row in zip(*marks.values(), strict=True))
    if one_each and len(set(splits) & set(_NAMES)) == len(marks) > 1:
        raise InputError(
            f"{' and '.join(map(repr, marks))} of '{path}' mark the split of each row: "
            f"write it into one column 'split' instead, with train, valid and test, or "
            f'leave them out with `ignore={ignored}`'
        )
    raise InputError(
        f"'{first}' of '{path}' may mark the samples of a split: write it into one "
        f"column 'split' instead, with train, valid and test, or leave it out with "
        f'`ignore={ignored}`; if it is a label, choose the labels with `labels=`'
    )


def _flagged(name: str) -> str | None:
    """The split that a name speaks of: is_train, test_mask, but not test_anxiety."""
    words = [word for word in split_words(name) if not word.isdigit()]
    found = {
        word: split_of(word) or split_of(word.removeprefix('is')) for word in words
    }
    others = {word for word, split in found.items() if split is None}
    if any(map(is_emotion, others)):
        return None
    clear = not others - _AROUND - _PARTS
    splits = [s for word, s in found.items() if s and (clear or len(word) > 3)]
    parts = [word for word in words if clear and word in _PARTS]
    return next(iter(splits + parts), None)


def _mark(cell: str) -> int | None:
    return _MARKS.get(cell.lower(), read_truth(cell))


def _label_names(
    table: Table, labels: Sequence[str] | None, others: Sequence[str], path: Path
) -> list[str]:
    if labels is None and not others:
        raise InputError(
            f'a table has a column for each label (got only {table.columns} in '
            f"'{path}')"
        )
    known = [name for name in table.columns if name in others]
    names = known if labels is None else list(labels)
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            f"there is no label column '{unknown[0]}' in '{path}' (got {known})"
        )
    return names


def _taken(name: str, role: str) -> str:
    return (
        f"the column '{name}' is taken as '{role}'; if it is none, leave it out with "
        f'`ignore=[{name!r}]`'
    )


def _several(names: Sequence[str], role: str, path: Path) -> InputError:
    return InputError(
        f"one column is the {role}, but {' and '.join(map(repr, names))} of '{path}' "
        f"may be it: call one of them '{role}' and leave the others out with "
        f'`ignore=[{names[-1]!r}]`'
    )
