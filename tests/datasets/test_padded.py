from __future__ import annotations

import argparse

import numpy as np
import pytest

from hetero_mmer.datasets.padded import find_keys, take_arrays, unread_parts
from hetero_mmer.errors import InputError

X = np.ones((2, 3, 4), 'f4')
KEYS = {'text': 'text', 'visual': 'vision'}


def data(**more):
    return {split: {'text': X} for split in ('train', 'valid', 'test')} | more


HOLDS = {
    'a split': {'text': X},
    'other capitals': {'Text': X, 'AUDIO': X},
    'lists': {'text': [[1.0]]},
    'nested splits': {'train': {'text': X}, 'test': {'text': X}},
    'nested twice': {'test': {'valid': {'VISION': X}}},
    'a dictionary each': [{'id': 'a', 'text': X[0]}],
    'tuples of arrays': [(X[0], X[0]), (X[1], X[1])],
    'tuples in tuples': [((X[0], X[0], X[0]), 1.0, 'a')],
    'pairs with labels': ([X[0], 1], [X[1], 0]),
}


@pytest.mark.parametrize('part', HOLDS.values(), ids=HOLDS)
def test_parts_that_hold_samples_are_warned_of(part):
    (note,) = unread_parts(data(more=part), KEYS.values(), 'a.pkl')
    assert note.startswith("WARNING: 'more' of 'a.pkl' holds samples")
    with pytest.raises(InputError, match=r"'more' of 'a\.pkl' holds samples"):
        unread_parts(data(more=part), KEYS.values(), 'a.pkl', strict=True)
    some = data(more=part)
    del some['valid']
    with pytest.raises(InputError, match='rename it to valid'):
        unread_parts(some, KEYS.values(), 'a.pkl')


HOLDS_NONE = {
    'text': 'x',
    'nothing': None,
    'an empty list': [],
    'ids': ['a', 'b'],
    'lists of ids': [['a', 'b'], ['c']],
    'numbers': [1, 2],
    'an array': X,
    'settings': argparse.Namespace(text=X),
    'a configuration': {'text': {'tool': 'bert'}, 'audio': None},
    'ids by split': {'train': ['a'], 'test': ['b']},
    'a vocabulary': {'the': 0, 'text': 1},
}


@pytest.mark.parametrize('part', HOLDS_NONE.values(), ids=HOLDS_NONE)
def test_other_parts_are_named(part):
    for more in ({'more': part}, {'train_more': part, 3: part}):
        (note,) = unread_parts(data(**{str(k): v for k, v in more.items()}), KEYS, 'a')
        names = ', '.join(f"'{name}'" for name in more)
        assert note == f"parts of 'a' that are not read: {names}"
    assert unread_parts(data(more=part), KEYS, 'a', strict=True)
    assert unread_parts(data(more=part), KEYS, 'a', read=['more']) == []
    assert unread_parts(data(), KEYS, 'a') == []


def test_many_other_parts():
    (note,) = unread_parts(data(**{f'p{i}': i for i in range(20)}), KEYS, 'a')
    assert note.endswith("'p10', 'p11', ...")


def test_keys_of_modalities_whatever_their_capitals():
    assert find_keys({'Text': X, b'VISION': X}, KEYS, '') == {
        'text': 'Text',
        'visual': b'VISION',
    }
    assert find_keys({'Text': X, 'text': X, 'vision': None}, KEYS, '') == {
        'text': 'text'
    }
    with pytest.raises(InputError, match="'text' may be 'Text' or 'TEXT' of train"):
        find_keys({'Text': X, 'TEXT': X}, KEYS, 'train')
    parts = take_arrays({'train': {'Text': X, 'vision': X + 1}}, KEYS, 'a.pkl')
    np.testing.assert_array_equal(parts['train']['text'], X)
    np.testing.assert_array_equal(parts['train']['visual'], X + 1)
