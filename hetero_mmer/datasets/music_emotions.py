"""Mulan's ``emotions``: 593 songs, 72 audio features, six emotions.

Each column of the raw table becomes one number of one item, see :func:`layout`.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, only_source
from hetero_mmer.errors import InputError, reason
from hetero_mmer.features.column_scale import ColumnScale
from hetero_mmer.files.input import Source
from hetero_mmer.io.arff import read_header, read_rows
from hetero_mmer.io.arff_labels import PRESENT, sparse_notes
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import Like, ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.store.split import stratified_split
from hetero_mmer.typing import Track, untracked

log = logging.getLogger(__name__)

NUM_SONGS: Final = 593
OPENML_ID: Final = 40589
HOME: Final = 'https://mulan.sourceforge.net/datasets-mlc.html'
SOURCE: Final = 'Mulan, data set "emotions" (https://mulan.sourceforge.net)'
LICENCE: Final = (
    'none stated by Mulan; OpenML lists the data set as public; features only, no audio'
)
CITATION: Final = (
    'K. Trohidis, G. Tsoumakas, G. Kalliris, I. Vlahavas: Multi-label classification '
    'of music into emotions. ISMIR 2008'
)

#: Labels as the raw file spells them, and as they are meant.
LABELS: Final = {
    'amazed-suprised': 'amazed-surprised',
    'happy-pleased': 'happy-pleased',
    'relaxing-calm': 'relaxing-calm',
    'quiet-still': 'quiet-still',
    'sad-lonely': 'sad-lonely',
    'angry-aggresive': 'angry-aggressive',
}

SHARES: Final = {'train': 0.6, 'valid': 0.15, 'test': 0.25}
_SPLIT_SEED: Final = 0

#: For each modality its items, and for each item {feature column: raw column}.
Layout = Mapping[str, Mapping[str, Mapping[str, str]]]


class Table(NamedTuple):
    """The raw table: 72 columns of numbers and perhaps six of labels."""

    values: NDArray[np.float64]  # [N, 72]
    labels: NDArray[np.uint8] | None  # [N, 6]; None if none, 255 if one is unknown


def layout() -> Layout:
    """Which raw column is which feature of which item.

    Timbre has 16 items of four statistics, rhythm the two peaks, their ratio and the
    sums of the beat histogram. Each raw column has a feature column of its own, zero in
    all other items, and a one-hot says which item it is: MFCC 0 and the centroid are
    different quantities, so a linear map must not read both with the same weights.

    Example:
        >>> layout()['rhythm']['low-peak']
        {'low-peak-amp': 'BH_LowPeakAmp', 'low-peak-bpm': 'BH_LowPeakBPM'}
    """
    timbre = {
        item: {
            f'{item}-{outer}-{inner}'.lower(): f'{outer}_Acc1298_{inner}_Mem40_{raw}'
            for outer in ('Mean', 'Std')
            for inner in ('Mean', 'Std')
        }
        for item, raw in (
            (raw.lower().replace('_', '-'), raw)
            for raw in (
                'Centroid',
                'Rolloff',
                'Flux',
                *(f'MFCC_{i}' for i in range(13)),
            )
        )
    }
    rhythm = {
        'low-peak': {'low-peak-amp': 'BH_LowPeakAmp', 'low-peak-bpm': 'BH_LowPeakBPM'},
        'high-peak': {
            'high-peak-amp': 'BH_HighPeakAmp',
            'high-peak-bpm': 'BH_HighPeakBPM',
        },
        'ratio': {'high-low-ratio': 'BH_HighLowRatio'},
        'sums': {f'sum-{i}': f'BHSUM{i}' for i in (1, 2, 3)},
    }
    return {'timbre': timbre, 'rhythm': rhythm}


def raw_names() -> tuple[str, ...]:
    """Names of the 72 raw columns, in the order of Mulan's file.

    Example:
        >>> raw_names()[1], len(raw_names())
        ('Mean_Acc1298_Mean_Mem40_Rolloff', 72)
    """
    timbre, rhythm = (
        [list(item.values()) for item in items.values()] for items in layout().values()
    )
    by_statistic = zip(*timbre, strict=True)
    return (*chain.from_iterable(by_statistic), *chain.from_iterable(rhythm))


def read_arff(path: str | os.PathLike[str], *, new: bool = False) -> Table:
    """Reads Mulan's ``emotions.arff``, or the one that OpenML serves.

    Args:
        path: The file.
        new: Whether these are new songs, as many as there are, whose labels may be
            absent or ``?``, all of a song.

    Raises:
        InputError: For a file that is not there, not ARFF, or of other columns.
    """
    header = read_header(path)
    kinds = [one.kind for one in header.attributes]
    words = [i for i, kind in enumerate(kinds) if kind != 'numeric']
    rows = list(read_rows(header, texts=words))
    values = np.array([row.values for row in rows]).reshape(len(rows), len(kinds))
    columns: dict[str, NDArray] = {
        one.name: values[:, i] for i, one in enumerate(header.attributes)
    }
    for place, i in enumerate(words):
        column = np.array([row.texts[place] or '?' for row in rows], np.str_)
        columns[header.attributes[i].name] = column
    table = _table(columns, str(path), new=new)
    if any(row.is_sparse for row in rows):
        labels = [name for name in header.places if _plain(name) in LABELS]
        for note in sparse_notes(header, labels):
            log.warning('%s: %s', path, note)
    return table


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of Mulan's ``emotions.arff``.

    Mean and deviation of the raw columns are learned on train and kept with the store.
    New songs for a trained model are given ``like``: a file with the same columns,
    perhaps without labels; with them, all songs are ``test``.

    Args:
        sources: The one raw file.
        output: The store to write.
        like: A store of this format, or a run that was trained on one, whose mean and
            deviation are used instead of fitting others.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless ``clean`` is given.
        track: Nothing to tell here: it takes no time.

    Raises:
        InputError: For a file that cannot be read, or that is not ``like`` it.
    """
    pattern = read_like(like)
    source = only_source(sources, "Mulan's emotions.arff")
    table = read_arff(source, new=pattern is not None)
    clean = default_clean(clean, strict, pattern)
    hashes = sha256_of([source])
    return write(table, output, clean=clean, raw_sha256=hashes, like=pattern)


def fetch(
    output: str | os.PathLike[str],
    *,
    clean: Clean | None = None,
    track: Track = untracked,
) -> Store:
    """Gets the data set from OpenML and writes its store.

    Args:
        output: The store to write.
        clean: What replaces values that are not finite.
        track: Nothing to tell here: it comes in one piece.

    Raises:
        InputError: If OpenML cannot be reached or serves something else.
    """
    from sklearn.datasets import fetch_openml

    where = f'OpenML data set {OPENML_ID}'
    try:
        with warnings.catch_warnings():  # A retry is nothing to tell.
            warnings.simplefilter('ignore')
            bunch = fetch_openml(
                data_id=OPENML_ID,
                target_column=None,
                as_frame=False,
                parser='liac-arff',
                cache=False,
                n_retries=1,
                delay=0.1,
            )
    except Exception as error:  # URLError, a proxy's answer, a broken archive, ...
        raise InputError(f'cannot get {where} ({reason(error)})') from error
    columns: dict[str, NDArray] = {}
    for i, name in enumerate(bunch.feature_names):
        column = bunch.data[:, i]
        if name in (bunch.categories or {}):  # Served as indices of the categories.
            column = np.array(bunch.categories[name])[column.astype(np.int64)]
        columns[name] = column
    details = {
        key: str(bunch.details[key])
        for key in ('id', 'version', 'md5_checksum')
        if key in bunch.details
    }
    return write(_table(columns, where), output, clean=clean, openml=details)


def write(
    table: Table,
    output: str | os.PathLike[str],
    *,
    clean: Clean | None = None,
    raw_sha256: Mapping[str, str] | None = None,
    openml: Mapping[str, str] | None = None,
    like: Like | None = None,
) -> Store:
    """Writes the store of the raw table.

    Raw columns are standardised with mean and standard deviation of the train split,
    or of that which ``like`` comes from.

    Args:
        table: The raw table.
        output: The store to write.
        clean: What replaces values that are not finite.
        raw_sha256: SHA-256 of the raw file by name.
        openml: What OpenML says of the version it served.
        like: What features have to be like.

    Raises:
        InputError: For a ``like`` of another format, and values that are not finite.
    """
    items, names = layout(), raw_names()
    split = _split(table, like)
    scales = {m: ColumnScale(_raw(items[m])) for m in items}
    z = np.empty_like(table.values)
    for m, scale in scales.items():
        places = [names.index(name) for name in scale.columns]
        raw = np.ascontiguousarray(table.values[:, places])
        if like is None:
            scale.fit(raw[split == 'train'])
        else:
            scale = scales[m] = _scale_of(like, m, scale.columns)
        z[:, places] = scale.transform(raw)
    specs = {
        modality: ModalitySpec(
            len(columns := (*_feature_columns(items[modality]), *items[modality])),
            kind='set',
            extractor='Marsyas (timbre and beat histogram), standardised',
            columns=columns,
        )
        for modality in items
    }
    writer = StoreWriter(
        output,
        specs,
        list(LABELS.values()),
        source=_source(openml, like),
        licence=LICENCE if like is None else '',
        citation=CITATION if like is None else '',
        raw_sha256=raw_sha256,
        clean=clean,
        labelled=table.labels is not None,
        fitted={m: scale.fitted for m, scale in scales.items()},
        like=like,
    )
    with writer:
        features = {m: _items(z, names, items[m]) for m in items}
        for i in range(len(z)):
            y = None if table.labels is None else table.labels[i]
            sample = {m: array[i] for m, array in features.items()}
            writer.add(f'song-{i:03d}', sample, y, split=str(split[i]))
        writer.extra('raw', table.values)
        writer.attrs['layout'] = items
        writer.attrs['raw_columns'] = list(names)
        for which in ('mean', 'std'):
            values = dict(_learned(scales, which))
            writer.attrs[f'train_{which}'] = [values[name] for name in names]
        writer.attrs['label_spelling'] = LABELS
        if openml is not None:
            writer.attrs['openml'] = dict(openml)
    return Store(output)


def raw_columns(store: Store) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The raw table: names of its columns, and values as they came, [N, 72].

    Args:
        store: A store that :func:`convert` or :func:`fetch` wrote.

    Raises:
        InputError: For another store.
    """
    if 'raw_columns' not in store.attrs:
        raise InputError(f"'{store.path}' is not a store of music_emotions")
    return tuple(store.attrs['raw_columns']), store.extra('raw')


def _raw(items: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [raw for item in items.values() for raw in item.values()]


def _split(table: Table, like: Like | None) -> NDArray[np.str_]:
    if like is not None or table.labels is None:
        return np.full(len(table.values), '' if table.labels is None else 'test')
    parts = stratified_split(table.labels, list(SHARES.values()), seed=_SPLIT_SEED)
    return np.array(list(SHARES))[parts]


def _scale_of(like: Like, modality: str, columns: tuple[str, ...]) -> ColumnScale:
    fitted = like.encoder(modality)
    if (fitted.encoder, fitted.names) != (ColumnScale.name, columns):
        raise InputError(
            f"'{like.path}' has other columns of '{modality}' than emotions.arff "
            f"(the encoder '{fitted.encoder}' of {list(fitted.names)})"
        )
    return ColumnScale.of(fitted)


def _learned(
    scales: Mapping[str, ColumnScale], which: str
) -> Iterator[tuple[str, float]]:
    for scale in scales.values():
        array = scale.fitted.arrays[which]
        yield from zip(scale.columns, array.tolist(), strict=True)


def _source(openml: Mapping[str, str] | None, like: Like | None) -> str:
    if like is not None:
        return 'songs in the layout of Mulan\'s "emotions"'
    return SOURCE if openml is None else f'{SOURCE}, from OpenML {OPENML_ID}'


def _feature_columns(items: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(column for item in items.values() for column in item))


def _places(
    names: Sequence[str], items: Mapping[str, Mapping[str, str]]
) -> list[tuple[int, int, int]]:
    """Raw column, item, feature column: where each number goes."""
    columns = _feature_columns(items)
    return [
        (names.index(raw), i, columns.index(column))
        for i, item in enumerate(items.values())
        for column, raw in item.items()
    ]


def _items(
    z: NDArray, names: Sequence[str], items: Mapping[str, Mapping[str, str]]
) -> NDArray[np.float32]:
    """Items of a modality, [N, S, F]: their numbers, and which item each one is."""
    num_columns, num_items = len(_feature_columns(items)), len(items)
    array = np.zeros((len(z), num_items, num_columns + num_items), np.float32)
    array[:, :, num_columns:] = np.eye(num_items)
    for place, i, j in _places(names, items):
        array[:, i, j] = z[:, place]
    return array


def _table(columns: Mapping[str, Any], where: str, *, new: bool = False) -> Table:
    """Takes the columns by name and checks them."""
    by_name = {_plain(name): column for name, column in columns.items()}
    names = raw_names()
    expected = [*names, *LABELS]
    needed = expected
    if new and not any(_plain(name) in by_name for name in LABELS):
        needed = [*names]
    missing = [name for name in needed if _plain(name) not in by_name]
    others = [name for name in columns if _plain(name) not in map(_plain, expected)]
    if missing or others:
        wrong = f"no '{missing[0]}'" if missing else f"'{others[0]}'"
        raise InputError(
            f"'emotions' has 72 feature columns and 6 labels, but {where} has {wrong} "
            f'({len(missing)} columns missing, {len(others)} others)'
        )
    try:
        values = np.stack(
            [np.asarray(by_name[_plain(name)], np.float64) for name in names], axis=1
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f'feature columns are numeric, but in {where} one is not ({error})'
        ) from error
    unknown = np.zeros(len(values), bool)
    if new:
        if not len(values):
            raise InputError(f'there are no songs in {where}')
        words = [_words(by_name.get(_plain(name), ())) for name in LABELS]
        if not set().union(*words) - {'?', 'nan'}:
            return Table(values, None)
        unknown |= np.isin(words, ('?', 'nan')).all(axis=0)
    labels = np.stack(
        [_binary(name, by_name[_plain(name)], where, unknown) for name in LABELS]
    )
    if len(values) != NUM_SONGS and not new:
        log.warning("'emotions' has %d songs, %s has %d", NUM_SONGS, where, len(values))
    return Table(values, labels.T)


def _plain(name: str) -> str:
    """A name without what spellings of the same column differ in."""
    return re.sub(r'[^a-z0-9]+', '-', name.strip('\'" ').lower())


def _words(column: Any) -> list[str]:
    return [
        (word.decode() if isinstance(word, bytes) else str(word)).strip().lower()
        for word in column
    ]


def _binary(
    name: str, column: Any, where: str, unknown: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    words = _words(column)
    codes = {**PRESENT, '?': UNKNOWN, 'nan': UNKNOWN}
    wrong = [
        (i, word)
        for i, word in enumerate(words)
        if word not in codes or (codes[word] == UNKNOWN) != unknown[i]
    ]
    if wrong:
        row, word = wrong[0]
        raise InputError(
            f"labels are 0 or 1, but in {where} '{name}' of song {row} is '{word}'"
        )
    return np.array([codes[word] for word in words], np.uint8)
