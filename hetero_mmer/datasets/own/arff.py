"""Anyone's own data in ARFF, as Mulan and MEKA have it: a row for each sample."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean
from hetero_mmer.datasets.own.columns import plain
from hetero_mmer.datasets.own.splits import split_notes
from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.files.input import Source, existing
from hetero_mmer.io.arff import Attribute, Header, read_header, read_rows
from hetero_mmer.io.arff_features import (
    FeatureColumns,
    choose_features,
    column_names,
    matching,
)
from hetero_mmer.io.arff_labels import (
    LabelColumns,
    Labels,
    check_attributes,
    find_labels,
    sparse_notes,
    train_share,
)
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.io.split_names import split_of, split_words
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import Like, ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.store.split import stratified_split
from hetero_mmer.typing import Track, untracked

ENCODER: Final = 'arff-columns-1'
SHARES: Final = {'train': 0.7, 'valid': 0.1, 'test': 0.2}
#: Dealing 30 times for the most even split takes minutes where there is so much more.
_DEALT: Final = 3_000_000


class _Samples(NamedTuple):
    """What is known of all rows before their features are read."""

    ids: list[str]
    labels: NDArray[np.uint8]  # [N, L], 255 for unknown
    split: NDArray[np.str_]  # what the names of files say, empty for nothing
    num_weighted: int
    num_sparse: int


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    labels: int | str | list[str] | None = None,
    features: dict[str, str | list[str]] | None = None,
    ids: str | None = None,
    ignore: list[str] | None = None,
    seed: int = 0,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of ARFF files as Mulan, MEKA and OpenML have them.

    A row is a sample, dense or sparse; in each modality it has one item. A nominal
    attribute becomes a column for each of its values, or a single one if these are 0
    and 1, no and yes or the like; text and dates are not used. A row of test whose
    labels are all ``?`` has unknown labels.

    Args:
        sources: One file, or one for each split, called so: ``music-train.arff`` and
            ``music-test.arff``. Their attributes are the same.
        output: The store to write.
        labels: Which attributes are labels: Mulan's file of them, ``labels.xml``; how
            many come first, such as ``6``, or last, ``-6``; or their names, such as
            ``'[joy, anger]'``. By default what MEKA's ``-C`` in the relation's name
            says, or an XML file beside the source that is called like it; those of
            ``like``.
        features: Which attributes are features of each modality: a name, a wildcard, a
            range of names, or several, such as ``'{rhythm: BH*, timbre: [Mean*,
            Std1..Std9]}'``. By default all are of one modality, ``features``.
        ids: The attribute whose values are the samples' ids; by default one that is
            called ``id``, or else the numbers of rows, from 0.
        ignore: Attributes, or wildcards, that are neither labels nor features.
        seed: Of what is dealt out, evenly in each label: where there is one file, 70 %
            of its rows for train, 10 % for valid and 20 % for test, unless MEKA's
            ``-split-number`` or ``-split-percentage`` in the relation's name divides
            train and test; where there is no valid, an eighth of train. With ``like``,
            labelled samples are test and others in no split.
        like: A store of this format, or a run that was trained on one, whose features
            and labels these samples have to have; labels may be absent.
        clean: What replaces values that are unknown, ``?``, or not finite, zero by
            default.
        strict: Refuse samples with an unknown label and values that are not finite.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a mistake in a file, with its place, or files that differ.
    """
    pattern = read_like(like)
    headers = [read_header(existing(source)) for source in sources]
    if not headers:
        raise InputError('this format is one ARFF file or more (got none)')
    first = headers[0]
    for other in headers[1:]:
        check_same(first, other)
    found = _labels(first, labels, pattern)
    ignored = {i for name in ignore or () for i in matching(first, name, '`ignore=`')}
    id_name, notes = _id_name(first, ids, found.names, ignored)
    taken = {first.places[name] for name in (*found.names, *filter(None, [id_name]))}
    columns = _columns(first, features, taken | ignored, pattern)
    readers = [
        {m: FeatureColumns(header, names) for m, names in columns.items()}
        for header in headers
    ]
    samples = _read_samples(headers, found.names, id_name, pattern)
    known = np.asarray((samples.labels != UNKNOWN).all(axis=1))
    bare = np.asarray((samples.labels == UNKNOWN).all(axis=1))
    labelled = bool(found.names and known.any())
    labelled = labelled and (pattern is None or bool((known | bare).all()))
    split, dealt = _deal(first, samples, known & labelled, seed, pattern)
    is_new = pattern is not None
    kept = known | (bare & ((split == 'test') | is_new))
    kept |= not labelled
    _check_room(Path(output), len(split) * sum(map(len, columns.values())))
    writer = StoreWriter(
        output,
        {
            m: ModalitySpec(len(names), kind='set', columns=tuple(names))
            for m, names in columns.items()
        },
        found.names or (pattern.label_names if pattern else ()),
        source=', '.join(header.path.name for header in headers),
        raw_sha256=sha256_of([*(h.path for h in headers), *filter(None, [found.xml])]),
        clean=default_clean(clean, strict, pattern),
        labelled=labelled,
        strict=strict,
        fitted={m: Fitted(ENCODER, tuple(names)) for m, names in columns.items()},
        like=pattern,
    )
    with writer:
        rows = track(
            _features(headers, readers),
            'Converting',
            total=len(split),
        )
        for i, sample in enumerate(rows):
            y = samples.labels[i]
            if kept[i]:
                target = (
                    (y if known[i] else np.full_like(y, UNKNOWN)) if labelled else None
                )
                writer.add(samples.ids[i], sample, target, split=str(split[i]))
            else:
                name = found.names[int((y == UNKNOWN).argmax())]
                writer.drop(samples.ids[i], f"its label '{name}' is unknown")
        notes = [*found.notes, *notes, *_label_notes(found.names, known, labelled)]
        if samples.num_sparse:
            notes += [f'WARNING: {n}' for n in sparse_notes(first, found.names)]
        used = taken.union(*(reader.places for reader in readers[0].values()))
        notes += [*dealt, *_other_notes(first, used, samples.num_weighted)]
        if isinstance(labels, list):
            notes += _like_labels(first, found.names, used - taken)
        if labelled and pattern is None:
            notes += split_notes(split[kept].tolist())
        for note in notes:
            writer.note(note)
    return Store(output)


def check_same(one: Header, other: Header) -> None:
    """Refuses two files of one data set whose attributes differ.

    Values of a nominal attribute may be listed in another order.

    Args:
        one: The header of a file.
        other: That of another one.

    Raises:
        InputError: For the first difference.
    """
    for i, (a, b) in enumerate(zip_longest(one.attributes, other.attributes), 1):
        if a and b and a[:2] == b[:2] and set(a.values) == set(b.values):
            continue
        said = [_about(x) if x else 'none' for x in (a, b)]
        raise InputError(
            f'files of one data set have the same attributes, but number {i} is '
            f"{said[0]} in '{one.path}' and {said[1]} in '{other.path}'"
        )


def _about(one: Attribute) -> str:
    listed = f'{{{", ".join(one.values)}}}' if one.kind == 'nominal' else one.kind
    return f"'{one.name}' {listed[:80]}"


def _labels(
    header: Header, chosen: int | str | Sequence[str] | None, like: Like | None
) -> Labels:
    """Which attributes are labels; none if these samples for a model have none."""
    if like is None or chosen is not None:
        return find_labels(header, chosen)
    names = list(like.label_names)
    if any(name in header.places for name in names):
        check_attributes(header, names, f"of a label of '{like.path}'")
        return Labels(names, None, [])
    note = f'no attribute is called like one of the labels {names}'
    return Labels([], None, [f'{note}: samples have no labels'])


def _id_name(
    header: Header, chosen: str | None, labels: Sequence[str], ignored: set[int]
) -> tuple[str | None, list[str]]:
    """The attribute that says the ids, and what is to be told of it."""
    if chosen is not None:
        check_attributes(header, [chosen], 'for `ids=`')
        if chosen in labels:
            raise InputError(f"'{chosen}' is a label, so it cannot say the ids")
        return chosen, []
    free = [name for name, i in header.places.items() if i not in ignored]
    found = [name for name in free if plain(name) == 'id' and name not in labels]
    if len(found) != 1:
        return None, []
    return found[0], [
        f"the attribute '{found[0]}' is taken as the samples' ids; if it is none, "
        f'leave it out with `ignore=[{found[0]!r}]`'
    ]


def _columns(
    header: Header,
    features: dict[str, str | list[str]] | None,
    taken: set[int],
    like: Like | None,
) -> dict[str, list[str]]:
    """Names of the columns of each modality."""
    if like is None or features is not None:
        chosen = choose_features(header, features, taken)
        return {
            m: column_names([header.attributes[i] for i in places])
            for m, places in chosen.items()
        }
    columns = {}
    for modality in like.specs:
        fitted = like.encoder(modality)
        if fitted.encoder != ENCODER:
            raise InputError(
                f"'{like.path}' was made of no ARFF files by this format (the encoder "
                f"of '{modality}' is '{fitted.encoder}')"
            )
        columns[modality] = list(fitted.names)
    return columns


def _read_samples(
    headers: Sequence[Header],
    labels: Sequence[str],
    id_name: str | None,
    like: Like | None,
) -> _Samples:
    """Reads labels and ids; features are read again, as they may not fit in memory."""
    parts = _parts([header.path for header in headers], like)
    ids: list[str] = []
    split: list[str] = []
    found: list[NDArray[np.uint8]] = []
    num_weighted = num_sparse = 0
    for header, part in zip(headers, parts, strict=True):
        columns = LabelColumns(header, labels)
        texts = [] if id_name is None else [header.places[id_name]]
        prefix = 'row' if len(headers) == 1 else part or header.path.stem
        for i, row in enumerate(read_rows(header, columns.places, texts=texts)):
            if texts and not row.texts[0]:
                raise InputError(
                    f"a sample has an id, but '{id_name}' is empty or unknown in line "
                    f"{row.line} of '{header.path}'"
                )
            ids.append((row.texts[0] if texts else None) or f'{prefix}-{i}')
            found.append(columns.read(row))
            split.append(part)
            num_weighted += row.weight != 1
            num_sparse += row.is_sparse
    if not ids:
        raise InputError(f"'{headers[0].path}' has no rows")
    y = np.array(found, np.uint8).reshape(len(ids), len(labels))
    return _Samples(ids, y, np.array(split), num_weighted, num_sparse)


def _features(
    headers: Sequence[Header], readers: Sequence[Mapping[str, FeatureColumns]]
) -> Iterator[dict[str, NDArray[np.float64]]]:
    """The one item of each modality of each row."""
    for header, by_modality in zip(headers, readers, strict=True):
        places = list(chain(*(reader.places for reader in by_modality.values())))
        stops = np.cumsum([len(reader.places) for reader in by_modality.values()])
        for row in read_rows(header, places):
            values = np.split(row.values, stops[:-1])
            yield {
                m: reader.read(row, some)[None]
                for (m, reader), some in zip(by_modality.items(), values, strict=True)
            }


def _parts(paths: Sequence[Path], like: Like | None) -> list[str]:
    """The split that the name of each file says; one file is all there is."""
    if len(paths) == 1:
        return ['']
    parts = [_part(path.stem) for path in paths]
    if like is not None:
        return parts
    for i, (path, part) in enumerate(zip(paths, parts, strict=True)):
        if not part:
            raise InputError(
                f'each of several files has its split in its name, such as '
                f"music-train.arff and music-test.arff (got '{path}')"
            )
        if part in parts[:i]:
            raise InputError(
                f"a split is one file, but '{paths[parts.index(part)]}' and '{path}' "
                f"are both '{part}'"
            )
    return parts


def _part(stem: str) -> str:
    words = split_words(stem)
    # In a longer name, two letters may stand for anything, unless they end it.
    some = {split_of(word) for word in words if len(word) > 2 or word == words[-1]}
    found = some - {None}
    return found.pop() or '' if len(found) == 1 else ''


def _deal(
    header: Header,
    samples: _Samples,
    usable: NDArray[np.bool_],
    seed: int,
    like: Like | None,
) -> tuple[NDArray[np.str_], list[str]]:
    """The split of each sample, and how it came about; only usable ones are dealt."""
    split = samples.split.astype('U5')
    if not usable.any():
        return split, []
    if like is not None:
        split[split == ''] = 'test'
        return split, []
    notes = []
    if not split[0]:
        share = train_share(header.relation, len(split))
        if share is None:
            rows = np.flatnonzero(usable)
            split[rows] = _even(samples.labels[rows], SHARES, seed)
            note = f'the file has no split: its {len(rows)} rows were dealt out evenly'
            return split, [f'{note} in each label, with seed {seed}']
        count, option = share
        split[:count], split[count:] = 'train', 'test'
        notes.append(
            f'the first {count} rows are train and the other {len(split) - count} '
            f'test, as {option} in the relation says'
        )
    rows = np.flatnonzero(usable & (split == 'train'))
    if 'valid' not in split and len(rows):
        split[rows] = _even(
            samples.labels[rows], {'train': 7 / 8, 'valid': 1 / 8}, seed
        )
        notes.append(
            f'there is no valid split: an eighth of train was dealt out evenly in each '
            f'label, with seed {seed}'
        )
    return split, notes


def _even(labels: NDArray, shares: Mapping[str, float], seed: int) -> NDArray[np.str_]:
    deals = int(np.clip(_DEALT // max(labels.size, 1), 1, 30))
    parts = stratified_split(labels, list(shares.values()), seed=seed, num_deals=deals)
    return np.array(list(shares))[parts]


def _check_room(output: Path, num_values: int) -> None:
    """Sparse rows may be a thousand times as large in a store."""
    folder = next(p for p in output.absolute().parents if p.is_dir())
    needed, free = 4 * num_values, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f'the store needs {needed / 1e9:.1f} GB, as it holds the zeros of sparse '
            f"rows, too, but '{folder}' has {free / 1e9:.1f} GB left: leave out "
            f'attributes with `ignore=` or `features=`'
        )


def _label_notes(
    names: Sequence[str], known: NDArray[np.bool_], labelled: bool
) -> Iterator[str]:
    if names and not labelled:
        yield (
            f'{(~known).sum()} of {len(known)} rows have an unknown label: samples '
            'have no labels'
        )


def _like_labels(
    header: Header, names: Sequence[str], features: set[int]
) -> Iterator[str]:
    """What is a label as well, by its values and its place beside the named ones."""
    attributes, labels = header.attributes, {header.places[name] for name in names}
    beside = set(labels)
    for places in (range(len(attributes)), reversed(range(len(attributes)))):
        before = -1
        for i in places:
            alike = attributes[i].values == attributes[before].values
            if before in beside and i in features and alike:
                beside.add(i)
            before = i
    if more := [attributes[i].name for i in sorted(beside - labels)]:
        rest = f', ... ({len(more)} in all)' if len(more) > 5 else ''
        yield (
            f'WARNING: features that lie beside the labels and have the same values: '
            f'{", ".join(more[:5])}{rest}; if they are labels, too, name them with '
            '`labels=`, or leave them out with `ignore=`'
        )


def _other_notes(header: Header, used: set[int], num_weighted: int) -> Iterator[str]:
    names = [one.name for i, one in enumerate(header.attributes) if i not in used]
    if names:
        more = f', ... ({len(names)} in all)' if len(names) > 5 else ''
        yield f'attributes that are not used: {", ".join(names[:5])}{more}'
    if num_weighted:
        yield f'{num_weighted} rows have a weight, which is not used'
