from __future__ import annotations

import codecs

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.text_file import read_text, text_lines

#: A next line, a line separator, a form feed and a file separator end no line here.
LINES = ('id,say', 'a,w\x85e\u2028l\x0cl\x1c', 'ü,\U0001f620')
MARKS = {
    'utf-8': (b'', codecs.BOM_UTF8, 2 * codecs.BOM_UTF8),
    'utf-16-le': (codecs.BOM_UTF16_LE,),
    'utf-16-be': (codecs.BOM_UTF16_BE,),
    'utf-32-le': (codecs.BOM_UTF32_LE,),
    'utf-32-be': (codecs.BOM_UTF32_BE,),
}


@pytest.mark.parametrize(
    ('mark', 'encoding'), [(m, code) for code, marks in MARKS.items() for m in marks]
)
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_all_ways_to_write_a_text(tmp_path, mark, encoding, end):
    path = tmp_path / 'a.txt'
    path.write_bytes(mark + (end.join(LINES) + end).encode(encoding))
    assert read_text(path).split('\n') == [*LINES, '']
    assert list(text_lines(path)) == [*LINES]


@pytest.mark.parametrize(
    ('content', 'place'),
    [
        (b'a\r\nb\r\xe9t\xe9\n', 'the byte 0xe9 in line 3 .byte 5 of'),
        (codecs.BOM_UTF8 + b'a\n\x92', 'the byte 0x92 in line 2 .byte 5 of'),
        ('a\nb'.encode('utf-16-be'), 'a null character in line 1 .byte 0 of'),
        ('ab\n'.encode('utf-16') + b'x', 'the byte 0x78 in line 2 .byte 8 of'),
        (b'ok\nPK\x03\x00', 'a null character in line 2 .byte 6 of'),
    ],
)
def test_another_encoding_is_told_with_its_place(tmp_path, content, place):
    path = tmp_path / 'a.txt'
    path.write_bytes(content)
    message = rf"a\.txt' is not a list in UTF-8 text, nor in UTF-16.*it has {place}"
    with pytest.raises(InputError, match=message):
        read_text(path, 'a list')


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read '.*a\.txt': No such file"):
        read_text(tmp_path / 'a.txt')


def test_an_empty_file(tmp_path):
    (tmp_path / 'a.txt').write_bytes(codecs.BOM_UTF16_LE)
    assert read_text(tmp_path / 'a.txt') == ''


@pytest.mark.parametrize(
    'content', [b'a\nb\xff\n', b'a\nb\0\n', b'a\n\n\n' + b'\xe9' * 9]
)
def test_lines_are_told_as_the_whole_text(tmp_path, content):
    path = tmp_path / 'a.txt'
    path.write_bytes(content)
    with pytest.raises(InputError) as whole:
        read_text(path, 'a list')
    with pytest.raises(InputError) as line:
        list(text_lines(path, 'a list'))
    assert str(line.value) == str(whole.value)
    with pytest.raises(InputError, match='Is a directory'):
        list(text_lines(tmp_path))
