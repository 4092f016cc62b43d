"""Modalities whose items are ids of a vocabulary."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, describe, validate

SPECS = {'words': ModalitySpec(1, num_embeddings=10), 'audio': ModalitySpec(2)}
GOOD = {
    'a': {'words': [3, 1, 9], 'audio': [[0.5, 1.0]]},
    'b': {'words': None, 'audio': [[2.0, 3.0], [4.0, 5.0]]},
    'c': {'words': np.array([[4], [4]], np.int64)},
}


@pytest.fixture
def write(tmp_path):
    def write(samples=GOOD, **options):
        path = tmp_path / 'ids.h5'
        with StoreWriter(path, SPECS, ['joy'], **options) as writer:
            for name, features in samples.items():
                writer.add(name, features, [1], split='train')
        return path

    return write


@pytest.mark.parametrize('options', [{}, {'float16': True, 'clean': 'mean'}])
def test_ids_come_back_as_they_were(write, options):
    with Store(write(**options)) as store:
        assert store.values('words').dtype == np.int32
        assert store.read('words', 0, 3).tolist() == [[3], [1], [9], [4], [4]]
        assert store.ptr['words'].tolist() == [0, 3, 3, 5]
        assert store.num_embeddings == {'words': 10}
        assert store.specs == SPECS
        assert store.in_channels == {'words': 1, 'audio': 2}


def test_ids_have_no_statistics(write):
    with h5py.File(write()) as file:
        assert set(file['features/words']) == {'values', 'ptr'}
    with Store(write()) as store:
        assert store.moments('words') is None
        assert store.value_range('words') is None
        assert list(store.non_finite_columns()) == ['audio']


def test_description(write):
    words, audio = describe(write()).modalities.values()
    assert (words.num_embeddings, words.dtype, words.num_items) == (10, 'int32', 5)
    assert (words.minimum, words.maximum, words.missing) == (None, None, 1)
    assert audio.num_embeddings is None


def test_a_store_of_an_earlier_release_has_no_ids(write):
    path = write()
    with h5py.File(path, 'r+') as file:
        about = file['about'][()].decode().replace(', "num_embeddings": 10', '')
        about = about.replace(', "num_embeddings": null', '')
        del file['about']
        file['about'] = about
    with Store(path) as store:
        assert store.num_embeddings == {}


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        ([0, 10], "'words' has ids from 0 to 9 (got 0 to 10 in sample 'bad')"),
        ([3, -1], "got -1 to 3 in sample 'bad'"),
        ([[1.0], [2.0]], "integer ids, [S] or [S, 1] (got shape [2, 1] of type 'float"),
        ([[1, 2]], 'got shape [1, 2]'),
        ([True, False], "of type 'bool'"),
        (5, 'got shape []'),
    ],
)
def test_what_is_no_id_is_refused(write, ids, message):
    with pytest.raises(InputError) as error:
        write({'bad': {'words': ids}})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ({'channels': 1, 'num_embeddings': 0}, 'is from 1 to'),
        ({'channels': 1, 'num_embeddings': 2**31}, 'is from 1 to'),
        ({'channels': 2, 'num_embeddings': 5}, 'items that are ids have 1 channel'),
    ],
)
def test_contradictions_in_a_spec_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        ModalitySpec(**spec)


def replace(path, values):
    with h5py.File(path, 'r+') as file:
        del file['features/words/values']
        file['features/words/values'] = values


def sentences(path):
    return [finding.sentence for finding in validate(path)]


def test_a_store_with_fractions_for_ids_is_refused(write):
    path = write()
    replace(path, np.zeros((5, 1)))
    with pytest.raises(InputError, match="'words' holds ids, but its type is 'float64"):
        Store(path)


def test_validation_finds_ids_outside_of_the_vocabulary(write):
    path = write()
    assert not any('words' in s and 'ids' in s for s in sentences(path))
    replace(path, np.array([[3], [10], [-1], [4], [4]]))
    assert "'words' has 2 ids outside of 0 to 9" in sentences(path)


def test_validation_suspects_padding_but_not_every_zero(write):
    assert not any('padded' in s for s in sentences(write({'a': {'words': [3, 0, 2]}})))
    found = sentences(write({'a': {'words': [3, 2, 0]}, 'b': {'words': [1, 1]}}))
    assert (
        "'words' may be padded on the right: 1 of 2 samples end with the id 0 (a)"
        in found
    )
