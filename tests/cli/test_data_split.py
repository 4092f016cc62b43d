from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.run.rows import rows_of
from hetero_mmer.store import ModalitySpec, Store, StoreWriter


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with StoreWriter('a.h5', {'text': ModalitySpec(1)}, ['joy', 'fear']) as w:
        for i in range(40):
            y = [255, 255] if i == 7 else rng.integers(0, 2, 2)
            w.add(f'=s{i}', {'text': [[1.0]]}, y, group=f'v{i // 2}')
    with Store('a.h5') as store:
        yield store


def test_folds(store, capsys):
    words = ['data', 'split', 'a.h5', '--folds', '5', '--output', 'new/folds.csv']
    assert main(words) == 0
    out = capsys.readouterr().out
    assert 'fold_0, fold_1, fold_2, fold_3, fold_4' in out
    assert 'farthest from proportional' in out
    assert '1 samples whose labels are unknown' in out
    tested = []
    for fold in range(5):
        rows = rows_of(store, 'new/folds.csv', fold)
        tested += rows['test'].tolist()
        groups = [set(store.groups[r]) for r in rows.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
    assert sorted(tested) == [i for i in range(40) if i != 7]
    with open('new/folds.csv', newline='') as file:
        assert next(csv.reader(file)) == ['id', *(f'fold_{k}' for k in range(5))]


def test_json(store, capsys):
    words = 'data split a.h5 --by sample --shares 0.5 0.25 0.25 --seed 3 --json'
    assert main([*words.split(), '--output', 'a.csv']) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        *('path', 'num_unknown', 'columns', 'largest_deviation', 'notes'),
    }
    rows = rows_of(store, 'a.csv')
    parts = found['columns']['split']
    assert [parts[p]['samples'] for p in ('train', 'valid', 'test')] == [19, 10, 10]
    for part, index in rows.items():
        counts = store.labels[index].sum(axis=0).tolist()
        assert list(parts[part]['labels'].values()) == counts
    assert found['num_unknown'] == 1
    assert set(found['largest_deviation']) == {
        *('column', 'part', 'label', 'samples', 'proportional'),
    }


def test_a_seed_decides(store):
    for seed, name in ((0, 'a.csv'), (0, 'b.csv'), (1, 'c.csv')):
        words = f'data split a.h5 --folds 3 --seed {seed} --output {name}'
        assert main(words.split()) == 0
    first, again, other = (Path(f'{name}.csv').read_text() for name in 'abc')
    assert first == again != other


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('', 'missing arguments: output'),
        ('--output a.h5', 'no split file'),
        ('--output link.csv', 'no split file'),
        ('--output a.csv --folds 1', 'at least two folds (got 1)'),
        ('--output a.csv --folds 21', '20 groups are too few for 21 folds'),
        ('--output a.csv --folds x', "'--folds' is a whole number or null (got 'x')"),
        ('--output a.csv --by video', "'--by' is 'group' or 'sample' (got 'video')"),
        ('--output a.csv --shares 0.5 0.5', 'expected 3 arguments'),
        ('--output a.csv --shares 0.5 0.5 x', "'--shares' is a number (got 'x')"),
        ('--output a.csv --shares 0.5 0.5 0.5', 'add up to 1'),
        ('--output a.csv --shares 0.5 0.5 nan', "'--shares' is a number (got 'nan')"),
        ('--output a.csv --seed -1', "'seed' is at least 0"),
        ('--output a.csv --fold 3', "did you mean '--folds'?"),
    ],
)
def test_bad_words(words, message, store, capsys, tmp_path):
    (tmp_path / 'link.csv').symlink_to('a.h5')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(['data', 'split', 'a.h5', *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1
    assert message in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
