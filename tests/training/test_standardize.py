"""Standardised features: the same run whatever the unit of the raw numbers."""

from __future__ import annotations

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.training import evaluate, load_run, predict, train
from hetero_mmer.typing import InputError


def rewritten(data, path, change):
    """Another store of the same samples with changed features."""
    with Store(data) as store:
        specs = {m: ModalitySpec(w) for m, w in store.in_channels.items()}
        with StoreWriter(path, specs, store.label_names) as writer:
            for i, name in enumerate(store.ids):
                x = {m: change(store.read(m, i)) for m in store.modalities}
                split = str(store.split[i])
                writer.add(str(name), x, store.labels[i], split=split)
    return path


def probs(path):
    with open(path, newline='') as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[1:4] for row in rows], float)


def test_unit_of_raw_values_does_not_matter(data, model, options, tmp_path):
    plain = rewritten(data, tmp_path / 'plain.h5', lambda x: x)
    other = rewritten(data, tmp_path / 'other.h5', lambda x: 50 * x - 3)
    found = []
    for store in (plain, other):
        out = tmp_path / f'run_{store.stem}'
        train(model, store, out, epochs=2, standardize=True, **options)
        predict(out, store, out / 'all.csv')
        assert (
            evaluate(out)['metrics']
            == json.loads((out / 'metrics.json').read_text())['metrics']
        )
        found.append(probs(out / 'all.csv'))
    np.testing.assert_allclose(*found, atol=1e-3)


def test_statistics_are_those_of_training(data, model, options, tmp_path):
    """New samples are standardised with the run's statistics, not with their own."""
    plain = rewritten(data, tmp_path / 'plain.h5', lambda x: x)
    train(model, plain, tmp_path / 'run', epochs=1, standardize=True, **options)
    run = load_run(tmp_path / 'run')
    with Store(plain) as store:
        rows = store.rows('train')
        for m in store.modalities:
            x = np.vstack([store.read(m, i) for i in rows]).astype(np.float64)
            np.testing.assert_allclose(run.scale[m][0], x.mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(run.scale[m][1], x.std(axis=0), rtol=1e-6)
        predict(run, plain, tmp_path / 'all.csv')
        with StoreWriter(
            tmp_path / 'one.h5',
            {m: ModalitySpec(w) for m, w in store.in_channels.items()},
            store.label_names,
            labelled=False,
        ) as writer:
            writer.add('one', {m: store.read(m, 5) for m in store.modalities})
    predict(run, tmp_path / 'one.h5', tmp_path / 'one.csv')
    np.testing.assert_allclose(
        probs(tmp_path / 'one.csv')[0], probs(tmp_path / 'all.csv')[5], atol=1e-6
    )


@pytest.mark.parametrize('in_memory', [True, False])
def test_constant_columns_become_zero(in_memory, tmp_path):
    path = tmp_path / 'a.h5'
    x = np.array([[7.0, 1], [7, 3]])
    with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy']) as writer:
        writer.add('a', {'text': x}, [1], split='train')
    with Store(path) as store:
        scale = {'text': store.moments('text')}
        dataset = StoreDataset(store, in_memory=in_memory, scale=scale)
        assert dataset[0]['text'].x.tolist() == [[0, -1], [0, 1]]
        assert StoreDataset(store)[0]['text'].x.tolist() == x.tolist()


def test_statistics_are_needed(data, model, tmp_path):
    bare = tmp_path / 'bare.h5'
    shutil.copy(data, bare)
    with h5py.File(bare, 'r+') as file:
        del file['features/audio/mean']
    with pytest.raises(InputError, match="no mean and deviation of 'audio'"):
        train(model, bare, tmp_path / 'run', standardize=True)
    assert not (tmp_path / 'run').exists()
