from __future__ import annotations

import hashlib

import numpy as np
import pytest

from hetero_mmer.datasets.common import only_source
from hetero_mmer.errors import InputError
from hetero_mmer.io.hashes import hash_beside, sha256_of
from hetero_mmer.store.split import split_groups


def test_groups_stay_together_in_exact_shares():
    groups = np.repeat([f'video-{i}' for i in range(100)], 3)
    split = split_groups(groups, seed=1)
    assert {s: int((split == s).sum()) for s in np.unique(split)} == {
        'train': 210,
        'valid': 30,
        'test': 60,
    }
    for group in np.unique(groups):
        assert len(set(split[groups == group])) == 1
    np.testing.assert_array_equal(split, split_groups(groups, seed=1))
    assert (split != split_groups(groups, seed=2)).any()


def test_order_of_samples_does_not_matter():
    groups = np.array([f'v{i}' for i in range(30)])
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(
        split_groups(groups)[order], split_groups(groups[order])
    )


def test_hash_of_a_file(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'abc')
    assert sha256_of([tmp_path / 'a.txt']) == {
        'a.txt': hashlib.sha256(b'abc').hexdigest()
    }


def test_one_source(tmp_path):
    with pytest.raises(InputError, match=r'one file, a table \(got 2 files\)'):
        only_source(['a', 'b'], 'a table')
    with pytest.raises(InputError, match=r"no file or folder '.*none'"):
        only_source([tmp_path / 'none'], 'a table')


def test_hashes_of_files_of_one_name(tmp_path):
    names = ['a/x/f.npz', 'b/x/f.npz', 'b/f.npz', 'b/g.npz']
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = sha256_of([tmp_path / name for name in names])
    assert found == hash_beside([tmp_path / name for name in names])()
    assert {hashlib.sha256(name.encode()).hexdigest() for name in names} == set(
        found.values()
    )
    assert list(found) == ['a/x/f.npz', 'b/x/f.npz', 'b/f.npz', 'g.npz']


def test_a_file_that_is_given_twice_is_one(tmp_path, monkeypatch):
    (tmp_path / 'f.npz').touch()
    monkeypatch.chdir(tmp_path)
    assert list(sha256_of(['f.npz', tmp_path / 'f.npz', './f.npz'])) == ['f.npz']
