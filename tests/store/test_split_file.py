from __future__ import annotations

import csv
import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.io.folds import read_folds
from hetero_mmer.store import read_split, write_split
from hetero_mmer.store.split_file import check_split_path

FOLDS = {
    'fold_0': np.array(['train', 'valid', 'test', '']),
    'fold_1': np.array(['test', 'train', 'valid', '']),
}


@settings(max_examples=150, deadline=None)
@given(
    ids=st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0')),
            st.text('=+-@\'" \t\r\n;,a\ufeff\u2028\x85', min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda name: ''.join(name.split()),
    ),
    seed=st.integers(0, 99),
)
def test_ids_come_back(tmp_path_factory, ids, seed):
    path = tmp_path_factory.mktemp('split') / 'a.csv'
    parts = ['train', 'valid', 'test', '']
    split = np.random.default_rng(seed).choice(parts, len(ids))
    write_split(path, ids, {'split': split})
    assert read_split(path, ids).tolist() == split.tolist()
    assert read_split(path, ids[::-1]).tolist() == split.tolist()[::-1]


def test_the_layout(tmp_path):
    path = tmp_path / 'new' / 'folds.csv'
    write_split(path, ['=a', 'b,c', 'd', 'e'], FOLDS)
    with path.open(newline='') as file:
        assert list(csv.reader(file)) == [
            ['id', 'fold_0', 'fold_1'],
            ["'=a", 'train', 'test'],
            ['b,c', 'valid', 'train'],
            ['d', 'test', 'valid'],
            ['e', '', ''],
        ]
    assert list(path.parent.iterdir()) == [path]
    for fold in (0, 1):
        found = read_split(path, ['d', '=a', 'e', 'b,c'], fold)
        assert found.tolist() == FOLDS[f'fold_{fold}'][[2, 0, 3, 1]].tolist()


def test_one_split_is_read_as_folds_of_converters_are(tmp_path):
    write_split(tmp_path / 'a.csv', ['a', 'b'], {'split': np.array(['test', 'valid'])})
    assert read_folds(tmp_path / 'a.csv') == {'a': 'test', 'b': 'valid'}


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_tables_of_others(encoding, tmp_path):
    text = 'group, id ,split\r\n1,ä,Training\r\n1, b ,DEV\r\n2,c,\r\n2,=d,tst\r\n'
    (tmp_path / 'a.csv').write_bytes(text.encode(encoding))
    found = read_split(tmp_path / 'a.csv', ['=d', 'c', 'b', 'ä'])
    assert found.tolist() == ['test', '', 'valid', 'train']


def write(path, *lines):
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return path


@pytest.mark.parametrize(
    ('lines', 'fold', 'message'),
    [
        (['id,split', 'a,train'], None, 'lacks 1 of 2, the first is .b.'),
        (['id,split', 'a,train', 'b,eval'], None, r'got .eval. in line 3 of'),
        (['id,split', 'a,train', 'b,test', 'a,train'], None, r'twice \(line 4\)'),
        (['id,split', 'a,val', 'b,dev'], None, 'both stand for .valid.'),
        (['id,split', 'a,train', 'b'], None, 'a row has 2 cells'),
        (['id,split', 'a,train', 'b,test'], 0, r'one split and no folds \(got fold 0'),
        (['id,fold_0,fold_1', 'a,train,test'], None, r'.fold_1. \(got none\)'),
        (['id,fold_0,fold_1', 'a,train,test'], 2, r"'fold_0' to 'fold_1' \(got fold 2"),
        (['id,fold_0,fold_1', 'a,train,test'], -1, r'got fold -1'),
        (['id,part', 'a,train'], None, r"got \['id', 'part'\] in"),
        (['name,split', 'a,train'], None, "a column is called 'id'"),
        (['id;split', 'a;train'], None, 'separated by commas'),
        (['id,split,split', 'a,train,test'], None, 'all different'),
        ([''], None, 'is empty'),
        (['id,split', '"a,train'], None, 'is not CSV'),
        (['id,split', 'a,tr\0ain'], None, 'a null character'),
    ],
)
def test_what_is_no_split_of_these_samples(lines, fold, message, tmp_path):
    path = write(tmp_path / 'a.csv', *lines)
    with pytest.raises(InputError, match=message) as error:
        read_split(path, ['a', 'b'], fold)
    assert '\n' not in str(error.value)


def test_other_samples_are_told(tmp_path):
    path = write(tmp_path / 'a.csv', 'id,split', 'a,train', 'x,test', 'y,test')
    with pytest.warns(InputWarning, match=r"2 rows of '.*' are of no sample .* 'x'"):
        assert read_split(path, ['a']).tolist() == ['train']


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe.csv')
    (tmp_path / 'folder.csv').mkdir()
    (tmp_path / 'noise.csv').write_bytes(np.random.default_rng(0).bytes(999))
    with open(tmp_path / 'large.csv', 'wb') as file:
        file.truncate(1 << 40)
    for name, message in {
        'pipe.csv': 'is a pipe',
        'folder.csv': 'is a folder',
        'noise.csv': 'UTF-8',
        'large.csv': 'too large for a split file',
        'none.csv': 'No such file',
    }.items():
        with pytest.raises(InputError, match=message):
            read_split(tmp_path / name, ['a'])
    for name in ('pipe.csv', 'folder.csv', 'noise.csv', 'large.csv'):
        with pytest.raises(InputError, match=r'no split file|the folder'):
            check_split_path(tmp_path / name)


@pytest.mark.parametrize('ids', [['a', 'b', 'a', 'c'], ['a', 'b', ' a', 'c']])
def test_an_id_tells_one_sample(ids, tmp_path):
    with pytest.raises(InputError, match="'a' is the id of several samples"):
        write_split(tmp_path / 'a.csv', ids, FOLDS)
    assert not list(tmp_path.iterdir())
    path = write(tmp_path / 'a.csv', 'id,split', 'a,train', 'b,test', 'c,test')
    with pytest.raises(InputError, match="'a' is the id of several samples"):
        read_split(path, ids)


@pytest.mark.parametrize(
    'header',
    [
        *('id', 'id,part', 'id,fold_1', 'id,fold_1,fold_0', 'id,split,fold_0', 'split'),
        *('sample_id,split', 'id,split,group', 'id;split', '\ufeffid,split', '"'),
    ],
)
def test_no_other_table_is_replaced(header, tmp_path):
    path = write(tmp_path / 'a.csv', header, 'a,train')
    before = path.read_bytes()
    with pytest.raises(InputError, match='is no split file'):
        write_split(path, list('abcd'), FOLDS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_split_is_replaced_wholly_or_not_at_all(tmp_path, limit):
    path = tmp_path / 'a.csv'
    ids = [f'sample-{i}' for i in range(2000)]
    write_split(path, ids, {f'fold_{k}': np.full(2000, 'test') for k in range(2)})
    (tmp_path / '.a.csv.01234567.tmp').touch()  # A killed process left it.
    write_split(path, ids, {'split': np.full(2000, 'train')})
    assert read_split(path, ids).tolist() == ['train'] * 2000
    assert list(tmp_path.iterdir()) == [path]
    before = path.read_bytes()
    limit(8192)
    with pytest.raises(OSError, match='File too large'):
        write_split(path, ids, {'split': np.full(2000, 'valid')})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_hundred_thousand_samples_are_read_in_seconds(tmp_path):
    ids = [f'sample-{i:06}' for i in range(100_000)]
    columns = {f'fold_{k}': np.full(100_000, 'train') for k in range(10)}
    start = time.process_time()  # 2.4 s where this was written.
    write_split(tmp_path / 'a.csv', ids, columns)
    assert (read_split(tmp_path / 'a.csv', ids, 9) == 'train').all()
    assert time.process_time() - start < 20
