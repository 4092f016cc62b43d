"""Predictions for arrays are those for a store of the same arrays."""

from __future__ import annotations

import csv
from functools import partial

import h5py
import numpy as np
import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.run import load_run, predict
from hetero_mmer.store import ModalitySpec, StoreWriter
from hetero_mmer.training import train

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
        'HHMPN': partial(HHMPN, hidden_channels=8, label_graph='prior'),
        'CARAT': partial(
            CARAT,
            hidden_channels=8,
            num_layers=1,
            contrast=partial(ContrastiveMemory, queue_size=16),
        ),
    }[request.param]
    options = {'standardize': True, 'threshold': 'per-label'}
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


VOICE = np.array([[310.0, 290.0, 300.0], [320.0, 280.0, 305.0]], np.float32)
FORMS = {
    'requires grad': lambda x: torch.tensor(x, requires_grad=True),
    'bfloat16': lambda x: torch.tensor(x, dtype=torch.bfloat16),
    'float16': lambda x: torch.tensor(x, dtype=torch.float16),
    'float64': lambda x: torch.tensor(x, dtype=torch.float64),
    'integers': lambda x: torch.tensor(x, dtype=torch.int32),
    'sparse': lambda x: torch.tensor(x).to_sparse(),
    'a graph behind it': lambda x: torch.tensor(x, requires_grad=True) * 1,
    'list of tensors': lambda x: [torch.tensor(r, requires_grad=True) for r in x],
    'list of arrays': list,
    'lists': lambda x: x.tolist(),
    'big endian': lambda x: x.astype('>f4'),
    'turned twice': lambda x: x[::-1].copy()[::-1],
    'a mask of nothing': lambda x: np.ma.array(x, mask=False),
}


@pytest.mark.parametrize('form', FORMS)
def test_items_may_be_of_any_kind(form, run):
    exact = VOICE
    if form == 'bfloat16':  # What is left of the values in it.
        exact = torch.tensor(VOICE, dtype=torch.bfloat16).float().numpy()
    expected = run.predict({'voice': exact}).probs
    given = FORMS[form](VOICE)
    np.testing.assert_array_equal(run.predict({'voice': given}).probs, expected)
    np.testing.assert_array_equal(run.predict([{'voice': given}]).probs, expected)


@pytest.mark.parametrize(
    'dtype', ['u1', 'u2', 'u4', 'u8', 'i1', '>i4', '>i8', torch.int16, torch.uint8]
)
def test_ids_may_be_integers_of_any_kind(dtype, run):
    ids = [3, 1, 8]
    is_torch = isinstance(dtype, torch.dtype)
    given = torch.tensor(ids, dtype=dtype) if is_torch else np.array(ids, dtype)
    expected = run.predict({'words': ids}).probs
    assert (run.predict({'words': given}).probs == expected).all()


@pytest.mark.parametrize(
    ('items', 'message'),
    [
        ([[1, 2, 3], [1, 2]], 'form an array of numbers .got list: '),
        ([[1, 2, 3], 'abc'], 'form an array of numbers|has items of shape'),
        ([torch.ones(3), torch.ones(2)], 'form an array of numbers'),
        (torch.ones(2, 3, device='meta'), 'form an array of numbers .got Tensor'),
        (torch.ones(2, 3, dtype=torch.cfloat), r'\[S, 3\].*complex64'),
        (np.ma.array(VOICE, mask=VOICE > 315), '1 of 6 values are masked'),
        ([[None, 1, 2]], r'\[S, 3\].*object'),
        ([[10**400, 1, 2]], r'\[S, 3\].*object'),
        ('abc', r'\[S, 3\]'),
        ({'a': 1}, r'\[S, 3\]'),
        (3.0, r'\[S, 3\]'),
        (object(), r'\[S, 3\]'),
    ],
)
@pytest.mark.parametrize('modality', ['voice', 'words'])
def test_what_is_no_array_is_refused(modality, items, message, run):
    message = message if modality == 'voice' else f"'words'|'voice'|{message}"
    with pytest.raises(InputError, match=message) as error:
        run.predict({modality: items, 'faces': np.ones((1, 2))})
    assert '\n' not in str(error.value)
    assert modality in str(error.value)


@pytest.mark.parametrize(
    'samples', [None, 3, 'abc', b'abc', object(), torch.ones(2, 3)]
)
def test_what_is_no_sample_is_refused(samples, run):
    with pytest.raises(InputError, match='dictionar'):
        run.predict(samples)


def test_samples_may_come_one_by_one(run):
    sample = {'voice': VOICE}
    found = run.predict(sample for _ in range(3))
    assert found.probs.shape == (3, 4)


THRESHOLDS = [
    *(True, False, np.True_, np.array([0.5, 0.5]), np.full((1, 4), 0.5), [0.5], {}),
    *(torch.tensor([0.5] * 4), 'x', '0.5', b'tuned', float('nan'), 1.5, -0.1, 1j),
    *(object(), np.array('tuned'), torch.tensor(True), ('tuned',)),
]


@pytest.mark.parametrize('threshold', THRESHOLDS, ids=range(len(THRESHOLDS)))
def test_what_is_no_threshold_is_refused(threshold, run):
    for call in (run.threshold, partial(run.predict, {'voice': VOICE})):
        with pytest.raises(InputError, match="'threshold' is a number in") as error:
            call(threshold=threshold)
        assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'threshold', [0, 1, 0.5, np.float32(0.5), np.float64(0.5), np.int64(1)]
)
def test_numbers_of_any_kind_are_thresholds(threshold, run):
    found = run.predict({'voice': VOICE}, threshold=threshold)
    assert (found.pred == (found.probs > float(threshold))).all()
    zero_dim = run.predict({'voice': VOICE}, threshold=torch.tensor(0.5))
    assert (zero_dim.pred == (zero_dim.probs > 0.5)).all()


@pytest.mark.parametrize('size', [0, -1, True, 2.5, '4', None, np.array([3])])
def test_what_is_no_batch_size_is_refused(size, run):
    with pytest.raises(InputError, match="'batch_size' is at least 1"):
        run.predict({'voice': VOICE}, batch_size=size)


@pytest.mark.parametrize('device', [None, 3, 'gpu', ['cpu'], 'cpu:9'])
def test_what_is_no_device_is_refused(device, run):
    with pytest.raises(InputError, match="'device' is one of"):
        run.predict({'voice': VOICE}, device=device)
    assert run.predict({'voice': VOICE}, device=torch.device('cpu')).probs.size == 4
