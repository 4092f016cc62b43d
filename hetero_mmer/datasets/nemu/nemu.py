"""NEMu: songs of NetEase Cloud Music, from the HHMPN paper.

Two layouts go around, and both are read: ``src-lyr``, ``src-com``, ``src-img``,
``src-aud`` with targets ``[2, ids…, 3]``, and ``lyr``, ``com``, ``img``, ``aud`` with
multi-hot targets. Lyrics and comments are token ids whose vocabulary is lost.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, name_counts, only_source
from hetero_mmer.datasets.nemu.items import (
    filled,
    flat_ids,
    holds_ids,
    id_segments,
    item_rows,
)
from hetero_mmer.datasets.padded import (
    column,
    find_keys,
    flat_target,
    is_list,
    is_nothing,
    text_of,
    unread_parts,
)
from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import Side, padding_side
from hetero_mmer.files.input import Source
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.io.pickle.load import load_joblib, load_torch
from hetero_mmer.io.split_names import find_parts
from hetero_mmer.schema import UNKNOWN, Kind
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import Track, untracked

HOME: Final = 'https://github.com/MANLP-suda/Data-set'
#: As it is called there.
FILE: Final = 'train_valid_test_all_2.job'
LICENCE: Final = 'none stated; features only, for reasons of copyright'
CITATION: Final = (
    'D. Zhang, X. Ju, W. Zhang, J. Li, S. Li, Q. Zhu, G. Zhou: Multi-modal Multi-label '
    'Emotion Recognition with Heterogeneous Hierarchical Message Passing. AAAI 2021'
)
NUM_SONGS: Final = 18_907

#: The labels in the order of their ids, 4 to 15, and as NetEase writes them.
CHINESE: Final = {
    'sad': '伤感', 'excited': '兴奋', 'lonely': '孤独', 'quiet': '安静',
    'happy': '快乐', 'nostalgic': '怀旧', 'miss': '思念', 'moving': '感动',
    'relaxed': '放松', 'healing': '治愈', 'romantic': '浪漫', 'fresh': '清新',
}  # fmt: skip
LABEL_NAMES: Final = tuple(CHINESE)

_KEYS: Final = {'lyrics': 'lyr', 'comments': 'com', 'image': 'img', 'audio': 'aud'}
MODALITIES: Final = tuple(_KEYS)
_KINDS: Final[Mapping[str, Kind]] = {
    'lyrics': 'sequence',
    'comments': 'set',
    'image': 'set',
    'audio': 'sequence',
}
_TEXTS: Final = ('lyrics', 'comments')
_MARKS: Final = ('<blank>', '<unk>', '<s>', '</s>')


class Song(NamedTuple):
    """What the file has of one song."""

    name: str
    split: str
    items: dict[str, Any]  # Raw, by modality.
    target: Any
    path: Path

    def read(self, modality: str, reader: Callable[[Any], NDArray]) -> NDArray:
        """Items of a modality; whatever is wrong with them is told with its place."""
        try:
            return reader(self.items[modality])
        except InputError as error:
            where = f"'{modality}' of '{self.name}' in '{self.path}'"
            raise InputError(f'{where}: {error}') from error


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    num_embeddings: int | None = None,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of NEMu's joblib file, pickle, or torch file.

    Lyrics are a sequence and comments a set of token ids, without the padding id 0;
    where they come as vectors, they are ordinary features. The cover is one vector,
    audio a sequence. Songs of test without a target have unknown labels.

    Args:
        sources: The one raw file.
        output: The store to write.
        num_embeddings: Size of the vocabularies; the greatest id of the file and one
            more by default, or as in ``like``.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless clean is given, and samples
            that would be dropped.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a file that cannot be read, or is laid out in another way.
    """
    pattern = read_like(like)
    path = only_source(sources, "NEMu's joblib file")
    data = _load(path)
    songs = list(_songs(data, path))
    keys = [k for short in _KEYS.values() for k in (f'src-{short}', short)]
    notes = unread_parts(data, keys, path, read=['dict'], strict=strict)
    place = _label_places(data, path)
    having = {m: [song for song in songs if m in song.items] for m in MODALITIES}
    sizes: dict[str, int] = {}
    sides: dict[str, Side] = {}
    for m, some in having.items():
        if m in _TEXTS and holds_ids(song.items[m] for song in some):
            greatest = max(song.read(m, flat_ids).max(initial=0) for song in some)
            known = None if pattern is None else pattern.num_embeddings(m)
            sizes[m] = num_embeddings or known or int(greatest) + 1
        elif _KINDS[m] == 'sequence' and some:
            sides[m] = padding_side([song.read(m, filled)[None] for song in some])
    readers = {
        m: flat_ids if m in sizes else partial(item_rows, side=sides.get(m))
        for m in MODALITIES
    }
    segments = {
        m: {song.name: song.read(m, id_segments) for song in having[m]} for m in sizes
    }
    segments = {m: s for m, s in segments.items() if any(map(np.any, s.values()))}
    writer = StoreWriter(
        output,
        {m: _spec(m, some, sizes.get(m)) for m, some in having.items() if some},
        LABEL_NAMES,
        source=f'NEMu, {HOME}',
        licence=LICENCE,
        citation=CITATION,
        raw_sha256=sha256_of([path]),
        clean=default_clean(clean, strict, pattern),
        strict=strict,
        segmented=list(segments),
        like=pattern,
    )
    total = len(songs)
    with writer:
        for song in track(songs, 'Converting', total=total):
            features = {m: song.read(m, readers[m]) for m in song.items}
            labels = _labels(song, place)
            if not any(map(len, features.values())):
                writer.drop(song.name, 'it has neither words nor sound nor picture')
                continue
            writer.add(
                song.name,
                features,
                labels,
                split=song.split,
                segments={m: s.get(song.name) for m, s in segments.items()},
            )
        splits = [song.split for song in songs]
        writer.note(name_counts(splits, {'the HHMPN paper': (15_125, 1_891, 1_891)}))
        for m in segments:
            writer.note(f'{m}: items of one list of the file are one segment')
        for m, size in sizes.items():
            how = (
                'as given' if num_embeddings or pattern else 'the greatest of the file'
            )
            writer.note(f'{m} are token ids up to {size - 1} ({how}); the id 0 pads')
        for m, side in sides.items():
            writer.note(f'{m}: rows of zeros are padding on this side: {side}')
        if any(_multi_hot(_target(song)) is not None for song in songs[:1]):
            writer.note('targets are multi-hot, in the order of the ids from 4 on')
        writer.note('the file has no names: songs are called by split and row')
        for note in notes:
            writer.note(note)
    return Store(output)


def _load(path: Path) -> Any:
    """What joblib, pickle or torch wrote."""
    if zipfile.is_zipfile(path) or path.suffix in ('.pt', '.pth'):
        return load_torch(path)
    return load_joblib(path)


def _songs(data: Any, path: Path) -> Iterator[Song]:
    """All songs, split by split."""
    found = find_parts(data, f"'{path}'") if isinstance(data, dict) else {}
    if not found:
        got = list(data)[:5] if isinstance(data, dict) else type(data).__name__
        raise InputError(
            f"'{path}' holds a dictionary with train, valid and test (got {got})"
        )
    for split, name in found.items():
        part, where = data[name], f"'{name}' in '{path}'"
        keys, targets = {}, None
        if isinstance(part, dict):
            longer = {m: f'src-{short}' for m, short in _KEYS.items()}
            keys = find_keys(part, longer, where) | find_keys(part, _KEYS, where)
            targets = part.get('tgt')
            some = next((part[key] for key in keys.values()), None)
            if split == 'test' and targets is None and is_list(some):
                targets = [None] * len(some)
        if not keys or not is_list(targets):
            got = list(part) if isinstance(part, dict) else type(part).__name__
            raise InputError(
                f"{where} has a list of targets 'tgt' and features like 'src-lyr' or "
                f"'lyr' (got {got})"
            )
        num_songs = len(targets)
        columns = {m: column(part, key, num_songs, where) for m, key in keys.items()}
        for i, target in enumerate(targets):
            items = {m: values[i] for m, values in columns.items()}
            items = {m: value for m, value in items.items() if value is not None}
            yield Song(f'{split}-{i:05d}', split, items, target, path)


def _spec(modality: str, songs: Sequence[Song], size: int | None) -> ModalitySpec:
    kind = _KINDS[modality]
    if size is not None:
        return ModalitySpec(1, kind, 'token ids', num_embeddings=size)
    items = (song.read(modality, item_rows) for song in songs)
    return ModalitySpec(next((x.shape[1] for x in items if len(x)), 1), kind)


def _label_places(data: Mapping[str, Any], path: Path) -> dict[int, int]:
    """Which id is which label: by the names in the file, if it has some."""
    known = data.get('dict')
    names = known.get('tgt') if isinstance(known, dict) else None
    if not isinstance(names, dict):
        return {4 + k: k for k in range(len(LABEL_NAMES))}
    order = {chinese: k for k, chinese in enumerate(CHINESE.values())}
    labels = {text_of(name): i for name, i in names.items()}
    labels = {name: i for name, i in labels.items() if name not in _MARKS}
    ids = {i for i in labels.values() if isinstance(i, int | np.integer)}
    if set(labels) != set(order) or len(ids) < len(order):
        raise InputError(
            f"dict['tgt'] of '{path}' has an id for each of {list(order)} (got "
            f'{labels})'
        )
    return {int(i): order[name] for name, i in labels.items()}


def _labels(song: Song, place: Mapping[int, int]) -> NDArray[np.uint8]:
    target = _target(song)
    y = _multi_hot(target)
    if y is not None:
        return y
    if song.split == 'test' and is_nothing(song.target):
        return np.full(len(LABEL_NAMES), UNKNOWN, np.uint8)
    ids = target.tolist()
    inner = ids[1:-1] if ids[:1] == [2] and ids[1:][-1:] == [3] else None
    if inner is None or any(i not in place for i in inner):
        raise InputError(
            f"the target of '{song.name}' in '{song.path}' is [2, ids, 3], from "
            f'{min(place)} to {max(place)}, or {len(LABEL_NAMES)} zeros and ones (got '
            f'{ids})'
        )
    labels = np.zeros(len(LABEL_NAMES), np.uint8)
    labels[[place[i] for i in inner]] = 1
    return labels


def _target(song: Song) -> NDArray:
    """What the file says of a song's labels, in a row."""
    if is_nothing(song.target):
        return np.asarray(song.target).reshape(-1)
    return flat_target(song.target, f"'{song.name}' in '{song.path}'")


def _multi_hot(y: NDArray) -> NDArray[np.uint8] | None:
    if y.shape == (len(LABEL_NAMES),) and np.isin(y, (0, 1)).all():
        return y.astype(np.uint8)
    return None
