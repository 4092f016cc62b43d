from __future__ import annotations

import json

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.folds import read_folds

FOLDS = {'a': 'train', 'b': 'train', 'c': 'valid', '-d_': 'test'}


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        (
            'cmu_mosei_std_folds.py',
            "standard_train_fold=['a', 'b']\n\nstandard_valid_fold = ['c']\n"
            "standard_test_fold = ['-d_',]\n",
        ),
        ('folds.py', "train = 'a', 'b'\ndev = ['c']\ntest = ['-d_']\nname = 'x'\n"),
        (
            'folds.json',
            json.dumps({'train': ['a', 'b'], 'val': ['c'], 'test': ['-d_']}),
        ),
        ('folds.csv', 'id,split\na,train\nb,Train\nc,validation\n-d_,test\n'),
        ('folds.py', "Train: list = ['a', 'b']\ndevSet = ['c']\nx_test = ['-d_']\n"),
        ('folds.JSON', json.dumps({'TST': ['-d_'], 'Dev': ['c'], 'trn': ['a', 'b']})),
        ('folds.py', "tr=['a', 'b']\nva_mean = 0.3\nva=['c']\nte_x = -1\nte=['-d_']"),
        ('folds.csv', 'ID, Split\ra , tr\rb,tr\rc,validation set\r-d_,test\r'),
        ('folds.CSV', '\ufeffsplit,id\r\ntrain,a\r\ntrain,b\r\ndev,c\r\ntest,-d_\r\n'),
    ],
)
def test_all_ways_to_write_folds(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding='utf-8')
    assert read_folds(tmp_path / name) == FOLDS


@pytest.mark.parametrize(
    'code',
    [
        'import os; os.system("touch {mark}")',
        'train_fold = __import__("os").system("touch {mark}")',
        'train_fold = [open("{mark}", "w").name]',
        'train_fold = [x for x in [open("{mark}", "w").name]]',
        'def f(): open("{mark}", "w")\nf()',
    ],
)
def test_nothing_in_a_python_file_runs(code, tmp_path):
    mark = tmp_path / 'mark'
    path = tmp_path / 'folds.py'
    path.write_text(code.replace('{mark}', str(mark)) + '\ntest_fold = ["a"]\n')
    if code.startswith('train_fold'):
        with pytest.raises(InputError, match=r"'train_fold' in .* is not a plain list"):
            read_folds(path)
    else:
        assert read_folds(path) == {'a': 'test'}
    assert not mark.exists()


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('folds.py', 'train = [', 'is not Python'),
        ('folds.py', 'train = ' + '[' * 5000, 'is not Python'),
        ('folds.py', 'x = 1', 'has no lists of videos'),
        ('folds.py', 'train = [1]', "'train' in .* is not a plain list"),
        ('folds.py', "train = 'abc'", "'train' in .* is not a plain list"),
        ('folds.py', "train = ['a']\ntest = ['a']", "'a' is in 'train' and 'test'"),
        ('folds.json', '{', 'is not JSON'),
        ('folds.json', '["a"]', 'holds a list'),
        ('folds.json', '{"train": "a"}', "'train' in .* is not a plain list"),
        ('folds.json', '{"folds": ["a"]}', "train, valid or test .got 'folds'"),
        ('folds.csv', 'video,split\na,train', "columns 'id' and 'split'.*'video'"),
        ('folds.csv', '', "columns 'id' and 'split'.*has none"),
        ('folds.csv', 'id,split\na', "train, valid or test .got 'None'"),
        ('folds.csv', 'id,split\na,train\na,dev', "'a' is in 'train' and 'valid'"),
        ('folds.csv', 'id,split\na,val\nb,dev', "'val' and 'dev' both stand"),
        ('folds.json', '{"val": ["a"], "dev": ["b"]}', "'val' and 'dev' both stand"),
        ('folds.json', '{"val": ["a"], "val": ["b"]}', "the key 'val' is given twice"),
        ('folds.py', "val = ['a']\ndev = ['b']", "'val' and 'dev' both stand"),
        ('folds.txt', 'a', 'folds are a .py, .json or .csv file'),
    ],
)
def test_folds_that_are_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_folds(tmp_path / name)


def test_folds_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r'no file or folder'):
        read_folds(tmp_path / 'folds.py')
    (tmp_path / 'folds.json').mkdir()
    with pytest.raises(InputError, match=r'cannot read the folds'):
        read_folds(tmp_path / 'folds.json')
    (tmp_path / 'folds.csv').write_bytes(b'id,split\n\xff\xfe,train')
    with pytest.raises(InputError, match=r'cannot read the folds'):
        read_folds(tmp_path / 'folds.csv')


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('folds.py', "train = ['ä', 'b\u2028']\r\ntest = ['c']\r\n"),
        ('folds.json', '{"train": ["ä", "b\u2028"],\r\n "test": ["c"]}'),
        ('folds.csv', 'id,split\r\nä,train\r\n"b\u2028",train\r\nc,test\r\n'),
    ],
)
def test_folds_in_other_encodings(name, text, encoding, tmp_path):
    (tmp_path / name).write_bytes(text.encode(encoding))
    folds = {
        video.strip(): split for video, split in read_folds(tmp_path / name).items()
    }
    assert folds == {'ä': 'train', 'b': 'train', 'c': 'test'}
