from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from hetero_mmer.store import ModalitySpec, Store, StoreWriter, validate
from hetero_mmer.store.checksum import write_checksums


def build(path, samples, **options):
    """Samples are (id, text items, labels, split), or with the group at the end."""
    specs = {'text': ModalitySpec(2), 'audio': ModalitySpec(2)}
    with StoreWriter(path, specs, ['joy', 'anger'], **options) as w:
        for sample_id, text, labels, split, *group in samples:
            features = {'text': text, 'audio': [[len(w), 2.5]]}
            w.add(sample_id, features, labels, split=split, group=(*group, None)[0])
    return path


GOOD = [
    ('a', [[1, 2], [3, 4]], [1, 0], 'train'),
    ('b', [[5, 6]], [0, 1], 'train'),
    ('c', [[7, 8]], [1, 1], 'test'),
]


@pytest.fixture
def path(tmp_path):
    return build(tmp_path / 'a.h5', GOOD)


def edit(path, **parts):
    """As if it had been written so."""
    with h5py.File(path, 'r+') as file:
        del file['checksums']
        for name, data in parts.items():
            name = name.replace('__', '/')
            del file[name]
            file[name] = data
        write_checksums(file, {})


def sentences(path, level):
    return [f.sentence for f in validate(path) if f.level == level]


def test_only_what_is_there_is_found(path):
    assert [f.level for f in validate(Store(path))] == ['warning']
    assert sentences(path, 'warning') == [
        "'audio' has 1 dimensions that never change (1)"
    ]


def test_non_finite_by_dimension(path):
    values = np.array([[1, 2], [np.nan, 4], [np.inf, 6], [7, -np.inf]], np.float32)
    edit(path, features__text__values=values)
    assert sentences(path, 'error') == [
        "'text' has 3 values that are not finite, by dimension 0: 2, 1: 1"
    ]


def test_replaced_values_are_told(tmp_path):
    samples = [('a', [[1, np.nan]], [1, 1], 'train')]
    path = build(tmp_path / 'a.h5', samples, clean='zero')
    assert "'text' had 1 values" in sentences(path, 'info')[0]


@pytest.mark.parametrize(
    ('text', 'sides'),
    [
        ([[0, 0], [1, 2]], ['left']),
        ([[1, 2], [0, 0]], ['right']),
        ([[0, 0], [1, 2], [0, 0]], ['left', 'right']),
        ([[1, 2], [0, 0], [3, 1]], []),
        ([[0, 1], [2, 0]], []),
    ],
)
def test_padding(tmp_path, text, sides):
    samples = [('first', text, [1, 1], ''), ('second', [[5, 6]], [1, 1], '')]
    path = build(tmp_path / 'a.h5', samples)
    found = [s for s in sentences(path, 'warning') if 'padded' in s]
    assert len(found) == len(sides)
    for side, sentence in zip(sides, found, strict=True):
        assert f'padded on the {side}: 1 of 2 samples' in sentence
        assert 'first' in sentence


def test_a_single_item_is_not_padded(tmp_path):
    samples = [
        ('zeros', [[0, 0]], [1, 1], ''),
        ('other', [[5, 6]], [1, 1], ''),
        ('two', [[1, 2], [3, 4]], [1, 1], ''),
    ]
    path = build(tmp_path / 'a.h5', samples)
    assert not [s for s in sentences(path, 'warning') if 'padded' in s]
    assert "'text' has 1 items that are all zeros" in sentences(path, 'info')


def test_constant_items(tmp_path):
    path = build(tmp_path / 'a.h5', [*GOOD, ('d', [[3, 3]], [0, 1], 'test')])
    assert "'text' has 1 items whose values are all the same" in sentences(
        path, 'warning'
    )


def test_ids_twice_groups_across_and_samples_without_items(path):
    edit(
        path,
        ids=[b'a', b'b', b'a'],
        groups=[b'g', b'h', b'g'],
        features__text__ptr=[0, 2, 2, 4],
        features__audio__ptr=[0, 2, 2, 3],
    )
    assert sentences(path, 'error') == [
        '1 ids belong to several samples (a)',
        '1 groups lie in several splits (g)',
        '1 samples have no items (b)',
    ]


def test_samples_with_the_same_features(path):
    edit(
        path,
        features__text__values=np.array([[1, 2]] * 4),
        features__text__ptr=[0, 1, 2, 4],
        features__audio__values=np.ones((3, 2)),
    )
    assert any("'a' and 'b'" in s for s in sentences(path, 'warning'))
    assert sentences(path, 'error') == []
    edit(path, features__text__ptr=[0, 1, 3, 4])
    assert sentences(path, 'error') == [
        "1 pairs of samples in different splits have the same features ('a' and 'c')"
    ]


def test_labels(path):
    edit(path, labels=np.array([[0, 0], [0, 1], [1, 1]], np.uint8))
    assert "labels that never occur in split 'train': joy" in sentences(path, 'warning')
    assert sentences(path, 'info') == ['1 of 3 samples have none of the labels']


def test_missing_modalities_and_no_labels_and_no_split(tmp_path):
    specs = {'text': ModalitySpec(1), 'audio': ModalitySpec(1)}
    with StoreWriter(tmp_path / 'a.h5', specs, ['joy'], labelled=False) as w:
        for i in range(4):
            w.add(f'{i}', {'text': [[i + 1]], 'audio': [[i]] if i else None})
    assert sentences(tmp_path / 'a.h5', 'info') == [
        "'audio' is missing in 1 of 4 samples (25.0%)",
        '4 samples are in no split',
        'the samples have no labels',
    ]


def test_times_that_run_backwards_or_start_before_zero(tmp_path):
    with StoreWriter(
        tmp_path / 'a.h5', {'text': ModalitySpec(1)}, ['joy'], timed=['text']
    ) as w:
        w.add('a', {'text': [[1], [2]]}, [1], times={'text': [[-1, 1], [3, 2]]})
    found = sentences(tmp_path / 'a.h5', 'warning')
    assert "'text' has 1 items that end before they start" in found
    assert "'text' has 1 items at negative times" in found


def test_blocks_of_any_size_find_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    samples = [
        (f'{i}', rng.integers(-1, 2, (rng.integers(1, 9), 2)), [1, 0], 'train')
        for i in range(40)
    ]
    path = build(tmp_path / 'a.h5', samples)
    expected = validate(path)
    module = sys.modules[validate.__module__]  # The package has the function's name.
    monkeypatch.setattr(module, '_BLOCK_BYTES', 24)
    assert validate(path) == expected
