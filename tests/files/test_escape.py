from __future__ import annotations

import csv
import io
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hetero_mmer.files.escape import guard_cell, unguard_cell, visible

#: Commands of terminals, what turns text around or hides it, and ends of lines.
HOSTILE = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0)]),
    *'\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e',
    *'\u2060\u2066\u2067\u2068\u2069\ufeff\ud800\udc9b\udfff\U000e0041',
]
FORMULAS = [
    '=',
    '+',
    '-',
    '@',
    '\t',
    '\r',
    '\n',
    '\uff1d',
    '\uff0b',
    '\uff0d',
    '\uff20',
]


@pytest.mark.parametrize('character', HOSTILE)
def test_controls_become_escapes_that_python_reads(character):
    shown = visible(f'a{character}b')
    assert character not in shown
    assert shown.isascii()
    literal = shown.encode().decode('unicode_escape')
    assert literal.encode('utf-16', 'surrogatepass') == f'a{character}b'.encode(
        'utf-16', 'surrogatepass'
    )


@pytest.mark.parametrize(
    'text',
    [
        '',
        'clip-01[3]',
        r'C:\data\x1b',
        '喜悦 哀しい 기쁨',
        'é ñ ß \u0301',
        'العربية עברית हिन्दी',
        '😀 👩\u200d👩\u200d👧 ❤\ufe0f',
        'क्\u200dष',
        'a\u00a0b\u3000c',
    ],
)
def test_letters_and_emoji_stay(text):
    assert visible(text) == text


CELLS = st.text(st.sampled_from('\'=+-@\t\r\n \x00\ufeff\uff1da喜;,"0'), max_size=6)


@given(CELLS | st.text(), CELLS | st.text())
@example("'=x", '=x')
@example("''=x", "'=x")
@example("'", '')
@example('\t=', "\t'=")
@example(';=', ";'=")
def test_every_text_is_found_again(text, other):
    assert unguard_cell(guard_cell(text)) == text
    assert (guard_cell(text) == guard_cell(other)) == (text == other)


def test_no_two_short_texts_make_the_same_cell():
    texts = {''.join(t) for n in range(5) for t in product("'=\t; \na", repeat=n)}
    cells = {guard_cell(text): text for text in texts}
    assert len(cells) == len(texts)
    assert all(unguard_cell(cell) == text for cell, text in cells.items())


@given(CELLS)
def test_no_cell_begins_like_a_formula(text):
    cell = guard_cell(text)
    assert not cell.startswith(tuple(FORMULAS))
    assert not cell.strip().strip('\x00\ufeff').startswith(tuple(FORMULAS))
    assert cell.replace("'", '') == text.replace("'", '')


@pytest.mark.parametrize('text', ['clip-1', 'a=b', "'quoted'", "it's", '0', '喜', ''])
def test_ordinary_names_are_left_alone(text):
    assert guard_cell(text) == unguard_cell(text) == text


def test_a_cell_survives_the_file():
    names = ['=1+1', "'=1", '-5', '\tx', '\rx', 'a\nb', 'a"b', 'plain']
    file = io.StringIO(newline='')
    csv.writer(file).writerow(map(guard_cell, names))
    file.seek(0)
    assert [unguard_cell(cell) for cell in next(csv.reader(file))] == names
