"""Names and segments of items."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, describe, validate
from hetero_mmer.store.items import MAX_NAME

SPECS = {'words': ModalitySpec(1, num_embeddings=9), 'face': ModalitySpec(2)}
ITEMS = {'words': [3, 4, 5], 'face': np.ones((2, 2))}
SEGMENTS = {'words': [0, 0, 1]}
NAMES = {'words': ['so', 'é', ''], 'face': ['frame 0', 'frame 1']}
OPTIONS = {'segmented': ['words'], 'named': ['face', 'words']}


def write(path, **options):
    return StoreWriter(path, SPECS, ['joy'], **{**OPTIONS, **options})


@pytest.fixture
def path(tmp_path):
    with write(tmp_path / 'a.h5') as writer:
        writer.add('a', ITEMS, [1], segments=SEGMENTS, names=NAMES)
        face = {'face': np.zeros((1, 2))}
        writer.add('b', face, [0], names={'face': ['frame 7'], 'words': None})
        writer.add('c', {'words': [8]}, [0], segments={'words': [2]}, names=NAMES_C)
    return tmp_path / 'a.h5'


NAMES_C = {'words': ['ende']}


def test_what_is_written_is_read(path):
    with h5py.File(path) as file:
        words = file['features/words']
        assert words['segment'].dtype == np.int32
        assert words['segment'][()].tolist() == [0, 0, 1, 2]
        found = [name.decode() for name in words['names'][()].tolist()]
        assert found == ['so', 'é', '', 'ende']
        assert h5py.check_string_dtype(words['names'].dtype).length == 4
        assert file.attrs['format_version'] == 2
    with Store(path) as store:
        assert (store.segmented, store.named) == (('words',), ('words', 'face'))
        assert store.item_names('words', 0) == NAMES['words']
        assert store.item_names('words', 1) == []
        assert store.item_names('face', 1) == ['frame 7']
        assert store.item_names('face', 2) == []
        slices = np.array([3, 0]), np.array([1, 2])
        assert store.segment_slices('words', *slices).tolist() == [2, 0, 0]
        for sample in (-1, 3):
            with pytest.raises(InputError, match='samples 0 to 2'):
                store.item_names('face', sample)
        with pytest.raises(InputError, match="got 'voice'"):
            store.item_names('voice', 0)
    row = describe(path).modalities['words']
    assert (row.segmented, row.named) == (True, True)
    assert not describe(path).modalities['face'].segmented
    assert [f.sentence for f in validate(path) if f.level == 'error'] == []


def test_a_store_without_them_has_nothing_new(tmp_path):
    with StoreWriter(tmp_path / 'a.h5', SPECS, ['joy']) as writer:
        writer.add('a', ITEMS, [1])
    with h5py.File(tmp_path / 'a.h5') as file:
        assert set(file['features/words']) == {'ptr', 'values'}
    with Store(tmp_path / 'a.h5') as store:
        assert (store.segmented, store.named) == ((), ())
        assert store.item_names('words', 0) is None


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'segments': None}, "segments of 'words' in sample 'a' are numbers .got none"),
        ({'segments': {'words': [0, 1]}}, r'each of 3 items \(got shape \[2\]'),
        ({'segments': {'words': [0, 1, -1]}}, 'whole numbers from 0'),
        ({'segments': {'words': [0, 1, 2**31]}}, 'whole numbers from 0'),
        ({'segments': {'words': [0, 1, 0.5]}}, "type 'float64'"),
        (
            {'segments': {**SEGMENTS, 'face': [0, 0]}},
            "'segments' are for .'words'.*fac",
        ),
        ({'names': None}, "names of 'words' in sample 'a' are strings"),
        ({'names': {**NAMES, 'words': 'abc'}}, 'strings, one for each of 3'),
        ({'names': {**NAMES, 'words': ['a', 'b']}}, 'strings, one for each of 3'),
        ({'names': {**NAMES, 'words': ['a', 'b', 3]}}, 'strings, one for each of 3'),
        ({'names': {**NAMES, 'words': ['a', 'b', 'c\0']}}, 'Unicode text'),
        ({'names': {**NAMES, 'words': ['a', 'b', '\ud800']}}, 'Unicode text'),
        ({'names': {**NAMES, 'voice': []}}, "'names' are for .*'voice'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, message):
    good = {'segments': SEGMENTS, 'names': NAMES}
    with write(tmp_path / 'a.h5') as writer:
        with pytest.raises(InputError, match=message):
            writer.add('a', ITEMS, [1], **{**good, **change})
        writer.add('a', ITEMS, [1], **good)  # It is as it was before.


@pytest.mark.parametrize('option', ['segmented', 'named'])
def test_modalities_that_are_not_there(tmp_path, option):
    with pytest.raises(InputError, match=f"'{option}' names modalities of the store"):
        write(tmp_path / 'a.h5', **{option: ['voice']})


def test_long_names_are_cut_between_letters(tmp_path):
    names = ['é' * MAX_NAME, 'a' + 'é' * MAX_NAME]
    with write(tmp_path / 'a.h5', segmented=[], named=['face']) as writer:
        writer.add('a', {'face': np.ones((2, 2))}, [1], names={'face': names})
    with Store(tmp_path / 'a.h5') as store:
        found = store.item_names('face', 0)
    half = MAX_NAME // 2
    assert found == ['é' * half, 'a' + 'é' * (half - 1)]


def test_any_names_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr('hetero_mmer.store.items._BLOCK_BYTES', 50)
    texts = st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=40)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(texts, min_size=1, max_size=5), min_size=1, max_size=4))
    def check(samples):
        with write(tmp_path / 'a.h5', segmented=[], named=['face']) as writer:
            for i, names in enumerate(samples):
                face = np.ones((len(names), 2))
                writer.add(str(i), {'face': face}, [1], names={'face': names})
        with Store(tmp_path / 'a.h5') as store:
            for i, names in enumerate(samples):
                assert store.item_names('face', i) == names

    check()


def replace(file, name, data, **options):
    del file[name]
    file.create_dataset(name, data=data, **options)


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('segment', np.zeros(3, np.int32), 'for 4 items'),
        ('segment', np.zeros((4, 1), np.int32), 'for 4 items'),
        ('segment', np.zeros(4), 'whole numbers'),
        ('names', np.array([b'a'] * 3), 'for 4 items'),
        ('names', np.array([b'a' * (MAX_NAME + 1)] * 4), f'at most {MAX_NAME} bytes'),
        ('names', np.array(['a'] * 4, h5py.string_dtype()), f'at most {MAX_NAME}'),
        ('names', np.zeros(4), 'strings'),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(path, name, data, message):
    with h5py.File(path, 'r+') as file:
        replace(file, f'features/words/{name}', data)
    with pytest.raises(InputError, match=message):
        Store(path)


def test_what_inflates_beyond_the_file_is_refused(tmp_path):
    count = 100_000
    with write(tmp_path / 'a.h5', segmented=[], named=['words']) as writer:
        writer.add(
            'a', {'words': np.zeros(count, int)}, [1], names={'words': ['a'] * count}
        )
    with h5py.File(tmp_path / 'a.h5', 'r+') as file:
        names = np.zeros(count, f'S{MAX_NAME}')
        del file['features/words/names']
        file.create_dataset(
            'features/words/names', data=names, compression='gzip', chunks=(10_000,)
        )
    with pytest.raises(InputError, match=r"'words' has a sample of \d+ bytes"):
        Store(tmp_path / 'a.h5')


def test_damage_is_found(path):
    with h5py.File(path, 'r+') as file:
        file['features/words/segment'][1] = -3
        file['features/words/names'][0] = b'\xff'
    told = [f.sentence for f in validate(path) if f.level == 'error']
    assert "'words' has 1 items in segments below 0" in told
    assert "'words' has 1 items whose names are no UTF-8" in told
    assert sum('is not what was written' in s for s in told) == 2
    with Store(path) as store, pytest.raises(InputError, match=r'damaged.*utf-8'):
        store.item_names('words', 0)
