"""From the name of a data set to checked samples of each split."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.graph import prior_label_graph
from hetero_mmer.loader import StoreDataset
from hetero_mmer.loader.scale import EQUAL
from hetero_mmer.run.options import LabelGraph
from hetero_mmer.run.run import Run
from hetero_mmer.schema import check_label_names
from hetero_mmer.store import Store
from hetero_mmer.store.format import name_columns, unseen

#: Labels that occur together this often, n_ik / sqrt(n_i n_k), get an edge.
PRIOR_THRESHOLD = 0.2

#: A column counts as constant if its deviation is below this share of its mean, which
#: is two to four steps of float32: what varies then is how numbers were rounded. Time
#: stamps of some minutes (1.6e9) and everything else that was measured vary by more.
ROUNDING = 2.0**-22


@dataclass(frozen=True)
class Splits:
    """The samples of a store that fit sees, and those it is tested on."""

    train: StoreDataset
    valid: StoreDataset
    test: StoreDataset
    label_graph: Tensor | None


def load_splits(
    store: Store,
    *,
    modalities: Sequence[str] | None = None,
    label_graph: LabelGraph = 'complete',
    standardize: bool = False,
    skip_empty: bool = False,
) -> Splits:
    """Checks a store and opens its three splits.

    Args:
        store: An open store with labels, which only test may lack.
        modalities: Which modalities; all by default.
        label_graph: All pairs of labels, or those that the training labels suggest.
        standardize: Whether to standardise features with the train split's statistics.
        skip_empty: Whether to leave out samples without items in these modalities.

    Raises:
        InputError: For a store without labels, a sample of train or valid whose labels
            are unknown, a split or statistics that are needed, names of labels that no
            predictions can have, features that are not finite, a modality that is not
            there, a sample without items, or a split of such samples alone.
    """
    rows = {split: store.rows(split) for split in ('train', 'valid', 'test')}
    if store.labels is None:
        raise _no_labels(store)
    for split in ('train', 'valid'):
        if sentence := some_unknown(store, split, rows[split]):
            raise InputError(
                f'{sentence}: only those of test may be, or of samples in no split'
            )
    check_label_names(store.label_names)  # Older stores may hold any.
    edges = None
    if label_graph == 'prior':
        y = torch.from_numpy(store.labels[rows['train']])
        edges = prior_label_graph(y, threshold=PRIOR_THRESHOLD)
    elif label_graph != 'complete':
        raise InputError(
            f"'label_graph' is one of ('complete', 'prior') (got '{label_graph}')"
        )
    names = store.modalities if modalities is None else modalities
    scale = _statistics(store, names, rows['train']) if standardize else None
    datasets = {
        split: StoreDataset(
            store,
            index,
            modalities=modalities,
            label_graph=edges,
            skip_empty=skip_empty,
            scale=scale,
        )
        for split, index in rows.items()
    }
    for split, samples in datasets.items():
        check_any(samples, split)
    return Splits(**datasets, label_graph=edges)


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


def samples_of(
    run: Run, store: Store, rows: np.ndarray | None = None, *, skip_empty: bool
) -> StoreDataset:
    """Samples of a store as those that a run was trained on.

    Args:
        run: The run.
        store: An open store that fits its model.
        rows: Which samples; all by default.
        skip_empty: Whether to leave out samples without items in its modalities.
    """
    return StoreDataset(
        store,
        rows,
        modalities=list(run.in_channels),
        label_graph=run.label_graph,
        skip_empty=skip_empty,
        scale=run.scale,
    )


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
    store: Store, modalities: Sequence[str], train: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    known = [m for m in store.modalities if m in modalities]
    features = [m for m in known if m not in store.num_embeddings]
    found = {m: store.moments(m) for m in features}
    if missing := [m for m, moments in found.items() if moments is None]:
        raise InputError(
            f"'{store.path}' records no mean and deviation of '{missing[0]}', which "
            f'standardising needs: convert the data again'
        )
    scale = {}
    for m, moments in found.items():
        assert moments is not None
        scale[m] = _checked(store, m, train, *moments)
    return scale


def _checked(
    store: Store, modality: str, train: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the train split, 0 where a column only seems to vary."""
    ptr = store.ptr[modality]
    columns = store.unseen(modality)
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
