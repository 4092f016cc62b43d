"""Which values a conversion replaced, and what train alone tells of columns."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, validate


def convert(path, arrays, splits, *, columns=(), **options):
    """A store with a modality 'audio'; None stands for a sample without it."""
    width = next(x.shape[1] for x in arrays if x is not None)
    specs = {'audio': ModalitySpec(width, columns=columns), 'text': ModalitySpec(1)}
    with StoreWriter(path, specs, ['joy'], **options) as writer:
        for i, (x, split) in enumerate(zip(arrays, splits, strict=True)):
            features = {'audio': x, 'text': [[float(i)]]}
            writer.add(f's{i}', features, [i % 2], split=split)
    return path


@pytest.mark.parametrize('float16', [False, True])
@pytest.mark.parametrize('clean', ['zero', 'mean'])
@pytest.mark.parametrize('width', [1, 7, 8, 19])
def test_marks_are_where_values_were_not_finite(
    tmp_path, monkeypatch, clean, width, float16
):
    monkeypatch.setattr('hetero_mmer.store.column._BUFFER_BYTES', 6 * 4 * width)
    rng = np.random.default_rng(width)
    arrays = [rng.normal(size=(n, width)) for n in (3, 1, 14, 2, 5)]
    arrays.insert(2, None)
    for x in arrays:
        if x is not None:
            kinds = rng.choice(
                [0, np.nan, np.inf, -np.inf], x.shape, p=(0.7, *[0.1] * 3)
            )
            x[:] = np.where(kinds == 0, x, kinds)
    if width > 1:
        for x in arrays:  # A column that needs no mark.
            if x is not None:
                x[:, 1] = 0.5
    splits = ['train', 'train', 'test', 'valid', 'train', '']
    path = convert(tmp_path / 'a.h5', arrays, splits, clean=clean, float16=float16)
    with Store(path) as store:
        assert store.records_cleaned('audio')
        for chosen in ([0, 1, 2, 3, 4, 5], [5, 0, 3], [2], [1, 1, 4]):
            start = store.ptr['audio'][chosen]
            length = store.ptr['audio'][np.array(chosen) + 1] - start
            bits, columns = store.cleaned_slices('audio', start, length)
            marked = np.zeros((len(bits), width), bool)
            marked[:, columns] = np.unpackbits(bits, axis=1)[:, : len(columns)]
            raw = [arrays[i] for i in chosen if arrays[i] is not None]
            raw = np.vstack([np.zeros((0, width)), *raw])
            np.testing.assert_array_equal(marked, ~np.isfinite(raw))


def test_nothing_is_written_where_nothing_was_replaced(tmp_path):
    arrays = [np.ones((2, 3)), None, np.zeros((1, 3))]
    path = convert(tmp_path / 'a.h5', arrays, ['train', 'valid', 'test'], clean='zero')
    with h5py.File(path) as file:
        assert 'cleaned' not in file['features/audio']
        assert 'unseen' not in file['features/audio']
    with Store(path) as store:
        start, length = np.array([0]), np.array([2])
        assert store.cleaned_slices('audio', start, length) is None
        assert store.records_cleaned('audio')
        assert 'notes' not in store.attrs


def test_marks_of_another_size_are_refused(tmp_path):
    arrays = [np.array([[np.nan, 1], [2, 3]])]
    path = convert(tmp_path / 'a.h5', arrays, ['train'], clean='zero')
    with h5py.File(path, 'r+') as file:
        del file['features/audio/cleaned']
        file['features/audio/cleaned'] = np.zeros((1, 1), np.uint8)
    with pytest.raises(InputError, match=r"'audio' are bytes of shape \[2, 1\]"):
        Store(path)


@pytest.mark.parametrize('columns', [(), ('f0', 'jitter', 'hnr')])
@pytest.mark.parametrize('clean', ['zero', 'mean'])
def test_held_out_samples_have_no_part_in_statistics(tmp_path, clean, columns):
    nan = np.nan
    arrays = [
        np.array([[1.0, nan, nan], [3, nan, nan]]),
        np.array([[100.0, 50, nan], [100, 70, nan]]),
        np.array([[-100.0, nan, nan]]),
        np.array([[-7.0, 9, nan]]),
    ]
    splits = ['train', 'test', 'valid', '']
    path = convert(tmp_path / 'a.h5', arrays, splits, clean=clean, columns=columns)
    name = f"'{columns[1]}'" if columns else '1'
    sentence = (
        f"'audio' has no value of column {name} in the train split: standardising "
        'leaves it as it is'
    )
    with Store(path) as store:
        mean, std = store.moments('audio')
        assert mean.tolist() == [2, 0, 0]
        assert std.tolist() == [1, 1, 1]
        assert store.unseen('audio').tolist() == [1]  # Nobody has seen the last.
        assert store.attrs['notes'] == [sentence]
        # What was not finite became 0: train has no mean of the column.
        assert store.values('audio')[()][:, 1].tolist() == [0, 0, 50, 70, 0, 9]
        assert sentence in [f.sentence for f in validate(store) if f.level == 'warning']


def test_a_modality_that_train_lacks(tmp_path):
    arrays = [None, np.full((2, 2), 8.0), np.full((1, 2), 6.0)]
    path = convert(tmp_path / 'a.h5', arrays, ['train', 'valid', 'test'])
    with Store(path) as store:
        assert store.moments('audio')[0].tolist() == [0, 0]
        assert store.moments('audio')[1].tolist() == [1, 1]
        assert store.unseen('audio').tolist() == [0, 1]
        assert store.unseen('text').tolist() == []
        assert store.attrs['notes'] == [
            "'audio' has no value in the train split: standardising leaves it as it is"
        ]


@pytest.mark.parametrize('splits', [['', '', ''], ['valid', 'test', '']])
def test_without_a_train_split_statistics_are_those_of_all(tmp_path, splits):
    arrays = [np.array([[1.0, 2]]), None, np.array([[5.0, 2], [np.nan, 8]])]
    path = convert(tmp_path / 'a.h5', arrays, splits, clean='mean')
    with Store(path) as store:
        np.testing.assert_allclose(store.moments('audio')[0], [3, 4])
        np.testing.assert_allclose(store.moments('audio')[1], [2, np.sqrt(8)])
        assert store.values('audio')[2, 0] == 3
        assert 'notes' not in store.attrs


@pytest.mark.parametrize('block_bytes', [1, 16, 1 << 24])
def test_validation_names_the_first_sample_with_a_large_value(
    tmp_path, monkeypatch, block_bytes
):
    module = sys.modules[validate.__module__]  # The package has the function's name.
    monkeypatch.setattr(module, '_BLOCK_BYTES', block_bytes)
    arrays = [np.ones((n, 2)) for n in (2, 1, 3, 2)]
    arrays[2][1, 0] = arrays[2][2, 1] = arrays[3][0, 0] = -7e15
    path = convert(tmp_path / 'a.h5', arrays, ['train'] * 4)
    (error,) = (f.sentence for f in validate(path) if f.level == 'error')
    assert "'audio' has 3 values" in error
    assert "-7e+15 in sample 's2', column 0" in error


@pytest.mark.parametrize(
    ('value', 'told'), [(3e20, True), (-3e20, True), (9e11, False)]
)
def test_values_that_no_model_computes_with_are_told(tmp_path, value, told):
    arrays = [np.ones((2, 2)), np.array([[1, 2], [3, value]])]
    path = convert(tmp_path / 'a.h5', arrays, ['train', 'test'])
    errors = [f.sentence for f in validate(path) if f.level == 'error']
    with Store(path) as store:
        notes = store.attrs.get('notes', [])
    assert len(errors) == len(notes) == told
    if told:
        assert f"the first is {value:.4g} in sample 's1', column 1" in errors[0]
        assert "'audio' has 1 values that are too large" in errors[0]
        assert "'audio' has values up to 3e+20" in notes[0]
