from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.store.format import VERSION


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a.h5'
    columns = ('pitch', 'energy')
    specs = {'text': ModalitySpec(3), 'audio': ModalitySpec(2, columns=columns)}
    with StoreWriter(path, specs, ['joy', 'anger'], timed=['audio']) as w:
        for i, split in enumerate(['train', 'train', 'test', '']):
            features = {'text': np.full((i + 1, 3), i), 'audio': np.ones((i, 2))}
            times = {'audio': np.ones((i, 2))}
            w.add(f's{i}', features, [i % 2, 1], split=split, times=times)
        w.extra('truth', np.arange(4))
    return path


def test_facts(path):
    with Store(path) as store:
        assert len(store) == 4
        assert store.format_version == VERSION
        assert store.modalities == ('text', 'audio')
        assert store.in_channels == {'text': 3, 'audio': 2}
        assert store.columns == {'text': (), 'audio': ('pitch', 'energy')}
        assert store.label_names == ('joy', 'anger')
        assert store.num_labels == 2
        assert store.rows('train').tolist() == [0, 1]
        assert store.rows('').tolist() == [3]
        assert store.rows('test').dtype == np.int64
        assert store.ptr['text'].dtype == np.int64
        assert store.read('text', 1, 3).tolist() == [[1] * 3] * 2 + [[2] * 3] * 3
        assert store.read('audio', 0).shape == (0, 2)
        assert repr(store) == (
            "Store(4 samples, text=3, audio=2, labels=['joy', 'anger'])"
        )


def test_sha256_is_that_of_the_file(path):
    assert Store(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_closed_store_opens_again(path):
    store = Store(path)
    store.close()
    store.close()
    assert store.read('text', 3).shape == (4, 3)


def test_pickle(path):
    store = pickle.loads(pickle.dumps(Store(path)))
    assert store.read('text', 3).tolist() == [[3] * 3] * 4


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_workers_read_through_a_file_of_their_own(path, method):
    store = Store(path)
    with multiprocessing.get_context(method).Pool(2) as pool:
        sums = pool.starmap(np.sum, [(store.read('text', i),) for i in range(4)])
        reads = pool.starmap(store.read, [('text', i) for i in range(4)] * 5)
    assert [read.sum() for read in reads] == sums * 5


@pytest.mark.parametrize(
    ('question', 'message'),
    [
        (lambda s: s.rows('valid'), r"split 'valid' \(it has \['train', 'test', ''\]"),
        (lambda s: s.values('video'), "got 'video'"),
        (lambda s: s.times('video'), "got 'video'"),
        (lambda s: s.read('text', 4), 'samples 0 to 3'),
        (lambda s: s.read('text', -1), 'samples 0 to 3'),
        (lambda s: s.extra('other'), r"it has \['truth'\]"),
    ],
)
def test_questions_without_an_answer(path, question, message):
    with pytest.raises(InputError, match=message):
        question(Store(path))


def test_files_that_are_no_store(tmp_path):
    with pytest.raises(InputError, match=r"there is no store '.*none\.h5'"):
        Store(tmp_path / 'none.h5')
    (tmp_path / 'text.h5').write_text('id,label\n')
    with pytest.raises(InputError, match='not HDF5'):
        Store(tmp_path / 'text.h5')
    h5py.File(tmp_path / 'other.h5', 'w').close()
    with pytest.raises(InputError, match='not a store'):
        Store(tmp_path / 'other.h5')


def test_truncated_at_any_length(path, tmp_path):
    data = path.read_bytes()
    short = tmp_path / 'short.h5'
    lengths = {0, 1, 7, 8, 95, 96, *range(100, len(data), 701), len(data) - 1}
    for length in sorted(lengths):
        short.write_bytes(data[:length])
        with pytest.raises(InputError, match=r'short\.h5'):
            Store(short)


def replace(file, name, data):
    del file[name]
    file[name] = data


def change_about(file, **parts):
    about = json.loads(file['about'][()])
    replace(file, 'about', json.dumps({**about, **parts}))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda f: f.attrs.modify('format_version', 4), 'format version is 4'),
        (lambda f: f.attrs.__delitem__('format_version'), 'format version is -1'),
        (lambda f: replace(f, 'features/text/ptr', [1, 1, 3, 6, 10]), 'starts at 1'),
        (lambda f: replace(f, 'features/text/ptr', [0, 5, 3, 6, 10]), 'falls after'),
        (lambda f: replace(f, 'features/text/ptr', [0, 1, 3, 6, 9]), 'ends at 9'),
        (lambda f: replace(f, 'features/text/ptr', [0.0, 10.0]), 'integers'),
        (lambda f: replace(f, 'features/text/ptr', [0, 1, 10]), "4 ids, but ptr of"),
        (lambda f: replace(f, 'features/text/values', np.ones((10, 2))), 'width 3'),
        (lambda f: replace(f, 'features/audio/time', np.ones((5, 2))), 'times'),
        (lambda f: replace(f, 'labels', [[0, 1], [0, 3], [0, 0], [0, 0]]),
         "'s1' has 3 for 'anger'"),
        (lambda f: replace(f, 'labels', [[0], [0], [0], [0]]), 'names 2 labels'),
        (lambda f: replace(f, 'labels', [[0, 1]]), 'labels is for 1'),
        (lambda f: replace(f, 'ids', [b'a', b'b']), 'has 2 ids'),
        (lambda f: replace(f, 'ids', [b'\xff', b'b', b'c', b'd']), 'damaged'),
        (lambda f: replace(f, 'groups', [b'a']), 'groups is for 1'),
        (lambda f: replace(f, 'split', [b'dev'] * 4), "got 'dev'"),
        (lambda f: replace(f, 'extra/truth', [1, 2]), "extra 'truth' is for 2"),
        (lambda f: f.create_dataset('intensities', data=[[1]] * 4), 'intensities'),
        (lambda f: f.__delitem__('ids'), 'missing'),
        (lambda f: f.__delitem__('about'), 'missing'),
        (lambda f: f.__delitem__('features/text'), 'missing'),
        (lambda f: replace(f, 'about', '{"sour'), 'damaged'),
        (lambda f: change_about(f, label_names=None), 'damaged'),
        (lambda f: change_about(f, modalities={}), 'no modalities'),
    ],
)  # fmt: skip
def test_damage_is_told_in_one_sentence(path, damage, message):
    with h5py.File(path, 'r+') as file:
        damage(file)
    with pytest.raises(InputError, match=message) as error:
        Store(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_a_damaged_file_can_be_replaced_at_once(path, tmp_path):
    whole = shutil.copy(path, tmp_path / 'whole.h5')
    with h5py.File(path, 'r+') as file:
        replace(file, 'labels', [[0, 1]])
    with pytest.raises(InputError):
        Store(path)
    with h5py.File(path, 'r+') as file:  # The refused store holds no lock.
        del file['labels']
    assert Store(path).labels is None
    assert len(Store(whole)) == 4


samples = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3)).filter(any), min_size=1, max_size=8
)


@settings(max_examples=25, deadline=None)
@given(lengths=samples, seed=st.integers(0, 99))
def test_ragged_round_trip(tmp_path_factory, lengths, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp('round') / 'a.h5'
    arrays = [
        {'a': rng.normal(size=(m, 2)), 'b': rng.normal(size=(n, 5))} for m, n in lengths
    ]
    y = rng.integers(0, 2, (len(arrays), 3))
    with StoreWriter(
        path, {'a': ModalitySpec(2), 'b': ModalitySpec(5)}, list('xyz')
    ) as w:
        for i, features in enumerate(arrays):
            w.add(f'{i}', {m: x if len(x) else None for m, x in features.items()}, y[i])
    with Store(path) as store:
        assert store.labels.tolist() == y.tolist()
        for i, features in enumerate(arrays):
            for modality, x in features.items():
                expected = x.astype(np.float32)
                np.testing.assert_array_equal(store.read(modality, i), expected)
