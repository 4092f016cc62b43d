from __future__ import annotations

import json
import statistics
import time

import h5py
import numpy as np
import pytest

from hetero_mmer.store import ModalitySpec, StoreWriter, describe
from hetero_mmer.store.describe import MAX_PAIRED


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a.h5'
    specs = {'text': ModalitySpec(2, extractor='GloVe'), 'audio': ModalitySpec(1)}
    with StoreWriter(path, specs, ['joy', 'anger'], licence='CC0') as w:
        w.add('a', {'text': [[-3, 2]]}, [1, 1], group='g', split='train')
        w.add('b', {'text': [[1, 1]] * 4, 'audio': [[8]]}, [1, 0], group='g')
        w.add('c', {'text': [[0, 5]] * 7}, [0, 0], split='test')
        w.drop('d', 'empty')
        w.attrs['planted'] = {'seed': 1}
    return path


def test_numbers_by_hand(path):
    d = describe(path)
    text, audio = d.modalities['text'], d.modalities['audio']
    assert (text.channels, text.kind, text.extractor) == (2, 'sequence', 'GloVe')
    assert (text.items_min, text.items_max, text.num_items) == (1, 7, 12)
    assert text.items_median == statistics.median([1, 4, 7])
    assert (text.missing, audio.missing) == (0, 2)
    assert (text.minimum, text.maximum, text.non_finite) == (-3, 5, 0)
    assert (audio.items_min, audio.items_median, audio.items_max) == (1, 1, 1)
    assert d.label_counts == {'joy': 2, 'anger': 1}
    assert d.cardinality == 1.0
    assert d.co_occurrence == [[2, 1], [1, 1]]
    assert d.without_labels == 1
    assert d.splits == {'train': 1, 'test': 1, '': 1}
    assert d.split_labelled == d.splits
    assert d.split_label_counts == {
        'train': {'joy': 1, 'anger': 1},
        'test': {'joy': 0, 'anger': 0},
        '': {'joy': 1, 'anger': 0},
    }
    assert d.num_groups == 2
    assert (d.groups_across_splits, d.duplicate_ids) == ([], [])
    assert (d.licence, d.dropped, d.planted) == ('CC0', [('d', 'empty')], {'seed': 1})
    assert d.num_bytes == path.stat().st_size


def test_what_another_writer_got_wrong_or_left_out(path):
    with h5py.File(path, 'r+') as file:
        del file['labels'], file['features/text/minimum'], file['ids'], file['split']
        file['ids'] = [b'a', b'a', b'c']
        file['split'] = [b'train', b'test', b'test']
    d = describe(path)
    assert d.duplicate_ids == ['a']
    assert d.groups_across_splits == ['g']
    assert d.modalities['text'].minimum is None
    assert (d.label_counts, d.cardinality, d.co_occurrence) == (None, None, None)
    assert d.split_label_counts is None
    assert d.split_labelled == {'train': 0, 'test': 0}


def test_pairs_of_labels_in_more_than_one_block(path):
    rng = np.random.default_rng(0)
    y = (rng.random((40_000, 5)) < [0.9, 0.5, 0.1, 0, 1]).astype(np.uint8)
    with h5py.File(path, 'r+') as file:
        for name, data in {
            'ids': np.arange(len(y)).astype('S'),
            'groups': np.arange(len(y)).astype('S'),
            'split': np.full(len(y), b'train'),
            'labels': y,
            'features/text/ptr': np.minimum(np.arange(len(y) + 1), 12),
            'features/audio/ptr': np.minimum(np.arange(len(y) + 1), 1),
        }.items():
            del file[name]
            file[name] = data
        about = json.loads(file['about'][()])
        about['label_names'] = [*'abcde']
        del file['about']
        file['about'] = json.dumps(about)
    columns = y.T.astype(bool)
    expected = [[int(np.sum(a & b)) for b in columns] for a in columns]
    assert describe(path).co_occurrence == expected


def test_with_very_many_labels_pairs_are_not_counted(tmp_path):
    path = tmp_path / 'a.h5'
    names = [f'label{i}' for i in range(MAX_PAIRED + 1)]
    for num_labels in (MAX_PAIRED, MAX_PAIRED + 1):
        with StoreWriter(path, {'text': ModalitySpec(1)}, names[:num_labels]) as w:
            w.add('a', {'text': [[1]]}, [i % 2 for i in range(num_labels)])
        d = describe(path)
        assert list(d.label_counts.values()) == [i % 2 for i in range(num_labels)]
        assert (d.co_occurrence is None) == (num_labels > MAX_PAIRED)


def test_a_modality_that_is_never_there(tmp_path):
    specs = {'text': ModalitySpec(1), 'audio': ModalitySpec(1)}
    with StoreWriter(tmp_path / 'a.h5', specs, ['joy']) as w:
        w.add('a', {'text': [[1]]}, [1])
    audio = describe(tmp_path / 'a.h5').modalities['audio']
    assert (audio.items_min, audio.items_max, audio.missing) == (0, 0, 1)
    assert audio.minimum is None


def test_features_are_not_read(path):
    """A large file that is a hole: reading 8 GB would take far longer."""
    rows = 1 << 30
    with h5py.File(path, 'r+') as file:
        del file['features/text/values'], file['features/text/ptr']
        values = file['features/text'].create_dataset(
            'values', shape=(rows, 2), dtype=np.float32, fill_time='never'
        )
        values[-1] = 0
        file['features/text/ptr'] = [0, 1, 2, rows]
    start = time.perf_counter()
    assert describe(path).modalities['text'].num_items == rows
    assert time.perf_counter() - start < 2
