from __future__ import annotations

import h5py
import numpy as np
import pytest
from torch_geometric.loader import DataLoader

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, describe, validate
from hetero_mmer.store.report import report

NAMES = ['joy', 'anger', 'fear']
#: 'fear' occurs in test alone, and there only where labels are known.
ROWS = [
    ('train', (1, 0, 0)),
    ('train', (1, 1, 0)),
    ('train', (0, 0, 0)),
    ('valid', (0, 1, 0)),
    ('valid', (1, 1, 0)),
    ('test', None),
    ('test', (0, 1, 1)),
    ('test', None),
    ('', None),
]
KNOWN = np.array([y is not None for _, y in ROWS])


def write(path, rows=ROWS, **options):
    rng = np.random.default_rng(0)
    with StoreWriter(path, {'text': ModalitySpec(2)}, NAMES, **options) as writer:
        for i, (split, y) in enumerate(rows):
            labels = [255] * 3 if y is None else y
            x = {'text': rng.normal(size=(1 + i % 3, 2))}
            writer.add(f's{i}', x, labels, split=split)
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / 'a.h5')


def test_rows_are_kept_as_they_are(path):
    with Store(path) as store:
        np.testing.assert_array_equal(store.known, KNOWN)
        for row, (_, y) in zip(store.labels, ROWS, strict=True):
            assert row.tolist() == list(y or (255,) * 3)
        assert store.attrs['notes'] == [
            'labels of 3 samples are unknown: 2 in test, 1 in no split'
        ]


def test_only_stores_with_unknown_labels_have_another_version(tmp_path, path):
    known = write(tmp_path / 'b.h5', [row for row in ROWS if row[1]])
    none = write(tmp_path / 'c.h5', [('test', None)] * 2)
    versions = []
    for some in (path, known, none):
        with h5py.File(some) as file:
            versions.append(int(file.attrs['format_version']))
    # A release that knows 2 alone refuses the first by its version.
    assert versions == [3, 2, 2]
    with Store(known) as store:
        assert store.known.all()
        assert 'notes' not in store.attrs
    with Store(none) as store, h5py.File(none) as file:
        assert store.labels is None
        assert 'labels' not in file
        assert not store.known.any()


def test_a_store_of_unknown_labels_alone_has_none(path):
    with h5py.File(path, 'r+') as file:
        file['labels'][()] = 255
    with Store(path) as store:
        assert store.labels is None
        assert not store.known.any()


@pytest.mark.parametrize(
    'labels',
    [
        [255, 255, 1],
        [0, 255, 1],
        [-1, -1, -1],
        [np.nan] * 3,
        [254] * 3,
        [511] * 3,
        [255] * 2,
        255,
        [2, 0, 1],
        [None] * 3,
    ],
)
def test_a_row_is_known_or_unknown(tmp_path, labels):
    with (
        pytest.raises(InputError) as error,
        StoreWriter(tmp_path / 'a.h5', {'text': ModalitySpec(2)}, NAMES) as writer,
    ):
        writer.add('one', {'text': np.ones((1, 2))}, labels, split='test')
    assert "labels of sample 'one'" in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('version', 'row', 'got'),
    [(2, (255,) * 3, 255), (3, (255, 0, 255), 255), (3, (0, 254, 0), 254)],
)
def test_damaged_rows_are_refused(path, version, row, got):
    with h5py.File(path, 'r+') as file:
        file.attrs['format_version'] = version
        file['labels'][()] = 0
        file['labels'][4] = row
    with pytest.raises(InputError, match=f"'s4' has {got} for '(joy|anger)'"):
        Store(path)


def test_intensities_of_unknown_labels_are_nan(tmp_path):
    spec = {'text': ModalitySpec(2)}
    x = {'text': np.ones((1, 2))}
    with StoreWriter(tmp_path / 'a.h5', spec, NAMES, intensities=True) as writer:
        writer.add('a', x, [1, 0, 0], split='train', intensities=[0.5, 0, 0])
        writer.add('b', x, [255] * 3, split='test')
        with pytest.raises(InputError, match="'c', whose labels are unknown"):
            writer.add('c', x, [255] * 3, split='test', intensities=[0.5, 0, 0])
        with pytest.raises(InputError, match="intensities of sample 'd'"):
            writer.add('d', x, [1, 0, 0], split='train')
    with Store(tmp_path / 'a.h5') as store:
        assert store.ids.tolist() == ['a', 'b']
        np.testing.assert_array_equal(store.intensities, [[0.5, 0, 0], [np.nan] * 3])


def test_described_are_the_known_rows(path, capsys):
    y = [row for _, row in ROWS if row]
    found = describe(path)
    assert found.label_counts == {
        name: sum(row[i] for row in y) for i, name in enumerate(NAMES)
    }
    assert found.cardinality == pytest.approx(sum(map(sum, y)) / 6)
    assert found.without_labels == 1
    assert found.co_occurrence == [
        [sum(row[i] and row[k] for row in y) for k in range(3)] for i in range(3)
    ]
    assert found.splits == {'train': 3, 'valid': 2, 'test': 3, '': 1}
    assert found.split_labelled == {'train': 3, 'valid': 2, 'test': 1, '': 0}
    assert found.split_label_counts == {
        split: {
            name: sum(y[i] for s, y in ROWS if s == split and y)
            for i, name in enumerate(NAMES)
        }
        for split in ('train', 'valid', 'test', '')
    }
    assert main(['data', 'describe', str(path)]) == 0
    told = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.split('│')[1:-1]] for line in told.split('\n')
    ]
    assert ['samples of unknown labels', '3'] in rows
    assert ['joy', '3 (50.0%)', '2 (66.7%)', '1 (50.0%)', '0 (0.0%)', '-'] in rows


def test_described_without_labels(tmp_path):
    found = describe(write(tmp_path / 'a.h5', [('test', None)] * 2))
    assert (found.label_counts, found.cardinality, found.without_labels) == (None,) * 3
    assert found.split_labelled == {'test': 0}


def test_validated_are_the_known_rows(path):
    found = {f.sentence: f.level for f in validate(path) if 'label' in f.sentence}
    assert found == {
        '1 of 6 samples have none of the labels': 'info',
        "labels of 2 of 3 samples in split 'test' are unknown (s5, s7)": 'info',
        'labels of 1 of 1 samples without a split are unknown (s8)': 'info',
        "labels that never occur in split 'train': fear": 'warning',
        "labels that never occur in split 'valid': fear": 'warning',
        "labels that never occur in split 'test': joy": 'warning',
    }


def test_validate_tells_what_training_refuses(tmp_path):
    path = write(tmp_path / 'a.h5', [('train', (1, 1, 1)), ('train', None)])
    found = {f.sentence: f.level for f in validate(path)}
    sentence = (
        "labels of 1 of 2 samples in split 'train' are unknown, which training refuses "
        '(s1)'
    )
    assert found[sentence] == 'warning'


def test_the_report_counts_samples_with_labels(path, tmp_path):
    lines = report(path).splitlines()
    assert '| split | samples | with text | with labels |' in lines
    assert '| train | 3 | 3 | 3 |' in lines
    assert '| test | 3 | 3 | 1 |' in lines
    assert '| no split | 1 | 1 | 0 |' in lines
    known = write(tmp_path / 'b.h5', [row for row in ROWS if row[1]])
    assert '| split | samples | with text |' in report(known).splitlines()


def fields(batch):
    for store in batch.stores:
        for name, value in store.items():
            yield (store._key, name), value


@pytest.mark.parametrize('in_memory', [True, False])
@pytest.mark.parametrize('split', ['train', 'test', None])
def test_batches_are_those_of_pyg(path, split, in_memory):
    with Store(path) as store:
        rows = None if split is None else store.rows(split)
        dataset = StoreDataset(store, rows, in_memory=in_memory)
        assert (dataset.y is None) == (split != 'train')
        ours, theirs = (
            loader(dataset, batch_size=2) for loader in (StoreLoader, DataLoader)
        )
        for one, other in zip(ours, theirs, strict=True):
            one, other = dict(fields(one)), dict(fields(other))
            assert list(one) == list(other)
            assert (('label', 'y') in one) == (split == 'train')
            for name, value in other.items():
                if hasattr(value, 'shape'):
                    np.testing.assert_array_equal(one[name], value)


def test_known_rows_have_their_labels(path):
    with Store(path) as store:
        y = StoreDataset(store, store.known).y
    assert y.tolist() == [list(row) for _, row in ROWS if row]
