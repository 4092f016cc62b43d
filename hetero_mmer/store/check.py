"""Whether a store says of itself what writers write, and no more than fits its file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.io.safe_h5 import declared_bytes
from hetero_mmer.store.format import Clean

#: Groups and datasets of a file; a modality has up to a dozen.
MAX_OBJECTS: Final = 10_000

#: What co-occurrences of labels can be counted of.
MAX_LABELS: Final = 4096

#: Compressed numbers may take so much more memory than the file is long, and strings,
#: which take four times as much there.
_SLACK: Final = 8 << 20
_STRING_SLACK: Final = 192 << 20

#: These are read in slices, never as a whole.
_LARGE: Final = re.compile(r'features/[^/]+/(values|time|cleaned|segment|names)')


def check_sizes(
    nodes: Iterable[tuple[str, h5py.Group | h5py.Dataset]], length: int
) -> None:
    """Refuses a store whose small parts take far more memory than the file is long.

    Args:
        nodes: All of its groups and datasets, by name.
        length: Size of the file.

    Raises:
        ValueError: Says what they would take.
    """
    numbers = strings = 0
    for name, node in nodes:
        if not isinstance(node, h5py.Dataset) or _LARGE.fullmatch(name):
            continue
        if node.id.get_type().get_class() == h5py.h5t.STRING:
            strings += declared_bytes(node)
        else:
            numbers += declared_bytes(node)
    for what, size, limit in (
        ('arrays beside the features', numbers, length + _SLACK),
        ('ids and other strings', 4 * strings, 2 * length + _STRING_SLACK),
    ):
        if size > limit:
            raise ValueError(
                f'its {what} take {size} bytes of memory, and the file has {length}'
            )


def check_longest(
    modality: str, ptr: NDArray[np.int64], items: h5py.Dataset, length: int
) -> None:
    """Refuses a sample or a row that alone takes far more memory than the file is long.

    Args:
        modality: Its name.
        ptr: Where its samples start, and where the last one ends, [N + 1].
        items: Its items, or their names, which may be compressed.
        length: Size of the file.

    Raises:
        ValueError: Says what it would take.
    """
    rows = max(1, int(np.diff(ptr).max(initial=0)))
    size = rows * math.prod(items.shape[1:]) * items.dtype.itemsize
    if size > length + _SLACK:
        raise ValueError(
            f"'{modality}' has a sample of {size} bytes, and the file has {length}"
        )


def check_about(about: Any) -> None:
    """Refuses what is no description of a store.

    Args:
        about: What is under ``about``, as plain Python.

    Raises:
        ValueError: Says what is wrong.
        KeyError: For what is missing.
    """
    _expect('about', isinstance(about, dict))
    for key in ('source', 'licence', 'citation'):
        _expect(key, isinstance(about[key], str))
    _expect('raw_sha256', isinstance(about['raw_sha256'], dict))
    _expect('raw_sha256', _are_strings(list(about['raw_sha256'].values())))
    _expect('clean', about['clean'] in (None, *get_args(Clean)))
    names = about['label_names']
    _expect('label_names', _are_strings(names) and len(set(names)) == len(names))
    if len(names) > MAX_LABELS:
        raise ValueError(f'it has {len(names)} labels, more than {MAX_LABELS}')
    _expect('modalities', isinstance(about['modalities'], dict))
    for spec in about['modalities'].values():
        _check_spec(spec)


def check_attrs(attrs: Any) -> None:
    """Refuses attributes that are no dictionary, and notes that are no sentences.

    Args:
        attrs: What is under ``attrs``, as plain Python.

    Raises:
        ValueError: Says what is wrong.
    """
    _expect('attrs', isinstance(attrs, dict))
    _expect('notes', _are_strings(attrs.get('notes', [])))


def _check_spec(spec: Any) -> None:
    _expect('modalities', isinstance(spec, dict))
    _expect('channels', type(spec['channels']) is int)
    _expect('num_embeddings', type(spec.get('num_embeddings')) in (int, type(None)))
    _expect('extractor', isinstance(spec.get('extractor', ''), str))
    _expect('columns', _are_strings(spec['columns']))


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _expect(what: str, fits: bool) -> None:
    if not fits:
        raise ValueError(f"'{what}' is not what a store has there")
