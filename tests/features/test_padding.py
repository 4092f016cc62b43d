from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.features import padding as module
from hetero_mmer.features.padding import (
    find_padding,
    item_spans,
    occupied,
    padding_side,
    use_lengths,
)


def pad(sequence, num_rows, side):
    before = num_rows - len(sequence)
    widths = {'left': (before, 0), 'right': (0, before), 'none': (0, 0)}
    if side == 'both':
        widths['both'] = (before // 2, before - before // 2)
    return np.pad(sequence, (widths[side], (0, 0)))


def sequences(rng, lengths, channels=3):
    """Rows that are not zero, but for one within each sequence of three or more."""
    out = []
    for length in lengths:
        x = rng.integers(1, 9, (length, channels)).astype(np.float32)
        if length > 2:
            x[length // 2] = 0
        out.append(x)
    return out


@settings(max_examples=60, deadline=None)
@given(
    side=st.sampled_from(['left', 'right', 'both']),
    lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6),
    seed=st.integers(0, 99),
    block=st.sampled_from([1, 200, 1 << 24]),
)
def test_what_was_padded_comes_back(side, lengths, seed, block):
    x = sequences(np.random.default_rng(seed), [*lengths, 4])
    array = np.stack([pad(s, 12, side) for s in x])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, '_BLOCK_BYTES', block)
        found = find_padding({'train': {'text': array}})
    assert found.sides['text'] == side
    for i, s in enumerate(x):
        ours = found.items('train', {'text': array}, i)['text']
        np.testing.assert_array_equal(ours, s)
        assert np.shares_memory(ours, array) or not len(s)


def test_no_padding():
    x = np.ones((3, 4, 2))
    x[1, 2] = 0
    found = find_padding({'train': {'text': x}})
    assert found.sides == {'text': 'none'}
    assert found.spans['train']['text'].tolist() == [[0, 4]] * 3
    assert 'without padding' in found.note()


def test_infinite_values_are_items():
    x = np.zeros((2, 4, 2))
    x[:, 0] = 1
    x[0, 2, 1] = -np.inf
    x[1, 1, 0] = np.nan
    assert occupied(x).sum(axis=1).tolist() == [2, 2]
    found = find_padding({'train': {'audio': x}})
    assert found.spans['train']['audio'].tolist() == [[0, 3], [0, 2]]


def test_an_unknown_word_at_the_beginning_is_no_padding():
    """Of 20 clips padded on the right, one begins with a word of zeros."""
    x = np.stack([pad(np.ones((5, 2)), 9, 'right') for _ in range(20)])
    x[3, 0] = 0
    found = find_padding({'train': {'text': x}})
    assert found.sides == {'text': 'right'}
    assert found.spans['train']['text'][3].tolist() == [0, 5]


def test_the_side_is_that_of_all_splits():
    """The one clip of valid is full, and begins with a word of zeros."""
    train = np.stack([pad(np.ones((5, 2)), 30, 'right') for _ in range(3)])
    valid = np.ones((1, 30, 2))
    valid[0, 0] = 0
    assert find_padding({'valid': {'text': valid}}).sides == {'text': 'left'}
    found = find_padding({'train': {'text': train}, 'valid': {'text': valid}})
    assert found.sides == {'text': 'right'}
    assert found.spans['valid']['text'].tolist() == [[0, 30]]


def test_aligned_modalities_keep_the_same_rows():
    rng = np.random.default_rng(0)
    x = {
        m: np.stack([pad(rng.random((n, w)) + 1, 8, 'left') for n in (3, 5, 8)])
        for m, w in {'text': 4, 'visual': 2, 'audio': 3}.items()
    }
    x['text'][0, -1] = 0  # A word whose vector is unknown.
    x['visual'][1, -5] = 0  # A face that was not found, at the first word.
    x['audio'][2] = 0  # A clip without sound.
    found = find_padding({'train': x})
    assert found.aligned
    assert set(found.sides.values()) == {'left'}
    lengths = {m: np.diff(s)[:, 0].tolist() for m, s in found.spans['train'].items()}
    assert lengths == {'text': [3, 5, 8], 'visual': [3, 5, 8], 'audio': [3, 5, 0]}
    items = found.items('train', x, 1)
    np.testing.assert_array_equal(items['visual'], x['visual'][1, 3:])
    assert 'the same rows' in found.note()
    apart = find_padding({'train': x}, aligned=False)
    assert np.diff(apart.spans['train']['visual'])[:, 0].tolist() == [3, 4, 8]


def test_modalities_of_other_lengths_are_found_apart():
    rng = np.random.default_rng(1)
    x = {
        'text': np.stack([pad(rng.random((n, 2)) + 1, 5, 'right') for n in (3, 5)]),
        'audio': np.stack([pad(rng.random((n, 2)) + 1, 9, 'left') for n in (7, 2)]),
    }
    found = find_padding({'train': x})
    assert not found.aligned
    assert found.sides == {'text': 'right', 'audio': 'left'}
    spans = {m: s.tolist() for m, s in found.spans['train'].items()}
    assert spans == {'text': [[0, 3], [0, 5]], 'audio': [[2, 9], [7, 9]]}


def test_rows_may_be_known():
    """Vectors of padding tokens need not be zero."""
    x = np.ones((2, 4, 3))
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    found = find_padding({'test': {'text': x}}, {'test': {'text': mask}})
    assert found.sides == {'text': 'right'}
    assert found.spans['test']['text'].tolist() == [[0, 2], [0, 3]]


@pytest.mark.parametrize('side', ['left', 'right', 'both', 'none'])
def test_nothing_at_all(side):
    assert item_spans(np.zeros((2, 3), bool), side).tolist() == [[0, 0]] * 2
    assert item_spans(np.zeros((2, 0), bool), side).tolist() == [[0, 0]] * 2
    assert padding_side([np.zeros((2, 3), bool)]) == 'none'


def test_lengths_of_the_file():
    spans = np.array([[0, 2], [0, 4], [0, 0], [0, 5]])
    ours, wrong = use_lengths(spans, np.array([3, 2, 1, 400]), 5, 'right')
    assert ours.tolist() == [[0, 3], [0, 4], [0, 0], [0, 5]]
    assert wrong == 1
    assert use_lengths(spans, np.full(4, np.nan), 5, 'right')[1] == 3
    ours, wrong = use_lengths(np.array([[3, 5], [1, 5]]), np.array([3, 2]), 5, 'left')
    assert ours.tolist() == [[2, 5], [1, 5]]
    assert wrong == 1


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"'text' of train .* \(got shape \[2, 3\]"):
        find_padding({'train': {'text': np.ones((2, 3))}})
    with pytest.raises(InputError, match="type 'object'"):
        occupied(np.full((1, 1, 1), None))
    x = {'text': np.ones((2, 1, 1)), 'audio': np.ones((3, 1, 1))}
    with pytest.raises(InputError, match="'text': 2, 'audio': 3"):
        find_padding({'train': x})
