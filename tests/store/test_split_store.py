from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, split_store
from hetero_mmer.store.split_store import count_parts, largest_deviation, saw_test


@pytest.fixture
def store(tmp_path):
    """60 samples of 20 videos, three labels; those of five samples are unknown."""
    rng = np.random.default_rng(0)
    path = tmp_path / 'a.h5'
    with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy', 'anger', 'fear']) as w:
        for i in range(60):
            labels = [255] * 3 if i % 12 == 7 else rng.integers(0, 2, 3)
            features = {'text': np.ones((1, 2))}
            w.add(f's{i}', features, labels, group=f'v{i // 3}')
    with Store(path) as store:
        yield store


@pytest.mark.parametrize('by', ['group', 'sample'])
@pytest.mark.parametrize('folds', [None, 4])
def test_a_store_is_dealt(by, folds, store):
    columns = split_store(store, folds=folds, by=by, seed=3)
    assert list(columns) == (
        ['split'] if folds is None else ['fold_0', 'fold_1', 'fold_2', 'fold_3']
    )
    table = np.stack(list(columns.values()), axis=1)
    assert (table[~store.known] == '').all()
    assert (table[store.known] != '').all()
    if folds:
        assert ((table[store.known] == 'test').sum(axis=1) == 1).all()
    together = [
        set(split[store.known & (store.groups == group)].tolist())
        for split in columns.values()
        for group in np.unique(store.groups)
    ]
    assert (max(map(len, together)) == 1) == (by == 'group')


def test_shares(store):
    (split,) = split_store(store, by='sample', shares=(0.2, 0.2, 0.6)).values()
    assert [(split == p).sum() for p in ('train', 'valid', 'test')] == [11, 11, 33]
    for split in split_store(
        store, folds=5, by='sample', shares=(0.3, 0.1, 0.6)
    ).values():
        assert [(split == p).sum() for p in ('train', 'valid', 'test')] == [33, 11, 11]


@pytest.mark.parametrize(
    'shares', [(0.5, 0.5), (0.5, 0.5, 0), (0.5, 0.4, 0.2), (np.nan, 0.5, 0.5), ()]
)
def test_shares_that_cannot_be(shares, store):
    with pytest.raises(InputError, match='above 0 and add up to 1'):
        split_store(store, shares=shares)


def test_too_little_to_deal(tmp_path):
    def write(name, labels):
        with StoreWriter(tmp_path / name, {'text': ModalitySpec(1)}, ['joy']) as w:
            for i, y in enumerate(labels):
                w.add(f's{i}', {'text': [[1.0]]}, [y], group=f'v{i % 4 // 2}')
        return Store(tmp_path / name)

    with write('two.h5', [1, 0]) as store:
        with pytest.raises(InputError, match="2 samples are too few for a 'valid'"):
            split_store(store, by='sample')
        with pytest.raises(InputError, match='2 samples are too few for 2 folds'):
            split_store(store, folds=2, by='sample')
    with write('groups.h5', [1, 0] * 4) as store:
        with pytest.raises(InputError, match='3 parts gets a group, but there are 2'):
            split_store(store)
        with pytest.raises(InputError, match='2 groups are too few for 2 folds'):
            split_store(store, folds=2)
        assert len(split_store(store, folds=2, by='sample')) == 2
    with StoreWriter(
        tmp_path / 'none.h5', {'text': ModalitySpec(1)}, ['joy'], labelled=False
    ) as w:
        w.add('a', {'text': [[1.0]]})
    with (
        Store(tmp_path / 'none.h5') as store,
        pytest.raises(InputError, match='has no labels'),
    ):
        split_store(store)


def test_parts_are_counted(store):
    columns = split_store(store, folds=3)
    counts = count_parts(columns, store.labels, store.label_names)
    worst = 0.0
    for name, split in columns.items():
        for part in ('train', 'valid', 'test'):
            rows = [i for i in range(60) if split[i] == part]
            assert counts[name][part].samples == len(rows)
            for k, label in enumerate(store.label_names):
                have = sum(int(store.labels[i, k]) for i in rows)
                assert counts[name][part].labels[label] == have
                total = store.labels[store.known, k].sum()
                worst = max(worst, abs(have - len(rows) * total / 55))
    most = largest_deviation(counts)
    assert abs(most.samples - most.proportional) == pytest.approx(worst)
    assert counts[most.column][most.part].labels[most.label] == most.samples


def test_features_that_learned_from_test_are_told(tmp_path):
    fitted = {'text': Fitted('encoder', {}, {'weights': np.ones(2)})}

    def write(name, **options):
        specs = {'text': ModalitySpec(1), 'audio': ModalitySpec(1)}
        with StoreWriter(tmp_path / name, specs, ['joy'], **options) as w:
            for i, split in enumerate(['train', 'train', 'valid', 'test']):
                bad = np.nan if name == 'mean.h5' and not i else 1.0
                features = {'text': [[1.0]], 'audio': [[bad]]}
                w.add(f's{i}', features, [1], split=split)
        return Store(tmp_path / name)

    same = np.array(['train', '', 'test', 'test'])
    other = np.array(['train', 'test', 'valid', 'test'])
    with write('plain.h5') as store:
        assert saw_test(store, other) == ''
    for name, options, modality in (
        ('fitted.h5', {'fitted': fitted}, 'text'),
        ('mean.h5', {'clean': 'mean'}, 'audio'),
    ):
        with write(name, **options) as store:
            assert saw_test(store, same) == ''
            assert f"features of ['{modality}']" in saw_test(store, other)
