from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.graph import SampleGraph, build_graph
from hetero_mmer.loader.assemble import assemble
from hetero_mmer.loader.scale import standardize_
from hetero_mmer.loader.workers import as_if_here
from hetero_mmer.store import Store
from hetero_mmer.store.format import LARGEST

#: Features up to this size are read once and kept, in bytes.
IN_MEMORY = 2 << 30

_SCAN_BYTES = 1 << 24


class StoreDataset(Dataset):
    """Samples of a store as graphs, one by one or a whole batch at once.

    ``dataset[i]`` is the graph of one sample, ``dataset.batch([...])`` the batch of
    several; PyG's loaders take it too, :class:`StoreLoader` is faster.
    Features that are too large to keep are read from the file batch by batch.

    Graphs have labels ``y`` if those of all the samples chosen are known; PyG makes no
    batch of graphs with and without. ``store.known`` tells which are. Intensities of
    labels and segments of items are in the graphs where the store has them.

    Args:
        store: An open store.
        rows: Which samples, in this order, or a mask; all by default.
        modalities: Which modalities, in this order; all by default.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        in_memory: Whether to read all features at once; by default only if they
            take less than 2 GiB.
        skip_empty: Whether to leave out samples that have no item in the chosen
            modalities, which are refused otherwise.
        scale: Mean and standard deviation of each column, [F] and [F], that features
            of a modality are standardised with; constant columns become zero, and so
            do values that the conversion put in the place of others.
        extras: Other arrays of the store that a model reads; graphs have each under its
            name.
        device: Where to keep all features in memory, such as ``cuda``; graphs are
            made there, in the process that asks for them.

    Raises:
        InputError: For a modality or an extra array that the store lacks, a sample that
            has no item in the chosen modalities, values that are not finite or too
            large to compute with, ids that are outside of their vocabulary, or a
            ``device`` without keeping features in memory.
    """

    def __init__(
        self,
        store: Store,
        rows: Sequence[int] | np.ndarray | None = None,
        *,
        modalities: Sequence[str] | None = None,
        label_graph: Tensor | None = None,
        in_memory: bool | None = None,
        skip_empty: bool = False,
        scale: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        extras: Sequence[str] = (),
        device: torch.device | str | None = None,
    ) -> None:
        names = store.chosen(modalities)
        schema.check_extra_names(extras, names)
        self.store = store
        self.rows = _row_indices(rows, store)
        if skip_empty:
            self.rows = self.rows[_num_items(store, names)[self.rows] > 0]
        self.modalities = names
        self.in_channels = {m: store.in_channels[m] for m in names}
        sizes = store.num_embeddings
        self.num_embeddings = {m: sizes[m] for m in names if m in sizes}
        self.kinds = {m: store.kinds[m] for m in names}
        self.num_labels = store.num_labels
        self.label_graph = label_graph
        self.scale = {m: pair for m, pair in (scale or {}).items() if m in names}
        self.sample_ids = [str(name) for name in store.ids[self.rows]]
        self.y = None
        if store.labels is not None and store.known[self.rows].all():
            self.y = _rows_of(store.labels, self.rows)
        self.intensities = None
        if store.intensities is not None:
            intensities = _rows_of(store.intensities, self.rows)
            self.intensities = intensities if intensities.isfinite().all() else None
        self.extras = {m: _rows_of(store.extra(m), self.rows) for m in extras}
        self.segmented = [m for m in names if m in store.segmented]
        self._start = {m: store.ptr[m][self.rows] for m in names}
        self._length = {m: store.ptr[m][self.rows + 1] - self._start[m] for m in names}
        empty = np.flatnonzero(_num_items(store, names)[self.rows] == 0)
        if len(empty):
            raise InputError(
                f'{len(empty)} of {len(self)} samples of {store.path} have no item in '
                f"{names}, the first is '{self.sample_ids[empty[0]]}': choose more "
                f'modalities, or leave these samples out with `skip_empty=True`'
            )
        if device is not None and in_memory is False:
            raise InputError(
                f"'device' keeps all features in memory (got '{device}' and "
                'in_memory=False)'
            )
        if in_memory is None:
            size = sum(
                4 * int(self._length[m].sum()) * self.in_channels[m] for m in names
            )
            in_memory = size <= IN_MEMORY
        for m in self.scale:
            self._check_record(m)
        self.device = device
        self._kept: dict[str, Any] | None = None
        self._segments: dict[str, NDArray[np.int32]] = {}
        if in_memory or device is not None:
            everything = np.arange(len(self))
            self._kept = {m: self._from_file(m, everything) for m in names}
            self._segments = self._read_segments(everything)
            self._start = {m: np.cumsum(n) - n for m, n in self._length.items()}
            if device is not None:
                self._kept = {
                    m: torch.from_numpy(x).to(device) for m, x in self._kept.items()
                }
        else:
            for m in names:
                self._check_range(m)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> SampleGraph:
        """The graph of one sample."""
        if not isinstance(index, int | np.integer):
            raise InputError(
                f'one sample is chosen by an integer (got {index!r}): '
                'dataset.batch(indices) makes a batch of several, '
                'torch.utils.data.Subset(dataset, indices) a part of the data'
            )
        features, _, segments = self._read(np.array([index]))
        graph = build_graph(
            features,
            None if self.y is None else self.y[index],
            intensities=None if self.intensities is None else self.intensities[index],
            segments=segments,
            extras={name: values[index] for name, values in self.extras.items()},
            num_labels=self.num_labels,
            kinds=self.kinds,
            num_embeddings=self.num_embeddings,
            label_graph=self.label_graph,
            sample_id=self.sample_ids[index],
        )
        return graph if self.device is None else graph.to(self.device)

    def batch(self, indices: Sequence[int]) -> Batch:
        """The batch of several samples' graphs."""
        index = np.asarray(indices, np.int64)
        if not len(index):
            raise InputError('a batch has at least one sample (got none)')
        features, lengths, segments = self._read(index)
        batch = assemble(
            features,
            lengths,
            kinds=self.kinds,
            num_labels=self.num_labels,
            num_embeddings=self.num_embeddings,
            y=None if self.y is None else _take(self.y, index),
            intensities=None
            if self.intensities is None
            else _take(self.intensities, index),
            segments=segments,
            extras={name: _take(values, index) for name, values in self.extras.items()},
            label_graph=self.label_graph,
            sample_ids=[self.sample_ids[i] for i in index.tolist()],
        )
        return batch if self.device is None else batch.to(self.device)

    def prefetch(self, indices: Sequence[int] | np.ndarray) -> None:
        """Lets the disk fetch what a batch will need while something else is done."""
        if self._kept is None:
            index = np.asarray(indices, np.int64)
            for m in self.modalities:
                self.store.prefetch_slices(
                    m, self._start[m][index], self._length[m][index]
                )

    def _read(self, index: np.ndarray) -> tuple[dict[str, Tensor], ...]:
        """Items of some samples, how many each has, and their segments."""
        features, lengths = {}, {}
        self.prefetch(index)
        for m in self.modalities:
            start, length = self._start[m][index], self._length[m][index]
            lengths[m] = torch.from_numpy(length)
            if self._kept is None:
                x = torch.from_numpy(self._from_file(m, index))
            else:
                x, rows = self._kept[m], torch.from_numpy(_flat_rows(start, length))
                x = torch.from_numpy(x) if self.device is None else x
                x = x.index_select(0, rows.to(x.device))
            ids = m in self.num_embeddings
            features[m] = x.to(torch.long if ids else torch.get_default_dtype())
        segments = {}
        if self._kept is None:
            segments = self._read_segments(index)
        for m, kept in self._segments.items():
            segments[m] = kept[
                _flat_rows(self._start[m][index], self._length[m][index])
            ]
        as_long = {m: torch.from_numpy(x).long() for m, x in segments.items()}
        return features, lengths, as_long

    def _read_segments(self, index: np.ndarray) -> dict[str, NDArray[np.int32]]:
        found = {
            m: self.store.segment_slices(
                m, self._start[m][index], self._length[m][index]
            )
            for m in self.segmented
        }
        for m, segment in found.items():
            if segment.min(initial=0) < 0:
                raise InputError(
                    f"modality '{m}' of '{self.store.path}' has segments from 0 on "
                    f'(got {segment.min()})'
                )
        return found

    def _from_file(self, modality: str, index: np.ndarray) -> Any:
        """Items of the file, which may have changed since it was written."""
        size = self.num_embeddings.get(modality)
        start, length = self._start[modality][index], self._length[modality][index]
        x = self.store.read_slices(modality, start, length)
        x = x.astype(np.float32 if size is None else np.int32, copy=False)
        if size is not None:
            if x.size and not 0 <= x.min() <= x.max() < size:
                raise InputError(
                    f"modality '{modality}' of '{self.store.path}' has ids from 0 to "
                    f'{size - 1} (got {x.min()} to {x.max()})'
                )
            return x
        finite = np.isfinite(x)
        if not finite.all():  # Much faster than to count.
            bad = x.size - int(finite.sum())
            where, _ = self._place(modality, index, ~finite)
            raise InputError(
                f"modality '{modality}' of '{self.store.path}' holds {bad} values that "
                f'are NaN or infinite, the first {where}; convert the data again with '
                "`clean='zero'` or `clean='mean'`"
            )
        if modality in self.scale:
            cleaned = self.store.cleaned_slices(modality, start, length)
            standardize_(x, *self.scale[modality], cleaned)
        if not _is_small(x):
            raise self._too_large(modality, index, x)
        return x

    def _too_large(self, modality: str, index: np.ndarray, x: np.ndarray) -> InputError:
        large = ~(np.abs(x) <= LARGEST)
        where, value = self._place(modality, index, large)
        became, advice = (
            '',
            'mend it, or train with `standardize=True` if it is meant',
        )
        if modality in self.scale:
            became = f' ({x[large][0]:.4g} after standardising)'
            advice = 'mend it, or leave the sample out'
        return InputError(
            f"modality '{modality}' of '{self.store.path}' holds a value that is too "
            f'large to compute with (at most {LARGEST:g}), {value:.4g} {where}'
            f'{became}: {advice}'
        )

    def _place(
        self, modality: str, index: np.ndarray, wrong: np.ndarray
    ) -> tuple[str, float]:
        """Where the first wrong value is, in words, and what the file holds there."""
        row, column = np.argwhere(wrong)[0]
        stop = np.cumsum(self._length[modality][index])
        nth = int(np.searchsorted(stop, row, side='right'))
        sample = int(self.rows[index[nth]])
        values = self.store.read(modality, sample)
        value = float(values[row - stop[nth], column])  # From its end.
        names = self.store.columns[modality]
        what = f"'{names[column]}'" if names else str(column)
        name = self.sample_ids[index[nth]]
        return f"in sample '{name}', column {what}", value

    def _check_range(self, modality: str) -> None:
        """Finds values that are too large before they are read for a batch."""
        size = 4 * self._length[modality].sum() * self.in_channels[modality]
        if modality in self.num_embeddings or not size:
            return
        bounds = self.store.value_range(modality)
        if bounds is not None:
            ends = np.stack(bounds).astype(np.float32)
            if modality in self.scale:
                standardize_(ends, *self.scale[modality])
            if _is_small(ends):
                return
        for part in np.array_split(np.arange(len(self)), -(-size // _SCAN_BYTES)):
            self._from_file(modality, part)

    def _check_record(self, modality: str) -> None:
        """Tells where values were replaced, but not recorded which."""
        if self.store.clean == 'zero' and not self.store.records_cleaned(modality):
            warnings.warn(
                f"'{self.store.path}' does not record which values of '{modality}' the "
                f'conversion replaced with zero ({self.store.non_finite[modality]} '
                'values): standardising makes them -mean/deviation of their column, '
                'which may be far off; convert the data again',
                InputWarning,
                stacklevel=3,
            )


class StoreLoader(DataLoader):
    """Yields batches of a :class:`StoreDataset`, as ``torch_geometric``'s loader would.

    Where features are not kept in memory, the indices of a batch are drawn one batch
    ahead, for the disk to begin.

    Args:
        dataset: The samples, or any other dataset or list of graphs.
        batch_size: Samples in a batch.
        shuffle: Whether to draw a new order for each epoch.
        **kwargs: More of :class:`torch.utils.data.DataLoader`, such as
            ``num_workers`` or ``generator``.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[HeteroData],
        batch_size: int = 1,
        shuffle: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.pop('collate_fn', None)
        if not isinstance(dataset, _Batches):  # It is when a loader is made again.
            dataset = _Batches(dataset)
        super().__init__(dataset, batch_size, shuffle, collate_fn=_identity, **kwargs)

    def __iter__(self) -> Iterator[Any]:
        batches = super().__iter__()
        return _reraised(batches) if self.num_workers else batches

    @property
    def _index_sampler(self) -> Any:
        """Where PyTorch takes the indices of its batches from, with workers or not."""
        sampler, batches = super()._index_sampler, cast(_Batches, self.dataset)
        # Workers are ahead anyway.
        if self.batch_sampler is None or self.num_workers or not batches.read_files:
            return sampler
        return _Prefetching(sampler, batches.prefetch)


def _reraised(batches: Iterator[Any]) -> Iterator[Any]:
    with as_if_here():
        yield from batches


class _Prefetching:
    """Prefetches each batch while the one before it is still read and computed on."""

    def __init__(self, batches: Any, prefetch: Callable[[Sequence[int]], None]) -> None:
        self.batches, self.prefetch = batches, prefetch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Sequence[int]]:
        batches = iter(self.batches)
        batch = next(batches, None)
        while batch is not None:
            following = next(batches, None)
            if following is not None:
                self.prefetch(following)
            yield batch
            batch = following


class _Batches(Dataset):
    """Hands out whole batches where a loader asks for several samples."""

    def __init__(self, dataset: Dataset | Sequence[HeteroData]) -> None:
        self.dataset = cast(Dataset, dataset)  # All of it that is used.

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> SampleGraph:
        return self.dataset[index]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        dataset, indices = self._without_subsets(indices)
        if isinstance(dataset, StoreDataset):
            return dataset.batch(indices)
        return Batch.from_data_list([dataset[i] for i in indices])

    @property
    def read_files(self) -> bool:
        """Whether samples come from a file only when they are asked for."""
        dataset, _ = self._without_subsets([])
        return isinstance(dataset, StoreDataset) and dataset._kept is None

    def prefetch(self, indices: Sequence[int]) -> None:
        """Lets a store prefetch samples."""
        dataset, indices = self._without_subsets(indices)
        if isinstance(dataset, StoreDataset):
            dataset.prefetch(indices)

    def _without_subsets(self, indices: Sequence[int]) -> tuple[Dataset, Sequence[int]]:
        dataset = self.dataset
        while isinstance(dataset, Subset):
            indices = [dataset.indices[i] for i in indices]
            dataset = dataset.dataset
        return dataset, indices


def _row_indices(
    rows: Sequence[int] | np.ndarray | None, store: Store
) -> NDArray[np.int64]:
    refuse_masked(rows, 'rows')
    index = np.arange(len(store)) if rows is None else np.asarray(rows)
    if index.dtype == bool and len(index) == len(store):
        index = np.flatnonzero(index)
    if index.size == 0:
        return np.zeros(0, np.int64)
    if index.ndim != 1 or index.dtype.kind not in 'iu':
        raise InputError(
            f'rows are indices of samples or a mask over all {len(store)} '
            f'(got {index.dtype} of shape {list(index.shape)})'
        )
    if index.min() < 0 or index.max() >= len(store):
        raise InputError(
            f'{store.path} has samples 0 to {len(store) - 1} '
            f'(got rows from {index.min()} to {index.max()})'
        )
    return index.astype(np.int64)


def _num_items(store: Store, modalities: Sequence[str]) -> NDArray[np.int64]:
    return np.sum([np.diff(store.ptr[m]) for m in modalities], axis=0)


def _is_small(x: np.ndarray) -> bool:
    """Whether all values can be computed with; false for NaN."""
    return not x.size or bool(x.min() >= -LARGEST and x.max() <= LARGEST)


def _flat_rows(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    offset = start - (np.cumsum(length) - length)
    return np.arange(length.sum()) + np.repeat(offset, length)


def _rows_of(values: np.ndarray, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(values[rows]).to(torch.get_default_dtype())


def _take(values: Tensor, index: np.ndarray) -> Tensor:
    # In NumPy: PyTorch would wake up its threads to index these few numbers.
    return torch.from_numpy(values.numpy()[index])


def _identity(batch: Batch) -> Batch:
    return batch
