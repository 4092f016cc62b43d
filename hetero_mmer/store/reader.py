from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, did_you_mean_path, reason
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.files.input import check_file
from hetero_mmer.io import safe_h5
from hetero_mmer.schema import UNKNOWN, Kind
from hetero_mmer.store.check import (
    MAX_OBJECTS,
    check_about,
    check_attrs,
    check_longest,
    check_sizes,
)
from hetero_mmer.store.checksum import Checksum, blocks, checksum_of, read_checksums
from hetero_mmer.store.fitted import fitted_sha256, read_fitted
from hetero_mmer.store.format import (
    FORMAT,
    SPLITS,
    VERSION,
    VERSION_WITH_UNKNOWN,
    ModalitySpec,
    read_strings,
)
from hetero_mmer.store.items import check_item_facts, read_names
from hetero_mmer.store.slices import SliceReader


class Store:
    """A data set on disk: small things in memory, feature values read when asked for.

    ``labels`` are [N, L] zeros and ones, None if no sample has any. Where :attr:`known`
    says so, a row is 255 instead, which is no number to compute with.

    Args:
        path: A file that :class:`~hetero_mmer.store.StoreWriter` wrote.

    Raises:
        InputError: For a file that is missing, damaged, of another format or version,
            or whose parts contradict each other.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import StoreWriter
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(3)}, ['joy']) as w:
        ...     w.add('a', {'text': np.zeros((2, 3))}, [1], split='train')
        ...     w.add('b', {'text': np.ones((4, 3))}, [0], split='test')
        >>> store = Store(path)
        >>> store.rows('test'), store.ptr['text']
        (array([1]), array([0, 2, 6]))
        >>> store.read('text', 1).shape
        (4, 3)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._process = -1
        self._readers: dict[tuple[str, str], SliceReader] = {}
        try:
            self._load(self._open())
        except BaseException:
            self.close()
            raise

    def _load(self, file: h5py.File) -> None:
        with self._reading():
            name, version = safe_h5.format_of(file)
        if name != FORMAT:
            raise self._error("it is an HDF5 file, but not a store (no 'format')")
        self.format_version = -1 if version is None else version
        if self.format_version not in (VERSION, VERSION_WITH_UNKNOWN):
            raise self._error(
                f'its format version is {self.format_version}, and this release of '
                f'hetero_mmer reads versions {VERSION} and {VERSION_WITH_UNKNOWN}'
            )
        with self._reading():
            check_sizes(safe_h5.walk(file, MAX_OBJECTS), self.path.stat().st_size)
            self._load_parts(file)

    def _load_parts(self, file: h5py.File) -> None:
        about = safe_h5.read_json(safe_h5.dataset_of(file, 'about'))
        check_about(about)
        self.source: str = about['source']
        self.licence: str = about['licence']
        self.citation: str = about['citation']
        self.raw_sha256: dict[str, str] = about['raw_sha256']
        self.clean: str | None = about['clean']
        self.label_names: tuple[str, ...] = tuple(about['label_names'])
        self.specs = {
            modality: ModalitySpec(**{**spec, 'columns': tuple(spec['columns'])})
            for modality, spec in about['modalities'].items()
        }
        if not self.specs or not self.label_names:
            raise self._error('it has no modalities or no label names')
        self.fitted_sha256 = fitted_sha256(file)
        if unknown := [m for m in self.fitted_sha256 if m not in self.specs]:
            raise self._error(f"it has an encoder of '{unknown[0]}', but no such items")
        self.attrs: dict[str, Any] = safe_h5.read_json(
            safe_h5.dataset_of(file, 'attrs')
        )
        check_attrs(self.attrs)
        dropped = map(read_strings, (file['dropped/ids'], file['dropped/reasons']))
        self.dropped: list[tuple[str, str]] = list(
            zip(*(strings.tolist() for strings in dropped), strict=True)
        )
        self.ids = read_strings(file['ids'])
        self.groups = read_strings(file['groups'])
        self.split = read_strings(file['split'])
        if unknown := sorted(set(self.split.tolist()) - set(SPLITS)):
            raise self._error(f"'split' is one of {SPLITS} (got '{unknown[0]}')")
        self.labels = self._read_labels(file)
        self.intensities: NDArray[np.float32] | None = _array(file, 'intensities')
        self.ptr: dict[str, NDArray[np.int64]] = {}
        self.non_finite: dict[str, int | None] = {}
        self._dirty: dict[str, NDArray[np.int64]] = {}
        #: The modalities whose items belong to segments, and those whose have names.
        self.segmented: tuple[str, ...] = ()
        self.named: tuple[str, ...] = ()
        for modality, spec in self.specs.items():
            group = file['features'][modality]
            self.ptr[modality] = self._read_ptr(group, modality, spec)
            counts = _array(group, 'non_finite')
            self.non_finite[modality] = None if counts is None else int(counts.sum())
            if 'segment' in group:
                self.segmented += (modality,)
            if 'names' in group:
                self.named += (modality,)
            if 'cleaned' in group:
                self._dirty[modality] = self._read_dirty(group, modality)
        self._check_lengths(file)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.specs)

    @property
    def in_channels(self) -> dict[str, int]:
        """Width of each modality."""
        return {m: spec.channels for m, spec in self.specs.items()}

    @property
    def num_embeddings(self) -> dict[str, int]:
        """Size of the vocabulary of each modality whose items are ids."""
        sizes = {m: spec.num_embeddings for m, spec in self.specs.items()}
        return {m: size for m, size in sizes.items() if size is not None}

    @property
    def kinds(self) -> dict[str, Kind]:
        """Whether a modality is a sequence or a set."""
        return {m: spec.kind for m, spec in self.specs.items()}

    @property
    def extractors(self) -> dict[str, str]:
        """What made the features of each modality."""
        return {m: spec.extractor for m, spec in self.specs.items()}

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Names of each modality's feature columns; empty where unknown."""
        return {m: spec.columns for m, spec in self.specs.items()}

    @property
    def fitted(self) -> dict[str, Fitted]:
        """What each modality's encoder learned, where one did; read when asked for.

        Raises:
            InputError: If it is damaged.
        """
        with self._reading():
            try:
                return read_fitted(self._open())
            except InputError as error:
                raise self._error(str(error)) from error

    @property
    def fill(self) -> dict[str, NDArray[np.float64]]:
        """What replaced values of each column that were not finite, if the mean."""
        if self.clean != 'mean':
            return {}
        fill = {
            m: self._column_facts(m, 'fill' if 'fill' in self._group(m) else 'mean')
            for m in self.modalities
        }
        return {m: values for m, values in fill.items() if values is not None}

    @property
    def num_labels(self) -> int:
        """Number of labels."""
        return len(self.label_names)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether the labels of a sample are known, all of them or none, [N]."""
        if self.labels is None:
            return np.zeros(len(self), bool)
        return self.labels[:, 0] != UNKNOWN

    def rows(self, split: str) -> NDArray[np.int64]:
        """Indices of the samples of a split.

        Args:
            split: ``train``, ``valid``, ``test``, or empty for those in none.

        Raises:
            InputError: If no sample is in it.
        """
        rows = np.flatnonzero(self.split == split).astype(np.int64)
        if not len(rows):
            splits = [name for name in SPLITS if (self.split == name).any()]
            raise InputError(
                f"no sample of '{self.path}' is in split '{split}' (it has {splits})"
            )
        return rows

    def chosen(self, modalities: Sequence[str] | None) -> list[str]:
        """Those of its modalities that were chosen, in this order; all if None.

        Args:
            modalities: Their names.

        Raises:
            InputError: If one is unknown or given twice, or there are none.
        """
        names = list(self.modalities if modalities is None else modalities)
        unknown = [m for m in names if m not in self.modalities]
        if unknown or not names or len(set(names)) < len(names):
            raise InputError(
                f'modalities of {self.path} are {list(self.modalities)} (got {names})'
            )
        return names

    def values(self, modality: str) -> h5py.Dataset:
        """All items of a modality, [ΣS, F], or ids, [ΣS, 1]; read when indexed.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            return safe_h5.dataset_of(self._group(modality), 'values')

    def times(self, modality: str) -> h5py.Dataset | None:
        """Start and end of all items of a modality in seconds, [ΣS, 2], if known.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            group = self._group(modality)
            return safe_h5.dataset_of(group, 'time') if 'time' in group else None

    def value_range(
        self, modality: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Least and greatest value of each column, [F] and [F], if recorded.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        low, high = (self._column_facts(modality, n) for n in ('minimum', 'maximum'))
        return None if low is None or high is None else (low, high)

    def moments(
        self, modality: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Mean and standard deviation of each column over the train split, if recorded.

        Columns without a value in the train split have mean 0 and deviation 1. Without
        a train split they are of all samples; values that were not finite before they
        were cleaned take no part.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        mean, std = (self._column_facts(modality, name) for name in ('mean', 'std'))
        return None if mean is None or std is None else (mean, std)

    def unseen(self, modality: str) -> NDArray[np.int64]:
        """Columns with values, but none in the train split, where recorded.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            columns = _array(self._group(modality), 'unseen')
            if columns is None:
                return np.zeros(0, np.int64)
            channels = self.specs[modality].channels
            if columns.ndim != 1 or not np.isin(columns, range(channels)).all():
                raise self._error(f"the unseen columns of '{modality}' are no columns")
            return columns.astype(np.int64)

    def non_finite_columns(self) -> dict[str, NDArray[np.int64]]:
        """How many values of each column the conversion replaced, where recorded."""
        found = {m: self._column_facts(m, 'non_finite') for m in self.modalities}
        return {m: counts for m, counts in found.items() if counts is not None}

    def non_finite_samples(self, modality: str) -> list[tuple[int, int]]:
        """Samples in which values were replaced, and how many, where recorded.

        Args:
            modality: Its name.

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            counts = _array(self._group(modality), 'non_finite_of_sample')
        if counts is None:
            return []
        if counts.shape != (len(self),):
            raise self._error(
                f"it has {len(self)} samples, but counts of '{modality}' for shape "
                f'{list(counts.shape)}'
            )
        return [(int(i), int(counts[i])) for i in np.flatnonzero(counts)]

    def read(self, modality: str, start: int, stop: int | None = None) -> NDArray:
        """Items of the samples ``start`` to ``stop`` (without it), [S, F].

        Args:
            modality: Its name.
            start: Index of the first sample.
            stop: Index after the last sample; ``start + 1`` if None.

        Raises:
            InputError: If the store has no such modality or samples.
        """
        stop = start + 1 if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise InputError(
                f"'{self.path}' has samples 0 to {len(self) - 1} "
                f'(got start {start} and stop {stop})'
            )
        values, ptr = self.values(modality), self.ptr[modality]
        with self._reading():
            return safe_h5.read_rows(values, int(ptr[start]), int(ptr[stop]))

    def read_slices(
        self, modality: str, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray:
        """Items ``start[i]`` to ``start[i] + length[i]``, [Σ length, F], in this order.

        Args:
            modality: Its name.
            start: First item of each slice, [N].
            length: Number of items of each slice, [N].

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            return self._reader(modality).read(start, length)

    def segment_slices(
        self, modality: str, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """The segments of the items that are read likewise, [Σ length].

        Args:
            modality: Its name, one of :attr:`segmented`.
            start: First item of each slice, [N].
            length: Number of items of each slice, [N].

        Raises:
            InputError: If the store has none.
        """
        with self._reading():
            return self._reader(modality, 'segment').read(start, length)

    def item_names(self, modality: str, sample: int) -> list[str] | None:
        """What the items of a sample are called, [S]; None where nothing says.

        Args:
            modality: Its name.
            sample: Index of the sample.

        Raises:
            InputError: If the store has no such modality or sample.

        Example:
            >>> import tempfile
            >>> from hetero_mmer.store import StoreWriter
            >>> path = f'{tempfile.mkdtemp()}/toy.h5'
            >>> specs = {'text': ModalitySpec(1)}
            >>> with StoreWriter(path, specs, ['joy'], named=['text']) as w:
            ...     w.add('a', {'text': [[1.0], [5.0]]}, [1],
            ...           names={'text': ['so', 'good']})
            >>> Store(path).item_names('text', 0)
            ['so', 'good']
        """
        if not 0 <= sample < len(self):
            raise InputError(
                f"'{self.path}' has samples 0 to {len(self) - 1} (got {sample})"
            )
        with self._reading():
            group = self._group(modality)
            if 'names' not in group:
                return None
            start, stop = self.ptr[modality][sample : sample + 2].tolist()
            return read_names(safe_h5.dataset_of(group, 'names'), start, stop)

    def records_cleaned(self, modality: str) -> bool:
        """Whether it is known where the conversion replaced values, if it did.

        Args:
            modality: Its name.
        """
        return modality in self._dirty or not self.non_finite[modality]

    def cleaned_slices(
        self, modality: str, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """Where the conversion replaced values of the items that are read likewise.

        Args:
            modality: Its name.
            start: First item of each slice, [N].
            length: Number of items of each slice, [N].

        Returns:
            Packed bits, [Σ length, ⌈C / 8⌉], and the columns they are for, [C]; None if
            no value was replaced, or nobody wrote down which.
        """
        if modality not in self._dirty:
            return None
        with self._reading():
            bits = self._reader(modality, 'cleaned').read(start, length)
        return bits, self._dirty[modality]

    def prefetch_slices(
        self, modality: str, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> None:
        """Lets the disk fetch what :meth:`read_slices` is going to read.

        Args:
            modality: Its name.
            start: First item of each slice, [N].
            length: Number of items of each slice, [N].

        Raises:
            InputError: If the store has no such modality.
        """
        with self._reading():
            self._reader(modality).prefetch(start, length)

    def extra(self, name: str) -> NDArray:
        """Another array with one row per sample, [N, ...].

        Args:
            name: The name it was written under.

        Raises:
            InputError: If the store has no such array.
        """
        with self._reading():
            group = self._open()['extra']
            array = _array(group, name)
            if array is None:
                raise InputError(
                    f"'{self.path}' has no extra array '{name}' (it has "
                    f'{sorted(group)})'
                )
            return array

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the arrays that :meth:`extra` reads."""
        with self._reading():
            return tuple(self._open()['extra'])

    @property
    def checksums(self) -> dict[str, Checksum] | None:
        """What each dataset was when it was written, where that was kept.

        Raises:
            InputError: If it is damaged.
        """
        with self._reading():
            return read_checksums(self._open())

    def checksum(self, name: str, rows: int) -> tuple[Checksum, int]:
        """What a dataset of the file is now, and how many rows it has.

        Args:
            name: A path in the file.
            rows: The rows of a block.

        Raises:
            InputError: If there is none, or it is damaged.
        """
        with self._reading():
            dataset = safe_h5.dataset_of(self._open(), name)
            return checksum_of(dataset, rows), len(dataset) if dataset.ndim else 1

    def blocks(self, modality: str, name: str, rows: int) -> Iterator[NDArray]:
        """All items of a modality, or what is known of them, block by block.

        Args:
            modality: Its name.
            name: ``values``, ``time``, ``segment`` or ``names``.
            rows: The rows of a block.

        Raises:
            InputError: If there is none, or it is damaged.
        """
        with self._reading():
            yield from blocks(safe_h5.dataset_of(self._group(modality), name), rows)

    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        with open(self.path, 'rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()

    def close(self) -> None:
        """Closes the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._readers = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_file': None, '_process': -1, '_readers': {}}

    def __repr__(self) -> str:
        noun = 'sample' if len(self) == 1 else 'samples'
        widths = ', '.join(f'{m}={width}' for m, width in self.in_channels.items())
        return f'Store({len(self)} {noun}, {widths}, labels={list(self.label_names)})'

    def _open(self) -> h5py.File:
        if self._file is not None and self._process == os.getpid():
            return self._file
        if not self.path.exists():
            hint = did_you_mean_path(self.path, end='.h5')
            raise InputError(f"there is no store '{self.path}'{hint}")
        check_file(self.path)
        try:
            self._file = safe_h5.open_h5(self.path)
        except safe_h5.DAMAGE as error:
            why = safe_h5.why_not_open(error)
            if 'signature not found' in why:
                why += '; `convert(...)` makes a store of raw files'
            raise self._error(why) from error
        self._process = os.getpid()  # A forked worker opens a file of its own.
        self._readers = {}
        return self._file

    def _error(self, problem: str) -> InputError:
        return InputError(f"cannot read the store '{self.path}': {problem}")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Whatever h5py says of damaged bytes becomes one sentence."""
        try:
            yield
        except InputError as error:
            head = f"cannot read '{self.path}': "
            if not str(error).startswith(head):
                raise
            raise self._error(str(error).removeprefix(head)) from error
        except safe_h5.DAMAGE as error:
            what = 'missing or damaged' if isinstance(error, KeyError) else 'damaged'
            told = f'a part is {what} ({reason(error)})'
            if isinstance(error, OSError | RuntimeError | KeyError):
                told += safe_h5.hint(self.path)
            raise self._error(told) from error

    def _reader(self, modality: str, name: str = 'values') -> SliceReader:
        self._open()  # A process that has not yet opened the file has no readers.
        if (modality, name) not in self._readers:
            dataset = self._group(modality)[name]
            self._readers[modality, name] = SliceReader(dataset)
        return self._readers[modality, name]

    def _group(self, modality: str) -> h5py.Group:
        if modality not in self.specs:
            raise InputError(
                f"'{self.path}' has the modalities {list(self.specs)} "
                f"(got '{modality}')"
            )
        return self._open()['features'][modality]

    def _column_facts(self, modality: str, name: str) -> NDArray | None:
        """What is recorded of each column of a modality, [F], if anything."""
        with self._reading():
            found = _array(self._group(modality), name)
            channels = self.specs[modality].channels
            if found is not None and found.shape != (channels,):
                raise self._error(
                    f"'{modality}' has width {channels}, but its '{name}' has shape "
                    f'{list(found.shape)}'
                )
            return found

    def _read_labels(self, file: h5py.File) -> NDArray[np.uint8] | None:
        labels = _array(file, 'labels')
        if labels is None:
            return None
        if labels.ndim != 2 or labels.shape[1] != self.num_labels:
            raise self._error(
                f'it names {self.num_labels} labels, but its label array has shape '
                f'{list(labels.shape)}'
            )
        unknown = np.zeros(len(labels), bool)
        if self.format_version == VERSION_WITH_UNKNOWN:
            unknown = (labels == UNKNOWN).all(axis=1)
        wrong = np.argwhere((labels != 0) & (labels != 1) & ~unknown[:, None])
        if len(wrong):
            row, column = wrong[0]
            raise self._error(
                f"labels are 0 or 1, but sample '{self.ids[row]}' has "
                f"{labels[row, column]} for '{self.label_names[column]}'"
            )
        return None if unknown.all() else labels.astype(np.uint8, copy=False)

    def _read_ptr(
        self, group: h5py.Group, modality: str, spec: ModalitySpec
    ) -> NDArray[np.int64]:
        values = safe_h5.dataset_of(group, 'values')
        ptr, shape = safe_h5.read_array(safe_h5.dataset_of(group, 'ptr')), values.shape
        safe_h5.check_kind(values)
        if len(shape) != 2 or shape[1] != spec.channels:
            raise self._error(
                f"'{modality}' has width {spec.channels}, but its values have shape "
                f'{list(shape)}'
            )
        dtype = values.dtype
        if spec.num_embeddings is not None and dtype.kind not in 'iu':
            raise self._error(f"'{modality}' holds ids, but its type is '{dtype}'")
        if ptr.ndim != 1 or ptr.dtype.kind not in 'iu' or not len(ptr):
            raise self._error(f"the ptr of '{modality}' is not a list of integers")
        ptr = ptr.astype(np.int64)
        if ptr[0] != 0:
            raise self._error(f"the ptr of '{modality}' starts at {ptr[0]}, not at 0")
        if (falls := np.flatnonzero(np.diff(ptr) < 0)).size:
            raise self._error(f"the ptr of '{modality}' falls after entry {falls[0]}")
        if ptr[-1] != shape[0]:
            raise self._error(
                f"the ptr of '{modality}' ends at {ptr[-1]}, but there are {shape[0]} "
                f'items'
            )
        if 'time' in group:
            times = safe_h5.dataset_of(group, 'time')
            safe_h5.check_kind(times)
            if times.shape != (shape[0], 2):
                raise self._error(
                    f"'{modality}' has {shape[0]} items, but times of shape "
                    f'{list(times.shape)}'
                )
        check_item_facts(group, modality, shape[0])
        for name in ('values', 'segment', 'names'):
            if name in group:
                check_longest(modality, ptr, group[name], self.path.stat().st_size)
        return ptr

    def _read_dirty(self, group: h5py.Group, modality: str) -> NDArray[np.int64]:
        """The columns whose replaced values are marked."""
        counts = safe_h5.read_array(safe_h5.dataset_of(group, 'non_finite'))
        dirty = np.flatnonzero(counts)
        marks = group['cleaned']
        expected = (group['values'].shape[0], -(-len(dirty) // 8))
        if marks.shape != expected or marks.dtype != np.uint8:
            raise self._error(
                f"the marks of the replaced values of '{modality}' are bytes of shape "
                f'{list(expected)} (got shape {list(marks.shape)} of type '
                f"'{marks.dtype}')"
            )
        return dirty

    def _check_lengths(self, file: h5py.File) -> None:
        lengths = {'groups': len(self.groups), 'split': len(self.split)}
        if self.labels is not None:
            lengths['labels'] = len(self.labels)
        if self.intensities is not None:
            lengths['intensities'] = len(self.intensities)
            if self.intensities.shape[1:] != (self.num_labels,):
                raise self._error(
                    f'it names {self.num_labels} labels, but its intensities have '
                    f'shape {list(self.intensities.shape)}'
                )
        lengths |= {f"ptr of '{m}'": len(ptr) - 1 for m, ptr in self.ptr.items()}
        lengths |= {f"extra '{k}'": v.shape[0] for k, v in file['extra'].items()}
        for part, length in lengths.items():
            if length != len(self.ids):
                raise self._error(
                    f'it has {len(self.ids)} ids, but {part} is for {length} samples'
                )


def _array(group: h5py.Group, name: str) -> NDArray | None:
    """A small array, if there is one of the name."""
    if name not in group:
        return None
    return safe_h5.read_array(safe_h5.dataset_of(group, name))
