"""Predictions for arrays are those for a store of the same arrays."""

from __future__ import annotations

import csv
from functools import partial

import h5py
import numpy as np
import pytest

from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.store import ModalitySpec, StoreWriter
from hetero_mmer.training import load_run, predict, train
from hetero_mmer.typing import InputError

SPECS = {
    'words': ModalitySpec(1, num_embeddings=9),
    'voice': ModalitySpec(3),
    'faces': ModalitySpec(2, kind='set'),
}
LABELS = ['joy', 'anger', 'fear', 'shame']


def write_store(path, num_samples, *, seed, missing=()):
    """Samples far from mean 0 and deviation 1; returns their arrays."""
    rng = np.random.default_rng(seed)
    samples = []
    with StoreWriter(path, SPECS, LABELS) as writer:
        for i in range(num_samples):
            length = rng.integers(1, 5, size=3)
            sample = {
                'words': rng.integers(0, 9, size=length[0]),
                'voice': rng.normal(300, 50, size=(length[1], 3)),
                'faces': rng.normal(-1, 0.01, size=(length[2], 2)),
            }
            for m in missing[i % len(missing)] if missing else ():
                del sample[m]
            split = ('train', 'train', 'train', 'valid', 'test')[i % 5]
            y = np.roll(np.array([1, i % 2, (i // 2) % 2, 0]), i % 4)
            writer.add(f's{i}', sample, y, split=split)
            samples.append(sample)
    return samples


@pytest.fixture(scope='module', params=['HHMPN', 'CARAT'])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    write_store(folder / 'data.h5', 40, seed=0)
    model = {
        'HHMPN': partial(HHMPN, hidden_channels=8),
        'CARAT': partial(CARAT, hidden_channels=8, num_layers=1, queue_size=16),
    }[request.param]
    options = {'standardize': True, 'label_graph': 'prior', 'threshold': 'per-label'}
    train(model, folder / 'data.h5', folder / 'run', epochs=2, **options)
    return load_run(folder / 'run')


def by_file(run, path, tmp_path):
    predict(run, path, tmp_path / 'p.csv')
    with open(tmp_path / 'p.csv', newline='') as file:
        table = [
            [float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]
        ]
    probs, pred = np.hsplit(np.array(table), 2)
    return probs, pred.astype(bool)


def test_arrays_are_read_as_the_store(run, tmp_path):
    missing = [(), ('voice',), ('words', 'faces')]
    samples = write_store(tmp_path / 'new.h5', 7, seed=1, missing=missing)
    probs, pred = by_file(run, tmp_path / 'new.h5', tmp_path)
    found = run.predict(samples, batch_size=3)
    assert found.label_names == LABELS
    np.testing.assert_allclose(found.probs, probs, rtol=0, atol=1e-6)
    assert (found.pred == pred).all()
    assert pred.any()
    assert not pred.all()
    for i, sample in enumerate(samples):
        shuffled = dict(reversed([*sample.items()]))
        absent = {m: None for m in SPECS if m not in sample}
        one = run.predict({**shuffled, **absent})
        np.testing.assert_allclose(one.probs, probs[i : i + 1], rtol=0, atol=1e-6)
        empty = {m: [] for m in absent}
        again = run.predict({**empty, **sample}).probs
        assert (again == one.probs).all()


def test_thresholds_are_those_asked_for(run, tmp_path):
    samples = write_store(tmp_path / 'new.h5', 5, seed=2)
    found = run.predict(samples, threshold='tuned')
    value = run.about['thresholds']['tuned']
    assert (found.pred == (found.probs.astype(float) > value)).all()
    assert run.predict(samples, threshold=0.0).pred.all()
    assert run.predict([]).probs.shape == (0, 4)


def test_arrays_are_not_changed(run):
    voice = np.full((2, 3), 250, np.float32)
    run.predict({'voice': voice})
    assert (voice == 250).all()


@pytest.mark.parametrize(
    ('sample', 'message'),
    [
        (
            {'voice': np.ones((2, 4))},
            r"'voice' of sample '0' has items of shape \[S, 3\]",
        ),
        ({'voice': np.ones(4)}, r'\[S, 3\]'),
        ({'voice': [['a', 'b', 'c']]}, r'\[S, 3\]'),
        ({'voices': np.ones((2, 3))}, "did you mean 'voice'"),
        ({'words': [9]}, 'ids from 0 to 8'),
        ({'words': [0.5]}, 'integer ids'),
        ({}, "sample '0' has no item in any modality"),
        (
            {'voice': [[1, np.nan, 2]]},
            "'voice' of sample '0' has 1 values .*not finite",
        ),
        ({'voice': [[1, 3e38, 2]]}, r'too large to compute with, 3e\+38'),
        ({'voice': [[1, -1e300, 2]]}, r'too large to compute with, -1e\+300'),
        (np.ones((2, 3)), 'is a dictionary of arrays'),
    ],
)
def test_what_does_not_fit_is_refused(sample, message, run):
    good = {'voice': np.full((1, 3), 300.0)}
    with pytest.raises(InputError, match=message):
        run.predict([sample, good])


def test_an_id_that_comes_twice_is_refused(run, tmp_path):
    path = tmp_path / 'new.h5'
    write_store(path, 4, seed=3)
    with h5py.File(path, 'r+') as file:
        file['ids'][2] = file['ids'][0]
    with pytest.raises(InputError, match="has 's0' several times"):
        predict(run, path, tmp_path / 'p.csv')
    assert not (tmp_path / 'p.csv').exists()


def test_no_sample_with_items_is_refused(tmp_path):
    samples = write_store(tmp_path / 'data.h5', 20, seed=4)
    train(
        partial(HHMPN, hidden_channels=8),
        tmp_path / 'data.h5',
        tmp_path / 'run',
        modalities=['voice'],
        epochs=1,
        threshold='tuned',
    )
    path = tmp_path / 'new.h5'
    write_store(path, 3, seed=5, missing=[('voice',)])
    with pytest.raises(InputError, match=r'3 of 3 samples .* have no item'):
        predict(tmp_path / 'run', path, tmp_path / 'p.csv')
    other = {'faces': samples[0]['faces'], 'voice': samples[0]['voice']}
    run = load_run(tmp_path / 'run')
    one, two = (run.predict(s).probs for s in (other, {'voice': other['voice']}))
    assert (one == two).all()


def test_one_item_may_stand_alone(run):
    item = np.array([310.0, 290.0, 300.0])
    one, other = (run.predict({'voice': x}).probs for x in (item, item[None]))
    assert (one == other).all()
