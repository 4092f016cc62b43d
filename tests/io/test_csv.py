from __future__ import annotations

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.csv import read_table


@pytest.mark.parametrize(
    'content',
    [
        b'id,text\r\na,"one, ""two"""\r\n\r\nb,\r\n',
        b'\xef\xbb\xbfid, text \na,"one, ""two"""\n\nb, ',
        'id,text\ra,"one, ""two"""\r\rb,\r'.encode('utf-16'),
    ],
)
def test_spellings_of_one_table(tmp_path, content):
    path = tmp_path / 'a.csv'
    path.write_bytes(content)
    table = read_table(path, ['text'])
    assert table.columns == ['id', 'text']
    rows = [{'id': 'a', 'text': 'one, "two"'}, {'id': 'b', 'text': ''}]
    assert table.rows == rows
    assert table.lines == [2, 4]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'\n\n', 'is empty'),
        (b'id,id\n', 'all different'),
        (b'id,\n', 'have names'),
        (b'text\n', "'id'.*are \\['text'\\]$"),
        (b'id;text\na;b\n', 'separated by commas'),
        (b'id\ttext\n', 'separated by commas'),
        (b'id,text\na\n', '2 cells.*got 1 in line 2'),
        (b'id,text\na,b\nc,d,e\n', '2 cells.*got 3 in line 3'),
        (b'id,text\na,"b\n', 'is not CSV'),
        (b'id,text\na,"b"c\n', 'is not CSV'),
        (b'id,text\na,you\x92re\n', 'UTF-8 text.*byte 0x92'),
        ('id,text\n'.encode('utf-16-le'), 'UTF-8 text'),
    ],
)
def test_refusals(tmp_path, content, message):
    path = tmp_path / 'a.csv'
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, ['id'])
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r'cannot read .*No such file'):
        read_table(tmp_path / 'a.csv')
    with pytest.raises(InputError, match='is a folder, not a file'):
        read_table(tmp_path)


def test_commas_that_are_no_separators(tmp_path):
    (tmp_path / 'a.csv').write_text('id;joy\na;1,0\n')
    with pytest.raises(
        InputError, match=r'got 2 .*are its columns separated by commas'
    ):
        read_table(tmp_path / 'a.csv')
