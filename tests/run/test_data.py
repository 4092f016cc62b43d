from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.loader import StoreDataset
from hetero_mmer.run.data import labels_of, load_splits
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.store import ModalitySpec, Store, StoreWriter


def write(path, splits, *, labelled=True):
    specs = {'text': ModalitySpec(2)}
    with StoreWriter(path, specs, ['a', 'b'], labelled=labelled) as writer:
        for i, split in enumerate(splits):
            labels = [i % 2, 1] if labelled else None
            writer.add(f's{i}', {'text': np.ones((1, 2))}, labels, split=split)
    return path


def test_splits_are_those_of_the_store(data):
    with Store(data) as store:
        splits = load_splits(store, TrainOptions())
        for name in ('train', 'valid', 'test'):
            samples = getattr(splits, name)
            rows = np.flatnonzero(store.split == name)
            assert samples.sample_ids == store.ids[rows].tolist()
            assert labels_of(samples).tolist() == store.labels[rows].tolist()
        assert splits.reading.label_graph is None


@pytest.mark.parametrize('missing', ['train', 'valid', 'test'])
def test_each_split_is_needed(missing, tmp_path):
    splits = [split for split in ('train', 'valid', 'test') if split != missing]
    with (
        Store(write(tmp_path / 'a.h5', splits)) as store,
        pytest.raises(InputError, match=f"split '{missing}'"),
    ):
        load_splits(store, TrainOptions())


def test_labels_are_needed(tmp_path):
    path = write(tmp_path / 'a.h5', ['train', 'valid', 'test'], labelled=False)
    with Store(path) as store:
        with pytest.raises(InputError, match='has no labels'):
            load_splits(store, TrainOptions())
        with pytest.raises(InputError, match='has no labels'):
            labels_of(StoreDataset(store))
