from __future__ import annotations

import hashlib

import numpy as np
import pytest

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.run import rows
from hetero_mmer.run.rows import rows_of, split_sha256
from hetero_mmer.store import Store, split_store, write_split

PARTS = ('train', 'valid', 'test')


@pytest.fixture
def store(data):
    with Store(data) as store:
        yield store


def test_rows_of_the_store(store):
    found = rows_of(store)
    assert list(found) == list(PARTS)
    for part in PARTS:
        np.testing.assert_array_equal(found[part], np.flatnonzero(store.split == part))


@pytest.mark.parametrize('folds', [None, 3])
def test_rows_of_a_split_file(folds, store, tmp_path):
    path = tmp_path / 'a.csv'
    columns = split_store(store, folds=folds)
    # In another order, as a table that was sorted since.
    write_split(path, store.ids[::-1], {k: v[::-1] for k, v in columns.items()})
    for fold, split in enumerate(columns.values()):
        found = rows_of(store, path, fold if folds else None)
        assert list(found) == list(PARTS)
        for part in PARTS:
            assert found[part].dtype == np.int64
            assert found[part].tolist() == np.flatnonzero(split == part).tolist()


def test_a_fold_is_one_of_a_file(store):
    with pytest.raises(InputError, match=r'got fold 3 without a file'):
        rows_of(store, fold=3)


@pytest.mark.parametrize('lacking', PARTS)
def test_each_part_is_needed(lacking, store, tmp_path):
    split = np.resize([part for part in PARTS if part != lacking], len(store))
    write_split(tmp_path / 'a.csv', store.ids, {'fold_0': split})
    with pytest.raises(InputError, match=rf"is in '{lacking}' of fold 0 of '.*a\.csv'"):
        rows_of(store, tmp_path / 'a.csv', 0)


def test_a_file_that_changed_is_refused(store, tmp_path):
    path = tmp_path / 'a.csv'
    write_split(path, store.ids, split_store(store, seed=0))
    sha256 = split_sha256(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    rows_of(store, path, sha256=sha256)
    write_split(path, store.ids, split_store(store, seed=1))
    with pytest.raises(InputError, match='has changed since the run started'):
        rows_of(store, path, sha256=sha256)


def test_features_that_learned_from_test_are_told(store, tmp_path, monkeypatch):
    write_split(tmp_path / 'a.csv', store.ids, split_store(store))
    monkeypatch.setattr(rows, 'saw_test', lambda store, split: 'they did')
    with pytest.warns(InputWarning, match=r"they did \('.*a\.csv'\)"):
        rows_of(store, tmp_path / 'a.csv')
