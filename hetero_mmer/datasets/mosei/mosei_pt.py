"""``train_valid_test.pt``: aligned CMU-MOSEI as HHMPN, TAILOR and CARAT read it."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.common import default_clean, name_counts, only_source
from hetero_mmer.datasets.intensity import Presence, choose_above
from hetero_mmer.datasets.mosei import facts as mosei_facts
from hetero_mmer.datasets.mosei.targets import read_intensities, read_targets
from hetero_mmer.datasets.padded import (
    column,
    each_row,
    is_nothing,
    size_of,
    specs_of,
    take_arrays,
    text_of,
    unread_parts,
)
from hetero_mmer.errors import InputError
from hetero_mmer.features.padding import find_padding
from hetero_mmer.files.input import Source
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.io.pickle.load import load_torch
from hetero_mmer.schema import UNKNOWN
from hetero_mmer.store import Store, StoreWriter, read_like
from hetero_mmer.store.format import Clean
from hetero_mmer.store.like import POSITIVE_ABOVE
from hetero_mmer.typing import Track, untracked

_KEYS: Final = {'text': 'src-text', 'visual': 'src-visual', 'audio': 'src-audio'}

#: Names in ``dict['tgt']`` that are no label, those that a target may hold first.
_MARKS: Final = ('<blank>', '<s>', '</s>')
_SPECIAL: Final = (*_MARKS, '<unk>')


def convert(
    sources: Sequence[Source],
    output: Source,
    *,
    vector_order: list[str] | None = None,
    positive_above: float | None = None,
    like: str | Path | None = None,
    clean: Clean | None = None,
    strict: bool = False,
    track: Track = untracked,
) -> Store:
    """Writes the store of a ``train_valid_test.pt``.

    Labels are those that the file names. It has no ids: samples are called by split
    and row, and which of them share a video is not known. A test split without targets
    has unknown labels.

    Args:
        sources: The one raw file.
        output: The store to write.
        vector_order: The labels in the order of the entries, for a file whose targets
            are vectors of zeros and ones in another order than the SDK's.
        positive_above: For a file whose targets are vectors of intensities: a label is
            present where its intensity is above this number.
        like: A store, or a run, whose modalities and labels these samples have to have.
        clean: What replaces values that are not finite, zero by default.
        strict: Refuse values that are not finite, unless ``clean`` is given.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a file that cannot be read, or is laid out in another way.
    """
    pattern = read_like(like)
    path = only_source(sources, 'a train_valid_test.pt')
    data = load_torch(path)
    parts = take_arrays(data, _KEYS, path)
    read = ('dict', 'settings')
    others = unread_parts(data, _KEYS.values(), path, read=read, strict=strict)
    ids = _ids(data, path)
    labels = [name for name in sorted(ids, key=ids.__getitem__) if name not in _SPECIAL]
    names = mosei_facts.label_order([mosei_facts.label_name(name) for name in labels])
    called = mosei_facts.called_like(names, pattern.label_names if pattern else names)
    unknown = [s for s in parts if s == 'test' and is_nothing(data[s].get('tgt'))]
    raw = {
        split: column(data[split], 'tgt', size_of(arrays), f"{split} in '{path}'")
        for split, arrays in parts.items()
        if split not in unknown
    }
    targets: Mapping[str, NDArray]
    presence, are_vectors = None, bool(raw)  # Nothing is said of none.
    if positive_above is None:
        known = [ids[name] for name in _MARKS if name in ids]
        targets, are_vectors = read_targets(
            raw, [ids[name] for name in labels], known, str(path)
        )
    else:
        choose_above(positive_above, pattern)
        presence = Presence(names, positive_above)
        targets = read_intensities(raw, len(labels), str(path))
    entries = labels
    if are_vectors or vector_order is not None:
        entries = _entries(labels, vector_order, are_vectors, path)
    order = [entries.index(n) for n in _in_order(labels, [*called])]
    targets = {split: y[:, order] for split, y in targets.items()}
    for split in unknown:
        targets[split] = np.full((size_of(parts[split]), len(names)), UNKNOWN, np.uint8)
    padding = find_padding(parts)
    writer = StoreWriter(
        output,
        specs_of(parts),
        list(called.values()),
        source=f'{mosei_facts.SOURCE}, train_valid_test.pt of HHMPN, TAILOR and CARAT',
        licence=mosei_facts.LICENCE,
        citation=mosei_facts.CITATION,
        raw_sha256=sha256_of([path]),
        clean=default_clean(clean, strict, pattern),
        intensities=presence is not None,
        strict=strict,
        like=pattern,
    )
    splits = [split for split, y in targets.items() for _ in y]
    rows = each_row(parts)
    with writer:
        for split, i in track(rows, 'Converting', total=len(splits)):
            features = padding.items(split, parts[split], i)
            sample_id = f'{split}-{i:05d}'
            if not any(map(len, features.values())):
                writer.drop(sample_id, 'all of its rows are zero')
                continue
            y = targets[split][i]
            scored = None if split in unknown else presence
            writer.add(
                sample_id,
                features,
                y if scored is None else scored.labels(y),
                split=split,
                intensities=None if scored is None else y,
            )
        writer.attrs['settings'] = _plain(data.get('settings'))
        writer.attrs['target_ids'] = ids
        writer.note(name_counts(splits, mosei_facts.KNOWN_COUNTS))
        writer.note(padding.note())
        writer.note(f'labels are named as in the file: {", ".join(labels)}')
        if are_vectors:
            what = 'zeros and ones' if presence is None else 'intensities'
            writer.note(f'targets are vectors of {what}: {", ".join(entries)}')
        if presence is not None:
            writer.attrs[POSITIVE_ABOVE] = presence.above
            for note in presence.notes():
                writer.note(note)
        writer.note(
            'the file has no ids: samples are called by split and row, and which of '
            'them share a video is not known'
        )
        for note in others:
            writer.note(note)
    return Store(output)


def _ids(data: Any, path: Source) -> dict[str, int]:
    """The ids of targets by name."""
    try:
        ids = {text_of(name): _whole(i) for name, i in data['dict']['tgt'].items()}
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        ids = {}
    labels = set(ids) - set(_SPECIAL)
    if not labels or len(set(ids.values())) < len(ids):
        raise InputError(
            f"'{path}' says in dict['tgt'] which id is which label, each another one "
            f'(got {ids or None})'
        )
    if len({mosei_facts.label_name(name) for name in labels}) < len(labels):
        raise InputError(f"labels of '{path}' have different names (got {list(ids)})")
    return ids


def _whole(value: Any) -> int:
    """A whole number, which an id is; int() alone would cut 4.7 to 4."""
    number = int(value)
    if isinstance(value, bool | np.bool_) or number != float(value):
        raise ValueError(value)
    return number


def _in_order(labels: Sequence[str], names: Sequence[str]) -> list[str]:
    """The file's labels in the order of ours."""
    ours = {mosei_facts.label_name(label): label for label in labels}
    return [ours[name] for name in names]


def _entries(
    labels: Sequence[str],
    vector_order: Sequence[str] | None,
    are_vectors: bool,
    path: Source,
) -> list[str]:
    """Which label each entry of a vector is: as chosen, or by the ids of the labels.

    Raises:
        InputError: For ids in another order of CMU-MOSEI's emotions than the SDK's:
            nothing tells which of the two orders the vectors have.
    """
    ours = {mosei_facts.label_name(label): label for label in labels}
    if vector_order is not None:
        chosen = [mosei_facts.label_name(name) for name in vector_order]
        if not are_vectors or sorted(chosen) != sorted(ours):
            found = list(labels) if are_vectors else 'lists of ids'
            raise InputError(
                f"'vector_order' has each label of '{path}' once, where its targets "
                f'are vectors (got {list(vector_order)} for {found})'
            )
        return [ours[name] for name in chosen]
    is_mosei = sorted(ours) == sorted(mosei_facts.LABEL_NAMES)
    if is_mosei and tuple(ours) != mosei_facts.LABEL_NAMES:
        raise InputError(
            f"targets of '{path}' are vectors of zeros and ones, but nothing says "
            f"whether in the order of its ids ({', '.join(labels)}) or the SDK's "
            f'({", ".join(mosei_facts.LABEL_NAMES)}): say it with `vector_order=`'
        )
    return list(labels)


def _plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON can hold them."""
    values = vars(settings) if isinstance(settings, Namespace) else settings
    if not isinstance(values, dict):
        return {}
    return {str(key): _json(value) for key, value in values.items()}


def _json(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return str(value)
