"""Standardised features: the same run whatever the unit of the raw numbers."""

from __future__ import annotations

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.loader import StoreDataset, dataset
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.run.data import load_splits
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.training import train


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
            np.testing.assert_allclose(
                run.reading.scale[m][0], x.mean(axis=0), rtol=1e-6
            )
            np.testing.assert_allclose(
                run.reading.scale[m][1], x.std(axis=0), rtol=1e-6
            )
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


SPLITS = ['train', 'valid', 'test', 'train', 'train', 'test', 'valid', 'train']


def store_of(path, arrays, *, clean=None, **options):
    """A sample for each array; what is None is not there."""
    width = next(x.shape[1] for x in arrays if x is not None)
    specs = {'audio': ModalitySpec(width, **options), 'text': ModalitySpec(1)}
    with StoreWriter(path, specs, ['joy', 'fear'], clean=clean) as writer:
        for i, x in enumerate(arrays):
            features = {'audio': x, 'text': [[i % 3]]}
            split = SPLITS[i % len(SPLITS)]
            writer.add(f's{i}', features, [i % 2, 1], split=split)
    return Store(path)


def dirty(rng, shape):
    """Values around 200, some of which are not finite."""
    x = rng.normal(200, 20, shape)
    x[rng.random(shape) < 0.2] = np.nan
    x[rng.random(shape) < 0.1] = -np.inf
    return x


@pytest.mark.parametrize('clean', ['zero', 'mean'])
@pytest.mark.parametrize('in_memory', [True, False])
def test_values_that_were_cleaned_become_the_mean(clean, in_memory, tmp_path):
    rng = np.random.default_rng(4)
    arrays = [dirty(rng, (n, 10)) for n in (3, 1, 6, 2, 4, 1, 5, 3)]
    seen = np.vstack([x for x, s in zip(arrays, SPLITS, strict=True) if s == 'train'])
    seen = np.where(np.isfinite(seen), seen, np.nan).astype(np.float32)
    mean, std = np.nanmean(seen, axis=0, dtype='d'), np.nanstd(seen, axis=0, dtype='d')
    with store_of(tmp_path / 'a.h5', arrays, clean=clean) as store:
        scale = load_splits(store, TrainOptions(standardize=True)).train.scale
        samples = StoreDataset(store, [7, 0, 2], in_memory=in_memory, scale=scale)
        raw = np.vstack([arrays[i] for i in (2, 7, 2)])
        expected = np.where(np.isfinite(raw), (raw - mean) / std, 0)
        found = samples.batch([2, 0, 2])['audio'].x
        np.testing.assert_allclose(found, expected, atol=1e-5)
        raw = arrays[0]
        expected = np.where(np.isfinite(raw), (raw - mean) / std, 0)
        np.testing.assert_allclose(samples[1]['audio'].x, expected, atol=1e-5)
        plain = StoreDataset(store, [2], in_memory=in_memory).batch([0])['audio'].x
        fill = 0 if clean == 'zero' else mean
        expected = np.where(np.isfinite(arrays[2]), arrays[2], fill)
        np.testing.assert_allclose(plain, expected, rtol=1e-6)


def test_an_older_store_does_not_know_what_was_cleaned(tmp_path):
    rng = np.random.default_rng(4)
    with store_of(
        tmp_path / 'a.h5', [dirty(rng, (3, 2)) for _ in range(8)], clean='zero'
    ) as store:
        count = store.non_finite['audio']
    with h5py.File(tmp_path / 'a.h5', 'r+') as file:
        del file['features/audio/cleaned']
    with Store(tmp_path / 'a.h5') as store:
        with pytest.warns(InputWarning, match=rf"'audio' .* zero \({count} values\)"):
            load_splits(store, TrainOptions(standardize=True))
        load_splits(store, TrainOptions())  # Zero is what was asked for.
        load_splits(store, TrainOptions(standardize=True, modalities=['text']))


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('clean', ['zero', 'mean'])
def test_ordinary_data_warn_of_nothing(clean, tmp_path):
    rng = np.random.default_rng(5)
    clean_ones = [rng.normal(1e4, 1, (2, 3)) for _ in range(8)]
    clean_ones[0][:, 2] = np.nan
    with store_of(tmp_path / 'a.h5', clean_ones, clean=clean) as store:
        load_splits(store, TrainOptions(standardize=True))


@pytest.mark.parametrize('older', [False, True])
def test_a_modality_that_train_lacks_stays_as_it_is(older, tmp_path):
    arrays = [None if s == 'train' else np.full((2, 3), 40.0 + i)
              for i, s in enumerate(SPLITS)]  # fmt: skip
    store_of(tmp_path / 'a.h5', arrays).close()
    if older:  # They took the numbers of the splits that are left.
        with h5py.File(tmp_path / 'a.h5', 'r+') as file:
            del file['features/audio/unseen']
            file['features/audio/mean'][:] = 43
            file['features/audio/std'][:] = 2
    with Store(tmp_path / 'a.h5') as store:
        with pytest.warns(
            InputWarning, match="'audio' has no value in the train split"
        ):
            splits = load_splits(store, TrainOptions(standardize=True))
        assert (splits.test.batch([0])['audio'].x == 42).all()
        assert (splits.valid.batch([1])['audio'].x == 46).all()


@pytest.mark.parametrize(
    ('column', 'constant'),
    [
        (7.1 + 1e-7 * np.arange(8), True),  # Two numbers of float32.
        (-3e5 + 0.03 * (np.arange(8) % 2), True),
        (1e-42 * np.arange(8), True),  # Float32 has no digits left.
        (1.6e9 + 400 * np.arange(8), False),  # Time stamps of an hour.
        (1013.25 + 0.01 * np.arange(8), False),
        (1e-30 * np.arange(8), False),
        (20240101 + 30.0 * np.arange(8), False),
        (1 - 1e-5 * np.arange(8), False),
    ],
)
def test_what_is_only_rounded_is_constant(column, constant, tmp_path):
    arrays = [np.array([[x, i]]) for i, x in enumerate(column)]
    with store_of(tmp_path / 'a.h5', arrays, columns=('f0', 'hnr')) as store:
        if constant:
            with pytest.warns(InputWarning, match="'f0' of 'audio'.*constant"):
                splits = load_splits(store, TrainOptions(standardize=True))
        else:
            splits = load_splits(store, TrainOptions(standardize=True))
        x = splits.train.batch(range(4))['audio'].x.numpy().astype(np.float64)
    train = np.array(column, np.float32)[[0, 3, 4, 7]].astype(np.float64)
    expected = 0 * train if constant else (train - train.mean()) / train.std()
    np.testing.assert_allclose(x[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(x[:, 1].std(), 1, rtol=1e-6)


def test_exactly_equal_values_are_constant_without_a_word(tmp_path, recwarn):
    arrays = [np.full((3, 2), 7.1) for _ in range(8)]
    with store_of(tmp_path / 'a.h5', arrays) as store:
        splits = load_splits(store, TrainOptions(standardize=True))
        assert (splits.test.batch([0, 1])['audio'].x == 0).all()
    assert not [w for w in recwarn if issubclass(w.category, InputWarning)]


@pytest.mark.parametrize('in_memory', [None, False])
@pytest.mark.parametrize('split', ['train', 'valid', 'test'])
def test_a_value_that_is_too_large_is_found_before_training(
    split, in_memory, tmp_path, monkeypatch
):
    if in_memory is False:
        monkeypatch.setattr(dataset, 'IN_MEMORY', 0)
    monkeypatch.setattr(dataset, '_SCAN_BYTES', 40)
    rng = np.random.default_rng(6)
    arrays = [rng.normal(size=(n, 2)) for n in (2, 3, 1, 2, 4, 2, 1, 2)]
    i = len(SPLITS) - 1 - SPLITS[::-1].index(split)  # Its last sample.
    arrays[i][-1, 1] = -3.4e38 if split != 'train' else 2e14
    with store_of(tmp_path / 'a.h5', arrays, columns=('f0', 'hnr')) as store:
        where = f"in sample 's{i}', column 'hnr'"
        with pytest.raises(InputError, match=r"'audio' .* too large") as it:
            load_splits(store, TrainOptions())
        assert where in str(it.value)
        assert f'{arrays[i][-1, 1]:.4g} in' in str(it.value)
        if split == 'train':  # Its deviation grows with it.
            scaled = load_splits(store, TrainOptions(standardize=True)).train.batch(
                range(4)
            )
            assert scaled['audio'].x.abs().max() < 10
            return
        with pytest.raises(InputError, match='after standardising') as it:
            load_splits(store, TrainOptions(standardize=True))
        assert where in str(it.value)
        assert '-3.4e+38 in' in str(it.value)


def test_only_chosen_samples_are_asked(tmp_path):
    arrays = [np.ones((1, 2)) for _ in range(8)]
    arrays[4] = np.full((1, 2), 1e20)
    with store_of(tmp_path / 'a.h5', arrays) as store:
        for in_memory in (True, False):
            StoreDataset(store, [0, 1, 5], in_memory=in_memory)
            StoreDataset(store, [4], modalities=['text'], in_memory=in_memory)
            with pytest.raises(InputError, match="'s4'"):
                StoreDataset(store, [0, 4], in_memory=in_memory)
