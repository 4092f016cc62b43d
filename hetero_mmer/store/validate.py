from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.store.describe import duplicates, groups_across_splits
from hetero_mmer.store.format import LARGEST, unseen
from hetero_mmer.store.reader import Store
from hetero_mmer.typing import InputError

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the data should know.

    An ``error`` makes results wrong, a ``warning`` may, an ``info`` does not.
    """

    level: Literal['error', 'warning', 'info']
    sentence: str


def validate(store: Store | str | os.PathLike[str]) -> list[Finding]:
    """Looks at every number of a store and tells what is suspicious.

    Args:
        store: A store or its path.

    Raises:
        InputError: For a file that cannot be read.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import ModalitySpec, StoreWriter
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy']) as w:
        ...     w.add('a', {'text': [[1, 2], [0, 0]]}, [1], split='train')
        >>> print(validate(path)[0].sentence)
        'text' may be padded on the right: 1 of 1 samples end with a row of zeros (a)
    """
    if not isinstance(store, Store):
        with Store(store) as opened:
            return validate(opened)
    digests = [b''] * len(store)
    findings: list[Finding] = []
    for modality in store.modalities:
        findings += _check_modality(store, modality, digests)
    findings += _check_samples(store, digests)
    findings += _check_labels(store)
    findings += _check_encoders(store)
    order = ['error', 'warning', 'info']
    return sorted(findings, key=lambda finding: order.index(finding.level))


@dataclass
class _Scan:
    """What one pass over the values of a modality counts."""

    non_finite: NDArray[np.int64]
    varies: NDArray[np.bool_]
    first: NDArray | None = None
    outside: int = 0
    large: int = 0
    first_large: str = ''
    zero_rows: int = 0
    constant_rows: int = 0
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)


def _blocks(ptr: NDArray[np.int64], max_rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of samples with at most ``max_rows`` items, or one sample."""
    start, num_samples = 0, len(ptr) - 1
    while start < num_samples:
        stop = int(np.searchsorted(ptr, ptr[start] + max_rows, side='right')) - 1
        stop = min(max(stop, start + 1), num_samples)
        yield start, stop
        start = stop


def _scan(store: Store, modality: str, digests: list[bytes]) -> _Scan:
    values, ptr = store.values(modality), store.ptr[modality]
    channels, size = values.shape[1], store.num_embeddings.get(modality)
    scan = _Scan(np.zeros(channels, np.int64), np.zeros(channels, bool))
    row_bytes = channels * values.dtype.itemsize
    for start, stop in _blocks(ptr, max(1, _BLOCK_BYTES // row_bytes)):
        block = values[ptr[start] : ptr[stop]]
        if len(block):
            scan.first = block[:1] if scan.first is None else scan.first
            scan.non_finite += (~np.isfinite(block)).sum(axis=0)
            scan.varies |= (block != scan.first).any(axis=0)
        if size is not None:
            scan.outside += int(((block < 0) | (block >= size)).sum())
        elif (large := _large(block)).any():
            if not scan.large:
                row, column = np.argwhere(large)[0]
                nth = np.searchsorted(ptr, ptr[start] + row, side='right') - 1
                scan.first_large = (
                    f"{block[row, column]:.4g} in sample '{store.ids[nth]}', column "
                    f'{column}'
                )
            scan.large += int(large.sum())
        zero = ~block.any(axis=1)
        constant = (block == block[:, :1]).all(axis=1)
        scan.zero_rows += int(zero.sum())
        scan.constant_rows += int((constant & ~zero).sum()) if channels > 1 else 0
        for sample in range(start, stop):
            low, high = ptr[sample] - ptr[start], ptr[sample + 1] - ptr[start]
            rows = block[low:high]
            digest = hashlib.blake2b(digests[sample], digest_size=16)
            digest.update(len(rows).to_bytes(8, 'little'))
            digest.update(np.ascontiguousarray(rows).data)
            digests[sample] = digest.digest()
            if high > low + 1 and zero[low]:  # Nothing is padded to a single item.
                scan.left.append(str(store.ids[sample]))
            if high > low + 1 and zero[high - 1]:
                scan.right.append(str(store.ids[sample]))
    return scan


def _large(block: NDArray) -> NDArray[np.bool_]:
    """Which values are finite, but too large to compute with."""
    return (np.abs(block) > np.float32(LARGEST)) & np.isfinite(block)


def _check_modality(
    store: Store, modality: str, digests: list[bytes]
) -> Iterator[Finding]:
    scan = _scan(store, modality, digests)
    lengths = np.diff(store.ptr[modality])
    num_present = int((lengths > 0).sum())
    size = store.num_embeddings.get(modality)
    if scan.outside:
        yield Finding(
            'error',
            f"'{modality}' has {scan.outside} ids outside of 0 to {(size or 0) - 1}",
        )
    if count := int(scan.non_finite.sum()):
        where = np.flatnonzero(scan.non_finite)
        counts = ', '.join(f'{d}: {scan.non_finite[d]}' for d in where[:8])
        more = ', ...' if len(where) > 8 else ''
        yield Finding(
            'error',
            f"'{modality}' has {count} values that are not finite, by dimension "
            f'{counts}{more}',
        )
    if scan.large:
        yield Finding(
            'error',
            f"'{modality}' has {scan.large} values that are too large to compute with, "
            f'above {LARGEST:g}, unless standardising makes them small; the first is '
            f'{scan.first_large}',
        )
    if len(columns := store.unseen(modality)):
        yield Finding('warning', unseen(modality, columns, store.specs[modality]))
    if cleaned := store.non_finite[modality]:
        yield Finding(
            'info',
            f"'{modality}' had {cleaned} values that were not finite; the conversion "
            f"replaced them ('{store.clean}')",
        )
    for samples, side, end in (
        (scan.left, 'begin', 'left'),
        (scan.right, 'end', 'right'),
    ):
        if samples:
            yield Finding(
                'warning',
                f"'{modality}' may be padded on the {end}: {len(samples)} of "
                f'{num_present} samples {side} with '
                f'{"a row of zeros" if size is None else "the id 0"} '
                f'({_some(samples)})',
            )
    if scan.zero_rows and size is None:
        yield Finding(
            'info', f"'{modality}' has {scan.zero_rows} items that are all zeros"
        )
    if scan.constant_rows:
        yield Finding(
            'warning',
            f"'{modality}' has {scan.constant_rows} items whose values are all the "
            f'same',
        )
    total = int(lengths.sum())
    if total > 1 and not scan.varies.all():
        where = np.flatnonzero(~scan.varies)
        yield Finding(
            'warning',
            f"'{modality}' has {len(where)} dimensions that never change "
            f'({_some(where.tolist())})',
        )
    if num_missing := len(lengths) - num_present:
        level: Literal['warning', 'info'] = 'info' if num_present else 'warning'
        yield Finding(
            level,
            f"'{modality}' is missing in {num_missing} of {len(lengths)} samples "
            f'({num_missing / len(lengths):.1%})',
        )
    times = store.times(modality)
    if times is not None:
        span = times[()]
        if backwards := int((span[:, 1] < span[:, 0]).sum()):
            yield Finding(
                'warning',
                f"'{modality}' has {backwards} items that end before they start",
            )
        if negative := int((span < 0).any(axis=1).sum()):
            yield Finding(
                'warning', f"'{modality}' has {negative} items at negative times"
            )


def _check_samples(store: Store, digests: list[bytes]) -> Iterator[Finding]:
    if twice := duplicates(store.ids):
        yield Finding(
            'error', f'{len(twice)} ids belong to several samples ({_some(twice)})'
        )
    if across := groups_across_splits(store.groups, store.split):
        yield Finding(
            'error', f'{len(across)} groups lie in several splits ({_some(across)})'
        )
    num_items = sum(np.diff(ptr) for ptr in store.ptr.values())
    empty = store.ids[np.asarray(num_items) == 0].tolist()
    if empty:
        yield Finding('error', f'{len(empty)} samples have no items ({_some(empty)})')
    first: dict[bytes, int] = {}
    within: list[str] = []
    between: list[str] = []
    for i, digest in enumerate(digests):
        j = first.setdefault(digest, i)
        if i != j and np.asarray(num_items)[i]:
            pair = f"'{store.ids[j]}' and '{store.ids[i]}'"
            same = store.split[i] == store.split[j]
            (within if same else between).append(pair)
    if between:
        yield Finding(
            'error',
            f'{len(between)} pairs of samples in different splits have the same '
            f'features ({_some(between)})',
        )
    if within:
        yield Finding(
            'warning',
            f'{len(within)} pairs of samples have the same features ({_some(within)})',
        )
    if not store.split.astype(bool).all():
        count = int((store.split == '').sum())
        yield Finding('info', f'{count} samples are in no split')


def _check_encoders(store: Store) -> Iterator[Finding]:
    try:
        _ = store.fitted
    except InputError as error:
        yield Finding('error', str(error))


def _check_labels(store: Store) -> Iterator[Finding]:
    if store.labels is None:
        yield Finding('info', 'the samples have no labels')
        return
    known = store.known
    without = int((~store.labels[known].any(axis=1)).sum())
    if without:
        yield Finding(
            'info', f'{without} of {int(known.sum())} samples have none of the labels'
        )
    for split in sorted(set(store.split.tolist())):
        where = f"in split '{split}'" if split else 'without a split'
        chosen = store.split == split
        if unknown := store.ids[chosen & ~known].tolist():
            trains = split in ('train', 'valid')
            yield Finding(
                'warning' if trains else 'info',
                f'labels of {len(unknown)} of {int(chosen.sum())} samples {where} are '
                f'unknown{", which training refuses" if trains else ""} '
                f'({_some(unknown)})',
            )
        if not (chosen & known).any():
            continue
        counts = store.labels[chosen & known].sum(axis=0, dtype=np.int64)
        never = [
            name for name, c in zip(store.label_names, counts, strict=True) if not c
        ]
        if never:
            where = f"in split '{split}'" if split else 'in any sample without a split'
            yield Finding('warning', f'labels that never occur {where}: {_some(never)}')


def _some(names: list) -> str:
    shown = ', '.join(str(name) for name in names[:5])
    return f'{shown}, ...' if len(names) > 5 else shown
