"""From the name of a data set to checked samples of each split."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.loader import StoreDataset
from hetero_mmer.loader.scale import EQUAL
from hetero_mmer.run.build import Facts
from hetero_mmer.run.label_files import read_relations, read_vectors
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.run.reading import Reading
from hetero_mmer.run.rows import rows_of
from hetero_mmer.schema import check_label_names
from hetero_mmer.store import Store
from hetero_mmer.store.format import name_columns, unseen
from hetero_mmer.store.moments import ColumnMoments, moments_of

#: A column counts as constant if its deviation is below this share of its mean, which
#: is two to four steps of float32: what varies then is how numbers were rounded. Time
#: stamps of some minutes (1.6e9) and everything else that was measured vary by more.
ROUNDING = 2.0**-22


@dataclass(frozen=True)
class Splits:
    """The samples of a store that fit sees, and those it is tested on."""

    reading: Reading
    rows: Mapping[str, np.ndarray]  # of each split, those left out included
    train: StoreDataset
    valid: StoreDataset
    test: StoreDataset


def load_splits(
    store: Store,
    options: TrainOptions,
    label_graph: Tensor | None = None,
    extras: Sequence[str] = (),
) -> Splits:
    """Checks a store and opens its three splits.

    Args:
        store: An open store with labels, which only test may lack.
        options: Those of the run.
        label_graph: Edges among the labels that came with the data, ``[2, E]``.
        extras: Other arrays of the store that the model reads.

    Raises:
        InputError: For a store without labels, a sample of train or valid whose labels
            are unknown, a split or statistics that are needed, names of labels that no
            predictions can have, features that are not finite, a modality that is not
            there, a sample without items, or a split of such samples alone.
    """
    rows = rows_of(store, options.split_file, options.fold)
    if store.labels is None:
        raise _no_labels(store)
    for split in ('train', 'valid'):
        if sentence := some_unknown(store, split, rows[split]):
            raise InputError(
                f'{sentence}: only those of test may be, or of samples in no split'
            )
    check_label_names(store.label_names)  # Older stores may hold any.
    names = store.chosen(options.modalities)
    reading = Reading(
        names,
        (
            _statistics(store, names, rows['train'], own=options.split_file is None)
            if options.standardize
            else {}
        ),
        label_graph,
        options.skip_empty,
        extras,
    )
    datasets = {split: reading.samples(store, index) for split, index in rows.items()}
    for split, samples in datasets.items():
        check_any(samples, split)
    return Splits(reading, rows, **datasets)


def facts_of(store: Store, options: TrainOptions) -> tuple[Facts, Tensor | None]:
    """What a model is told of the data, and the label graph that came with them.

    Args:
        store: An open store.
        options: Those of the run.

    Raises:
        InputError: For files of label vectors or relations that do not fit the labels.
    """
    names, vectors, relations, edges = list(store.label_names), None, None, None
    if options.label_vectors is not None:
        vectors = torch.from_numpy(read_vectors(Path(options.label_vectors), names))
    if options.label_relations is not None:
        found = read_relations(Path(options.label_relations), names)
        relations = torch.from_numpy(found)
        edges = relations.nonzero().T.contiguous()
    chosen = store.chosen(options.modalities)
    sizes = store.num_embeddings
    facts = Facts(
        {m: store.in_channels[m] for m in chosen},
        store.num_labels,
        {m: sizes[m] for m in chosen if m in sizes},
        vectors,
        relations,
    )
    return facts, edges


def labels_of(samples: StoreDataset) -> Tensor:
    """The labels of samples, ``[N, L]``.

    Args:
        samples: Samples of one store.

    Raises:
        InputError: If it has none, or those of some samples are unknown.
    """
    if samples.y is None:
        raise _no_labels(samples.store)
    return samples.y


def check_any(samples: StoreDataset, split: str) -> None:
    """Refuses a split that nothing is left of once empty samples are left out.

    Args:
        samples: What is left of it.
        split: Its name.

    Raises:
        InputError: If that is nothing.
    """
    if not len(samples):
        raise InputError(
            f"no sample of split '{split}' of '{samples.store.path}' that is needed "
            f'here has an item in {samples.modalities}'
        )


def some_unknown(store: Store, split: str, rows: np.ndarray) -> str:
    """A sentence on samples whose labels are unknown; empty if there are none.

    Args:
        store: An open store.
        split: The split that they are from.
        rows: The samples, [N].
    """
    unknown = store.ids[rows[~store.known[rows]]]
    if not len(unknown):
        return ''
    return (
        f"labels of {len(unknown)} of {len(rows)} samples of split '{split}' of "
        f"'{store.path}' are unknown, the first is '{unknown[0]}'"
    )


def _statistics(
    store: Store, modalities: Sequence[str], train: np.ndarray, *, own: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Statistics of the train split: recorded ones, if it is the store's own."""
    scale = {}
    for m in modalities:
        if m in store.num_embeddings:
            continue
        found = moments_of(store, m, train) if not own else _recorded(store, m)
        scale[m] = _checked(store, m, train, found)
    return scale


def _recorded(store: Store, modality: str) -> ColumnMoments:
    moments = store.moments(modality)
    if moments is None:
        raise InputError(
            f"'{store.path}' records no mean and deviation of '{modality}', which "
            f'standardising needs: convert the data again'
        )
    return ColumnMoments(*moments, store.unseen(modality))


def _checked(
    store: Store, modality: str, train: np.ndarray, found: ColumnMoments
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the train split, 0 where a column only seems to vary."""
    mean, std, columns = found
    ptr = store.ptr[modality]
    if ptr[-1] and not (ptr[train + 1] - ptr[train]).any():
        # Older stores have the numbers of the other splits instead.
        columns = np.arange(len(mean))
        mean, std = np.zeros_like(mean), np.ones_like(std)
    if len(columns):
        sentence = unseen(modality, columns, store.specs[modality])
        warnings.warn(f'{store.path}: {sentence}', InputWarning, stacklevel=4)
    rounded = std < np.maximum(ROUNDING * np.abs(mean), np.finfo(np.float32).tiny)
    if len(some := np.flatnonzero(rounded & (std > EQUAL * np.abs(mean)))):
        warnings.warn(
            f'{store.path}: {name_columns(some, store.specs[modality])} of '
            f"'{modality}', which varies by no more than numbers are rounded "
            f'(deviation {std[some[0]]:.2g}, mean {mean[some[0]]:.6g}), counts as '
            'constant',
            InputWarning,
            stacklevel=4,
        )
    return mean, np.where(rounded, 0, std)


def _no_labels(store: Store) -> InputError:
    return InputError(f"'{store.path}' has no labels, which are needed here")
