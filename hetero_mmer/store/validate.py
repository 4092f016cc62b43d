from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.io.safe_h5 import hint
from hetero_mmer.store.checksum import Checksum, crc32_of
from hetero_mmer.store.describe import duplicates, groups_across_splits
from hetero_mmer.store.format import LARGEST, unseen
from hetero_mmer.store.items import MAX_NAME
from hetero_mmer.store.reader import Store
from hetero_mmer.store.structure import check_structure

_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the data should know.

    An ``error`` makes results wrong, a ``warning`` may, an ``info`` does not.
    """

    level: Literal['error', 'warning', 'info']
    sentence: str


def validate(store: Store | str | os.PathLike[str]) -> list[Finding]:
    """Looks at every number of a store and tells what is suspicious.

    The structure of a file is looked at by another process first, see
    :func:`~hetero_mmer.store.structure.check_structure`.

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
        if os.path.isfile(store):
            check_structure([store])
        try:
            with Store(store) as opened:
                return validate(opened)
        except InputError as error:  # It looks already.
            raise InputError(str(error).removesuffix(hint(store))) from error
    digests = [b''] * len(store)
    findings: list[Finding] = []
    checksums = store.checksums
    known = checksums or {}
    for modality in store.modalities:
        findings += _check_modality(store, modality, digests, known)
    findings += _check_rest(store, checksums)
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
    crc32: list[int] = field(default_factory=list)
    first: NDArray | None = None
    outside: int = 0
    large: int = 0
    first_large: str = ''
    zero_rows: int = 0
    constant_rows: int = 0
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)


def _scan(
    store: Store, modality: str, digests: list[bytes], known: Checksum | None
) -> _Scan:
    values, ptr = store.values(modality), store.ptr[modality]
    channels, size = values.shape[1], store.num_embeddings.get(modality)
    scan = _Scan(np.zeros(channels, np.int64), np.zeros(channels, bool))
    rows = max(1, _BLOCK_BYTES // (channels * values.dtype.itemsize))
    rows = rows if known is None else known.rows
    present = np.flatnonzero(np.diff(ptr))
    several = np.flatnonzero(np.diff(ptr) > 1)  # Nothing is padded to a single item.
    first, last = ptr[several], ptr[several + 1] - 1
    for i in np.flatnonzero(np.diff(ptr) == 0).tolist():
        digests[i] = hashlib.blake2b(digests[i] + bytes(8), digest_size=16).digest()
    hashed = _SampleHashes(digests, ptr, present)
    start = 0
    for block in store.blocks(modality, 'values', rows):
        stop = start + len(block)
        scan.crc32.append(crc32_of(block))
        scan.first = block[:1] if scan.first is None else scan.first
        scan.non_finite += (~np.isfinite(block)).sum(axis=0)
        scan.varies |= (block != scan.first).any(axis=0)
        if size is not None:
            scan.outside += int(((block < 0) | (block >= size)).sum())
        elif (large := _large(block)).any():
            if not scan.large:
                row, column = np.argwhere(large)[0]
                nth = np.searchsorted(ptr, start + row, side='right') - 1
                scan.first_large = (
                    f"{block[row, column]:.4g} in sample '{store.ids[nth]}', column "
                    f'{column}'
                )
            scan.large += int(large.sum())
        zero = (block == 0).all(axis=1)
        constant = (block == block[:, :1]).all(axis=1)
        scan.zero_rows += int(zero.sum())
        scan.constant_rows += int((constant & ~zero).sum()) if channels > 1 else 0
        for ends, samples in ((first, scan.left), (last, scan.right)):
            inside = slice(*np.searchsorted(ends, (start, stop)))
            padded = several[inside][zero[ends[inside] - start]]
            samples += map(str, store.ids[padded])
        hashed.update(block, start)
        start = stop
    return scan


class _SampleHashes:
    """Adds the items of each sample to its hash, however blocks cut them."""

    def __init__(
        self, digests: list[bytes], ptr: NDArray[np.int64], present: NDArray[np.int64]
    ) -> None:
        self.digests = digests
        self.present = present
        self.start, self.stop = ptr[present], ptr[present + 1]
        self.hash = hashlib.blake2b(digest_size=16)

    def update(self, block: NDArray, start: int) -> None:
        """Takes the next rows."""
        stop = start + len(block)
        begin = int(np.searchsorted(self.stop, start, side='right'))
        end = int(np.searchsorted(self.start, stop))
        for i in range(begin, end):
            first, last = int(self.start[i]), int(self.stop[i])
            sample = int(self.present[i])
            if first >= start:
                self.hash = hashlib.blake2b(self.digests[sample], digest_size=16)
                self.hash.update((last - first).to_bytes(8, 'little'))
            part = block[max(first, start) - start : min(last, stop) - start]
            self.hash.update(np.ascontiguousarray(part).data)
            if last <= stop:
                self.digests[sample] = self.hash.digest()


def _large(block: NDArray) -> NDArray[np.bool_]:
    """Which values are finite, but too large to compute with."""
    return (np.abs(block) > np.float32(LARGEST)) & np.isfinite(block)


def _check_modality(
    store: Store,
    modality: str,
    digests: list[bytes],
    checksums: Mapping[str, Checksum],
) -> Iterator[Finding]:
    name = _values(modality)
    known = checksums.get(name)
    scan = _scan(store, modality, digests, known)
    if known is not None:
        yield from _compare(
            name, known, Checksum(known.rows, scan.crc32), len(store.values(modality))
        )
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
    if store.times(modality) is not None:
        backwards = negative = 0
        for span in store.blocks(modality, 'time', _BLOCK_BYTES // 16):
            backwards += int((span[:, 1] < span[:, 0]).sum())
            negative += int((span < 0).any(axis=1).sum())
        if backwards:
            yield Finding(
                'warning',
                f"'{modality}' has {backwards} items that end before they start",
            )
        if negative:
            yield Finding(
                'warning', f"'{modality}' has {negative} items at negative times"
            )
    if modality in store.segmented:
        blocks = store.blocks(modality, 'segment', _BLOCK_BYTES // 4)
        if below := sum(int((block < 0).sum()) for block in blocks):
            yield Finding(
                'error', f"'{modality}' has {below} items in segments below 0"
            )
    if modality in store.named:
        blocks = store.blocks(modality, 'names', _BLOCK_BYTES // MAX_NAME)
        names = (name for block in blocks for name in block.tolist())
        if wrong := sum(not _is_text(name) for name in names):
            yield Finding(
                'error', f"'{modality}' has {wrong} items whose names are no UTF-8"
            )


def _check_rest(
    store: Store, checksums: Mapping[str, Checksum] | None
) -> Iterator[Finding]:
    """Whether all but the features is what was written."""
    if checksums is None:
        yield Finding(
            'info',
            'the store has no checksums, as its writer kept none: a value that was '
            'damaged since cannot be told from a sound one',
        )
        return
    wanted = {*map(_values, store.modalities)}
    for name in sorted(wanted - set(checksums)):
        yield Finding('error', f"the checksums lack '{name}'")
    for name in sorted(set(checksums) - wanted):
        if name.startswith('fitted/'):  # It has a hash of its own.
            continue
        known = checksums[name]
        try:
            found, length = store.checksum(name, known.rows)
        except InputError as error:
            yield Finding('error', str(error))
        else:
            yield from _compare(name, known, found, length)


def _compare(
    name: str, known: Checksum, found: Checksum, length: int
) -> Iterator[Finding]:
    pairs = zip_longest(known.crc32, found.crc32)
    wrong = [i for i, (ours, theirs) in enumerate(pairs) if ours != theirs]
    if not wrong:
        return
    rows = ', '.join(
        f'{i * known.rows} to {min((i + 1) * known.rows, length) - 1}'
        for i in wrong[:5]
    )
    where = f' in rows {rows}{", ..." if len(wrong) > 5 else ""}' if length > 1 else ''
    yield Finding(
        'error',
        f"'{name}' is not what was written: its checksum differs{where}; it is "
        'damaged, or another program changed it',
    )


def _values(modality: str) -> str:
    return f'features/{modality}/values'


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


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _some(names: list) -> str:
    shown = ', '.join(str(name) for name in names[:5])
    return f'{shown}, ...' if len(names) > 5 else shown
