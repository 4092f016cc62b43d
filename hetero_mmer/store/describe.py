from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.features.fitted import short
from hetero_mmer.schema import Kind
from hetero_mmer.store.format import SPLITS
from hetero_mmer.store.reader import Store

#: The number of labels up to which all pairs of them are counted.
MAX_PAIRED: Final = 1000


@dataclass(frozen=True)
class ModalityDescription:
    """Plain numbers about one modality; items are counted where it is present.

    ``segmented`` and ``named`` say whether items belong to segments, and have names;
    ``fitted`` is the short hash of what its encoder learned, None where nothing is.
    """

    channels: int
    num_embeddings: int | None
    kind: Kind
    extractor: str
    dtype: str
    num_items: int
    items_min: int
    items_median: float
    items_max: int
    missing: int
    minimum: float | None
    maximum: float | None
    non_finite: int | None
    fitted: str | None
    segmented: bool
    named: bool


@dataclass(frozen=True)
class Description:
    """Plain numbers about a store, which are what its JSON holds.

    ``label_counts``, ``cardinality``, ``co_occurrence`` ([L][L], how many samples have
    both labels) and ``without_labels`` are of the samples whose labels are known, None
    if there are none, and so is ``split_label_counts``: how many samples of each split
    have each label. ``split_labelled`` counts the samples of each split whose labels
    are known. ``extras`` are the names of other arrays with a row per sample. Nobody
    reads ``co_occurrence`` of more than 1000 labels, so it is None,
    too.
    """

    path: str
    num_bytes: int
    num_samples: int
    modalities: dict[str, ModalityDescription]
    label_names: tuple[str, ...]
    label_counts: dict[str, int] | None
    cardinality: float | None
    co_occurrence: list[list[int]] | None
    without_labels: int | None
    splits: dict[str, int]
    split_labelled: dict[str, int]
    split_label_counts: dict[str, dict[str, int]] | None
    num_groups: int
    groups_across_splits: list[str]
    duplicate_ids: list[str]
    source: str
    licence: str
    citation: str
    raw_sha256: dict[str, str]
    clean: str | None
    intensities: bool
    extras: tuple[str, ...]
    dropped: list[tuple[str, str]]
    attrs: dict[str, Any]

    @property
    def planted(self) -> dict[str, Any] | None:
        """What a synthetic data set says of itself, None for a real one."""
        return self.attrs.get('planted')


def describe(store: Store | str | os.PathLike[str]) -> Description:
    """Describes a store from what its writer recorded, without reading any features.

    Args:
        store: A store or its path.

    Raises:
        InputError: For a file that cannot be read.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import ModalitySpec, StoreWriter
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(1)}, ['joy']) as w:
        ...     w.add('a', {'text': [[1.0], [5.0]]}, [1], split='train')
        ...     w.add('b', {'text': [[2.0]]}, [0], split='train')
        >>> description = describe(path)
        >>> description.modalities['text'].items_median, description.label_counts
        (1.5, {'joy': 1})
    """
    if not isinstance(store, Store):
        with Store(store) as opened:
            return describe(opened)
    known, split = store.known, store.split
    y = None if store.labels is None else store.labels[known]
    splits = {s: int((split == s).sum()) for s in SPLITS if s in split}
    return Description(
        path=str(store.path),
        num_bytes=store.path.stat().st_size,
        num_samples=len(store),
        modalities={m: _describe_modality(store, m) for m in store.modalities},
        label_names=store.label_names,
        label_counts=None if y is None else _label_counts(store, y),
        cardinality=None if y is None else float(y.sum(axis=1).mean()),
        co_occurrence=None
        if y is None or y.shape[1] > MAX_PAIRED
        else _co_occurrence(y),
        without_labels=None if y is None else int((y.sum(axis=1) == 0).sum()),
        splits=splits,
        split_labelled={s: int((split[known] == s).sum()) for s in splits},
        split_label_counts=None
        if y is None
        else {s: _label_counts(store, y[split[known] == s]) for s in splits},
        num_groups=len(set(store.groups.tolist())),
        groups_across_splits=groups_across_splits(store.groups, store.split),
        duplicate_ids=duplicates(store.ids),
        source=store.source,
        licence=store.licence,
        citation=store.citation,
        raw_sha256=store.raw_sha256,
        clean=store.clean,
        intensities=store.intensities is not None,
        extras=store.extras,
        dropped=store.dropped,
        attrs=store.attrs,
    )


def duplicates(names: NDArray[np.str_]) -> list[str]:
    """Names that occur more than once.

    Args:
        names: Strings, [N].

    Example:
        >>> duplicates(np.array(['a', 'b', 'a']))
        ['a']
    """
    return [name for name, count in Counter(names.tolist()).items() if count > 1]


def groups_across_splits(
    groups: NDArray[np.str_], split: NDArray[np.str_]
) -> list[str]:
    """Groups with samples in more than one split.

    Args:
        groups: The group of each sample, [N].
        split: The split of each sample, [N]; the empty one is none.

    Example:
        >>> groups_across_splits(np.array(['a', 'a', 'b']),
        ...                      np.array(['train', 'test', 'test']))
        ['a']
    """
    pairs = {(group, name) for group, name in zip(groups, split, strict=True) if name}
    counts = Counter(group for group, _ in pairs)
    return sorted(str(group) for group, count in counts.items() if count > 1)


def _label_counts(store: Store, y: NDArray[np.uint8]) -> dict[str, int]:
    counts = y.sum(axis=0, dtype=np.int64).tolist()
    return dict(zip(store.label_names, counts, strict=True))


def _co_occurrence(y: NDArray[np.uint8]) -> list[list[int]]:
    """How many samples have both of two labels, [L][L]."""
    total = np.zeros((y.shape[1], y.shape[1]), np.int64)
    for start in range(0, len(y), 1 << 14):  # Of integers it would be a slow product.
        block = y[start : start + (1 << 14)].astype(np.float32)
        total += (block.T @ block).astype(np.int64)
    return total.tolist()


def _describe_modality(store: Store, modality: str) -> ModalityDescription:
    spec, values = store.specs[modality], store.values(modality)
    lengths = np.diff(store.ptr[modality])
    present = lengths[lengths > 0]
    sha256 = store.fitted_sha256.get(modality)
    bounds = store.value_range(modality) if len(present) else None
    return ModalityDescription(
        channels=spec.channels,
        num_embeddings=spec.num_embeddings,
        kind=spec.kind,
        extractor=spec.extractor,
        dtype=str(values.dtype),
        num_items=int(lengths.sum()),
        items_min=int(present.min(initial=lengths.max())),
        items_median=float(np.median(present)) if len(present) else 0.0,
        items_max=int(lengths.max()),
        missing=int((lengths == 0).sum()),
        minimum=float(bounds[0].min()) if bounds else None,
        maximum=float(bounds[1].max()) if bounds else None,
        non_finite=store.non_finite[modality],
        fitted=None if sha256 is None else short(sha256),
        segmented=modality in store.segmented,
        named=modality in store.named,
    )
