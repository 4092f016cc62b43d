"""From the name of a data set to checked samples of each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hetero_mmer.graph import prior_label_graph
from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import Store
from hetero_mmer.typing import InputError

LabelGraph = Literal['complete', 'prior']

#: Labels that occur together this often, n_ik / sqrt(n_i n_k), get an edge.
PRIOR_THRESHOLD = 0.2

_CHUNK = 1 << 16  # Rows read at once.


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
) -> Splits:
    """Checks a store and opens its three splits.

    Args:
        store: An open store with labels.
        modalities: Which modalities; all by default.
        label_graph: All pairs of labels, or those that the training labels suggest.

    Raises:
        InputError: For a store without labels or without a split, features that are
            not finite, a modality that is not there, or a sample without items.
    """
    rows = {split: store.rows(split) for split in ('train', 'valid', 'test')}
    if store.labels is None:
        raise _no_labels(store)
    edges = None
    if label_graph == 'prior':
        y = torch.from_numpy(store.labels[rows['train']])
        edges = prior_label_graph(y, threshold=PRIOR_THRESHOLD)
    elif label_graph != 'complete':
        raise InputError(
            f"'label_graph' is one of ('complete', 'prior') (got '{label_graph}')"
        )
    datasets = {
        split: load_samples(store, index, modalities=modalities, label_graph=edges)
        for split, index in rows.items()
    }
    return Splits(**datasets, label_graph=edges)


def load_samples(
    store: Store,
    rows: np.ndarray | None = None,
    *,
    modalities: Sequence[str] | None = None,
    label_graph: Tensor | None = None,
) -> StoreDataset:
    """Opens some samples of a store, after a look at their features.

    Args:
        store: An open store.
        rows: Which samples; all by default.
        modalities: Which modalities; all by default.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.

    Raises:
        InputError: As :func:`load_splits`.
    """
    samples = StoreDataset(store, rows, modalities=modalities, label_graph=label_graph)
    for modality in samples.modalities:
        count = _num_non_finite(store, modality)
        if count:
            raise InputError(
                f"modality '{modality}' of '{store.path}' holds {count} values "
                'that are NaN or infinite; convert the data again with `--clean zero` '
                'or `--clean mean`'
            )
    return samples


def labels_of(samples: StoreDataset) -> Tensor:
    """The labels of samples, ``[N, L]``.

    Args:
        samples: Samples of one store.

    Raises:
        InputError: If it has none.
    """
    if samples.y is None:
        raise _no_labels(samples.store)
    return samples.y


def _num_non_finite(store: Store, modality: str) -> int:
    recorded = store.non_finite[modality]
    if recorded is not None:
        return recorded
    values = store.values(modality)
    chunks = (values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK))
    return sum(int((~np.isfinite(chunk)).sum()) for chunk in chunks)


def _no_labels(store: Store) -> InputError:
    return InputError(f"'{store.path}' has no labels, which are needed here")
