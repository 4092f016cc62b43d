"""Anyone's own data: a table of samples, and arrays of features beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, only_source
from hetero_mmer.datasets.intensity import Presence, choose_above
from hetero_mmer.datasets.own.arrays import OwnArrays
from hetero_mmer.datasets.own.columns import find_columns
from hetero_mmer.datasets.own.splits import group_notes, split_notes
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source
from hetero_mmer.io.cells import are_truths, read_labels
from hetero_mmer.io.csv import Table, read_table
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.io.ids import match
from hetero_mmer.io.inside import can_be_a_file
from hetero_mmer.io.split_names import one_spelling, split_of
from hetero_mmer.schema import UNKNOWN, Kind
from hetero_mmer.store import Like, ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import SPLITS, Clean
from hetero_mmer.store.like import POSITIVE_ABOVE
from hetero_mmer.store.split import split_groups
from hetero_mmer.typing import Track, untracked


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    features: dict[str, str] | None = None,
    kinds: dict[str, Kind] | None = None,
    labels: list[str] | None = None,
    ignore: list[str] | None = None,
    positive_above: float | None = None,
    seed: int = 0,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of your own data: a table, and arrays for each modality.

    The table is CSV with a column ``id``, perhaps ``group`` (such as the video: splits
    never take a group apart) and ``split`` (``train``, ``valid``, ``test``), and a
    column of 0 and 1 (or True and False) for each label; with no label filled in at
    all, the samples have none. A row of test may have no label filled in: its labels
    are unknown. Columns that are called otherwise but are clearly a group or a split,
    such as ``video_id`` or ``set``, are taken as such and told. An array holds the
    items of one sample, [S, F], or a single one, [F]; a sample without an array lacks
    the modality.

    Args:
        sources: The table.
        output: The store to write.
        features: Where the arrays of each modality lie, in order: a folder of
            ``<id>.npy`` (in folders within it, for ids such as ``v1/0``) or an ``.npz``
            with a key for each id, such as
            ``'{text: features/text, audio: audio.npz}'``. With ``like``, samples lack
            modalities that are not given or whose folder is empty.
        kinds: ``set`` for modalities whose items have no order, such as
            ``'{comments: set}'``; others are a ``sequence``.
        labels: Which columns are labels; by default all but ``id``, ``group`` and
            ``split`` and what is called like one of them, or those of ``like``.
        ignore: Columns that are neither labels nor group nor split.
        positive_above: For columns of intensities instead of 0 and 1: a label is
            present where its intensity is above this number, not where it is equal.
        seed: Of the split where the table has none: 70 % of the groups for train, 10 %
            for valid and 20 % for test. With ``like``, labelled samples are test and
            others in no split.
        like: A store, or a run, whose modalities and labels these samples have to have;
            kinds are taken from it, and columns of labels may be absent.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse samples without any array and values that are not finite.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a mistake in the table or an array, with its place.
    """
    pattern = read_like(like)
    path = only_source(sources, 'a table')
    table = read_table(path)
    wanted, absent = labels, ''
    if pattern is not None and labels is None:
        wanted, absent = _like_labels(table, pattern, ignore or (), path)
    columns = find_columns(
        table,
        path,
        labels=[] if absent else wanted,
        ignore=ignore or (),
        deals=pattern is None,
    )
    names = pattern.label_names if pattern and absent else columns.labels
    ids = _ids(table, columns.id, path)
    above = choose_above(positive_above, pattern)
    if positive_above is None and above is not None and 0 <= above < 1:
        # Samples of intensities may be continued by some of zeros and ones.
        above = None if are_truths(table, names) else above
    y = None
    if not absent:
        is_chosen = wanted is not None
        y = read_labels(
            table, ids, names, path, is_chosen=is_chosen, positive_above=above
        )
    presence = None if above is None else Presence(names, above)
    given = [row[columns.group] if columns.group else '' for row in table.rows]
    groups = [group or id_ for group, id_ in zip(given, ids, strict=True)]
    if not features:
        raise InputError(
            "'features' says for each modality where its arrays lie (got none), such "
            "as `features={'text': 'features/text', 'audio': 'audio.npz'}`"
        )
    known = {} if pattern is None else pattern.specs
    widths = {name: spec.channels for name, spec in known.items()}
    kinds = {
        **{name: known[name].kind for name in features if name in known},
        **(kinds or {}),
    }
    if unknown := [name for name in kinds if name not in features]:
        raise InputError(
            f"'kinds' are of the modalities {list(features)} (got '{unknown[0]}')"
        )
    split, notes = _split(
        table, columns.split, groups, y is not None, seed, path, pattern
    )
    if y is not None:
        is_dealt = pattern is None and not any(
            row[columns.split] if columns.split else '' for row in table.rows
        )
        _check_unknown(y, ids, split, is_dealt, table, path)
    if absent:
        notes.append(f'{absent}: samples have no labels')
    kept: list[str] = []
    with ExitStack() as stack:
        modalities = {
            name: stack.enter_context(
                closing(OwnArrays(name, Path(where), ids, widths.get(name)))
            )
            for name, where in features.items()
        }
        specs = {
            name: ModalitySpec(arrays.channels, kind=kinds.get(name, 'sequence'))
            for name, arrays in modalities.items()
        }
        lacking = [
            name
            for name in known
            if name not in modalities or modalities[name].first is None
        ]
        specs |= {name: known[name] for name in lacking}
        notes += [
            f"no arrays of '{name}' were given: samples lack it"
            for name in lacking
            if name not in modalities
        ]
        # No encoder made other features of what is not there.
        learned = {} if pattern is None else pattern.fitted
        archives = [path for path in map(Path, features.values()) if path.is_file()]
        writer = StoreWriter(
            output,
            specs,
            names,
            source=path.name,
            raw_sha256=sha256_of([path, *archives]),
            clean=default_clean(clean, strict, pattern),
            labelled=y is not None,
            intensities=y is not None and presence is not None,
            strict=strict,
            fitted={name: learned[name] for name in lacking if name in learned},
            like=pattern,
        )
        stack.enter_context(writer)
        rows = track(range(len(ids)), 'Converting', total=len(ids))
        for i in rows:
            sample = {name: arrays.read(ids[i]) for name, arrays in modalities.items()}
            if all(array is None for array in sample.values()):
                hint = max((a.hint(ids[i]) for a in modalities.values()), key=len)
                writer.drop(ids[i], f'it has no items in any modality{hint}')
                continue
            target = strength = None
            if y is not None and np.isnan(y[i, 0]):
                target = np.full(len(names), UNKNOWN)
            elif y is not None and presence is not None:
                target, strength = presence.labels(y[i]), y[i]
            elif y is not None:
                target = y[i]
            writer.add(
                ids[i],
                sample,
                target,
                group=groups[i],
                split=split[i],
                intensities=strength,
            )
            kept.append(split[i])
        for arrays in modalities.values():
            notes += arrays.notes()
        notes += [*columns.notes, *group_notes(given)]
        if y is not None and presence is not None:
            writer.attrs[POSITIVE_ABOVE] = presence.above
            notes += presence.notes()
        notes += split_notes(kept) if y is not None and pattern is None else ()
        for note in notes:
            writer.note(note)
    return Store(output)


def _ids(table: Table, column: str, path: Path) -> list[str]:
    lines: dict[str, int] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        id_ = row[column]
        where = f"line {line} of '{path}'"
        if not can_be_a_file(id_):
            raise InputError(
                f'an id can be the name of a file, perhaps in folders, such as '
                f"'v1/0', without '..' and '\\' (got {id_!r} in {where})"
            )
        if lines.setdefault(id_, line) != line:
            raise InputError(
                f"ids are unique, but line {lines[id_]} and {where} are both '{id_}'"
            )
    if not lines:
        raise InputError(f"a table has a row for each sample (got none in '{path}')")
    return list(lines)


def _like_labels(
    table: Table, like: Like, ignore: Sequence[str], path: Path
) -> tuple[list[str], str]:
    """The columns of the labels of other samples, or why there are none to be had."""
    columns = [name for name in table.columns if name not in ignore]
    found = match(like.label_names, columns, f"the columns of '{path}'")
    names = [found.names.get(name, name) for name in like.label_names]
    if not found.names:
        return names, f'the table has none of the columns {names}'
    if missing := [name for name in names if name not in columns]:
        raise InputError(
            f"there is no label column '{missing[0]}' in '{path}', but samples are to "
            f"have those of '{like.path}'{found.hint(missing[0])}"
        )
    cells = [[row[name] for name in names] for row in table.rows]
    if partly := sum(any(row) and not all(row) for row in cells):
        of = f'{partly} of {len(cells)} rows'
        return names, f'WARNING: {of} of the table have some of the labels, but not all'
    return names, ''


def _check_unknown(
    y: NDArray[np.float64],
    ids: Sequence[str],
    split: Sequence[str],
    is_dealt: bool,
    table: Table,
    path: Path,
) -> None:
    """Refuses rows without labels where a model learns from them, or may."""
    for i in np.flatnonzero(np.isnan(y[:, 0])).tolist():
        if is_dealt or split[i] in ('train', 'valid'):
            where = 'that are dealt out at random' if is_dealt else 'of train and valid'
            raise InputError(
                f'samples {where} have labels, but those of sample '
                f"'{ids[i]}' are empty (line {table.lines[i]} of '{path}'); without "
                "labels, a row is of the split 'test'"
            )


def _split(
    table: Table,
    column: str | None,
    groups: Sequence[str],
    labelled: bool,
    seed: int,
    path: Path,
    like: Like | None,
) -> tuple[Sequence[str], list[str]]:
    cells = [row[column] if column else '' for row in table.rows]
    given = []
    for cell, line in zip(cells, table.lines, strict=True):
        split = split_of(cell) if cell else ''
        if split is None:
            raise InputError(
                f"'{column}' is one of {SPLITS} (got '{cell}' in line {line} of "
                f"'{path}')"
            )
        given.append(split)
    one_spelling(filter(None, cells), f"'{column}' of '{path}'")
    if any(given) or not labelled:
        return given, []
    if like is not None:
        return ['test'] * len(given), ['the table has no split: all of it is test']
    note = (
        f'the table has no split: its {len(set(groups))} groups were dealt out with '
        f'seed {seed}'
    )
    drawn = split_groups(groups, seed=seed).tolist()
    return drawn, [note]
