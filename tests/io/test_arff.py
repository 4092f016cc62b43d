from __future__ import annotations

import contextlib
import itertools
import math
import time

import numpy as np
import pytest
from scipy.io import arff as scipy_arff

from hetero_mmer.errors import InputError
from hetero_mmer.io.arff import Attribute, read_header, read_rows

HEADER = """\
@relation toy
@attribute a numeric
@attribute b {1,0}
@attribute c {red,'deep blue',green}
@data
"""


@pytest.fixture
def read(tmp_path):
    """Values of a file's rows, [N, A]."""

    def read(text, columns=None, **options):
        path = tmp_path / 'a.arff'
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(data)
        rows = read_rows(read_header(path), columns, **options)
        return list(rows)

    return read


def values(rows):
    return [row.values.tolist() for row in rows]


def by_scipy(path):
    """The same numbers by another reader, which gives nominal values as bytes."""
    data, meta = scipy_arff.loadarff(path)
    columns = []
    for name in meta.names():
        kind, listed = meta[name]
        column = data[name]
        if kind == 'nominal':
            names = [value.encode() for value in listed]
            column = [np.nan if v == b'?' else names.index(v) for v in column]
        columns.append(np.array(column, float))
    return np.stack(columns, axis=1)


def random_dense(rng, num_rows=20):
    """A file that scipy reads, too, in one of many spellings."""
    names = [f'x{i}' for i in range(rng.integers(1, 6))]
    listed = {'y': ['0', '1'], 'z': ['yes', 'no'], 'w': ['one two', 'a,b', 'c']}
    sep = ','
    kinds = ['numeric', 'REAL', 'Integer', 'real']
    lines = ['% a comment', f'@{rng.choice(["relation", "RELATION"])} toy', '']
    for name in names:
        quote = rng.choice(['', "'", '"'])
        lines.append(f'@attribute {quote}{name}{quote} {rng.choice(kinds)}')
    for name, some in listed.items():
        order = [str(v) for v in rng.permutation(some)]
        cells = [f"'{v}'" if v in listed['w'] else v for v in order]
        lines.append(f'@ATTRIBUTE {name} {{{",".join(cells)}}}')
    lines += ['', str(rng.choice(['@data', '@DATA']))]
    for _ in range(num_rows):
        cells = [f'{v:.{rng.integers(0, 9)}g}' for v in rng.normal(size=len(names))]
        cells += [str(rng.choice(listed['y'])), str(rng.choice(listed['z']))]
        cells.append(f"'{rng.choice(listed['w'])}'")
        if rng.random() < 0.3:
            cells[rng.integers(len(cells))] = '?'
        lines.append(sep.join(cells))
        lines += ['% another', ''] if rng.random() < 0.1 else []
    return '\n'.join(lines)


@pytest.mark.parametrize('seed', range(20))
def test_dense_files_agree_with_scipy(read, tmp_path, seed):
    rows = read(random_dense(np.random.default_rng(seed)))
    expected = by_scipy(tmp_path / 'a.arff')
    np.testing.assert_array_equal([row.values for row in rows], expected)


def test_the_real_file_agrees_with_scipy(shared):
    path = shared / 'data' / 'music_emotions' / 'emotions.arff'
    rows = [row.values for row in read_rows(read_header(path))]
    np.testing.assert_array_equal(rows, by_scipy(path))


@pytest.mark.parametrize('seed', range(10))
def test_sparse_rows_agree_with_a_loop(read, seed):
    """What a row leaves out is 0, or the first value: here this is often a one."""
    rng = np.random.default_rng(seed)
    listed = [['0', '1'], ['1', '0'], ["it's", 'b , c', 'd}'], None, None]
    kinds = [
        'numeric' if some is None else
        '{' + ','.join("'{}'".format(v.replace("'", "\\'")) for v in some) + '}'
        for some in listed
    ]  # fmt: skip
    lines = [f'@attribute a{i} {kind}' for i, kind in enumerate(kinds)]
    expected, rows = [], []
    for _ in range(30):
        row, cells = [], []
        for j, some in enumerate(listed):
            number = int(rng.integers(len(some))) if some else round(rng.normal(), 3)
            text = f"'{some[number]}'" if some else str(number)
            text = text.replace("it's", rng.choice([r'it\'s', "it''s"]))
            is_there = rng.random() < 0.5
            cells += [f'{j} {text}'] * is_there
            row.append(number if is_there else 0)
        rows.append('{' + rng.choice([',', ' , ']).join(cells) + '}')
        expected.append(row)
    found = read('\n'.join(['@relation x', *lines, '@data', *rows]))
    assert values(found) == expected


def test_what_a_sparse_row_leaves_out(read):
    text = HEADER.replace('@data', '@attribute d string\n@attribute e {}\n@data')
    rows = read(text + '{}\n{ }\n{3 word, 0 2}\n', texts=[0, 1, 3])
    nan = pytest.approx(math.nan, nan_ok=True)
    assert values(rows) == [
        [0, 0, 0, nan, nan],
        [0, 0, 0, nan, nan],
        [2, 0, 0, nan, nan],
    ]
    assert [row.texts for row in rows] == [
        ('0', '1', None), ('0', '1', None), ('2', '1', 'word'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('1,0,red', [1, 1, 0]),
        ('1 , 0,\tred', [1, 1, 0]),
        ('1\t0\tgreen', [1, 1, 2]),
        ("1 0 'deep blue'", [1, 1, 1]),
        ('1,0,"deep blue"  % said so', [1, 1, 1]),
        ('1,0,deep blue', [1, 1, 1]),
        ("'1','0','red'", [1, 1, 0]),
        ('1,0,red,', [1, 1, 0]),
        ('+1.5e-3,1,red', [0.0015, 0, 0]),
        ('1,0,red, {2.5}', [1, 1, 0]),
        ('{0 1, 1 0}, {2}', [1, 1, 0]),
        ('{2 green,1 0}', [0, 1, 2]),
        (' {\t0   5 }', [5, 0, 0]),
    ],
)
def test_spellings_of_a_row(read, line, expected):
    assert values(read(HEADER + line)) == [expected]


def test_unknown_values(read):
    one, two = read(HEADER + '?,?,?\n{0 ?, 2 ?}')
    assert np.isnan(one.values).all()
    np.testing.assert_array_equal(two.values, [np.nan, 0, np.nan])


def test_quotes_make_a_question_mark_a_value(read):
    text = "@attribute a {'?',b}\n@data\n'?'\n?\n"
    np.testing.assert_array_equal(np.ravel(values(read(text))), [0, np.nan])


def test_names_and_kinds(read, tmp_path):
    read(r"""
% @attribute none numeric
@Relation 'it''s: -C 2'
@attribute plain NUMERIC
	@ATTRIBUTE	'with space'	real
@attribute "say \"so\"" integer [1, 10]
@attribute a%b{x , 'y}' ,"z, w" }  % listed
@attribute spaced {x y z}
@attribute words STRING
@attribute day date "yyyy-MM-dd"
@data
""")
    header = read_header(tmp_path / 'a.arff')
    assert header.relation == "it's: -C 2"
    assert header.attributes == (
        Attribute('plain', 'numeric'),
        Attribute('with space', 'numeric'),
        Attribute('say "so"', 'numeric'),
        Attribute('a%b', 'nominal', ('x', 'y}', 'z, w')),
        Attribute('spaced', 'nominal', ('x', 'y', 'z')),
        Attribute('words', 'string'),
        Attribute('day', 'date'),
    )
    assert header.places['words'] == 5


def test_texts_are_as_written(read):
    text = "@attribute id string\n@attribute n numeric\n@data\n'a, %\\tb',007\n?,1\n"
    rows = read(text, [1], texts=[0, 1])
    assert [row.texts for row in rows] == [('a, %\tb', '007'), (None, '1')]
    assert values(rows) == [[7], [1]]
    assert [row.line for row in rows] == [4, 5]


def test_weights(read):
    rows = read(HEADER + '1,0,red,{2.5}\n1,0,red\n{0 1},{3}\n{},{4}\n')
    assert [row.weight for row in rows] == [2.5, 1, 3, 4]


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_text_files_of_all_kinds(read, encoding, end):
    text = HEADER.replace('red', 'röd') + '1,0,röd\n\n{2 röd}\n'
    found = values(read(text.replace('\n', end).encode(encoding)))
    assert found == [[1, 1, 0], [0, 0, 0]]


def test_a_wrong_byte_is_told_with_its_place(read):
    with pytest.raises(InputError, match='the byte 0xfc in line 8'):
        read((HEADER + '1,0,red\n{}\n% für\n').encode('cp1252'))


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,0', r'has 3 values, .* \(got 2\) in line 6 of the ARFF file'),
        ('1,0,red,green', r'\(got 4\)'),
        ('1,,0,red', r'\(got 4\)'),
        (',0,red', r"'a' is a number \(got ''\)"),
        ('x,0,red', r"'a' is a number \(got 'x'\)"),
        ('1_0,0,red', r"'a' is a number \(got '1_0'\)"),
        ('\u0661,0,red', "'a' is a number"),
        ('50%,0,red', r"'a' is a number \(got '50%'\)"),
        ("'?',0,red", r"'a' is a number \(got '\?'\)"),
        ('1,2,red', r"'b' is one of '1, 0' \(got '2'\)"),
        ('1,0,Red', r"'c' is one of 'red, deep blue, green' \(got 'Red'\)"),
        ("1,0,'red", 'a quote has an end'),
        ("1,0,'red'x", 'a quote has an end'),
        ('1,0,red,{x}', "'weight' is a number"),
        ('{0 1', "a sparse row is like '{0 1, 5 0.3}'"),
        ('{0}', 'a sparse row is like'),
        ('{0 1,}', 'a sparse row is like'),
        ('{-1 1}', 'a sparse row is like'),
        ('{3 1}', r"from 0 to 2 \(got '3'\)"),
        ('{' + '9' * 9000 + ' 1}', 'from 0 to 2'),
        ('{0 1, 0 2}', r'names an attribute once \(got 0 again\)'),
        ('{0 x}', r"'a' is a number \(got 'x'\)"),
        ('{0 1} x', r"ends with } \(got 'x' then\)"),
    ],
)
def test_wrong_rows(read, line, message):
    with pytest.raises(InputError, match=message) as error:
        read(HEADER + line)
    assert '\n' not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'no line @data'),
        ('@attribute a real\n', 'no line @data'),
        ('id,joy\n1,0\n', r"\(got 'id,joy'\) in line 1"),
        ('@data\n1\n', 'no @attribute before'),
        ('@attribute a real\n@data 1\n', 'a line @data'),
        ('@inputs a\n', "got '@inputs a'"),
        ('@attribute a\n@data\n', r"a name and a type \(got 'a'\)"),
        (r"@attribute 'a\nb' real", r"is a word \(got 'a\\nb'\)"),
        (r"@attribute a {'b\nc'}", r"are words \(got 'b\\nc'\)"),
        (f'@attribute {"a" * 900} x', 'the type of'),
        ("@attribute 'a real\n@data\n", 'a name and a type'),
        ("@attribute '' real\n@data\n", r"is a word \(got ''\)"),
        (
            '@attribute a relational\n@data\n',
            "the type of 'a' is numeric, .*relational",
        ),
        ('@attribute a {0,1\n@data\n', 'end with }'),
        ('@attribute a {0,1,0}\n@data\n', r"all different \(got '0' again\)"),
        ('@attribute a real\n@attribute A real\n@attribute a real\n', 'line 3'),
    ],
)
def test_wrong_headers(read, text, message):
    with pytest.raises(InputError, match=message) as error:
        read(text)
    assert '\n' not in str(error.value)
    assert len(str(error.value)) < 400


def test_no_file(tmp_path):
    with pytest.raises(InputError, match='cannot read'):
        read_header(tmp_path / 'a.arff')
    with pytest.raises(InputError, match='cannot read'):
        read_header(tmp_path)


def test_columns_that_are_not_wanted_are_not_looked_at(read):
    assert values(read(HEADER + '1,what,red\n{1 what, 2 green}\n', [2, 0])) == [
        [0, 1], [2, 0],
    ]  # fmt: skip


def test_time_grows_with_the_file_not_faster(read):
    """Whatever is repeated: cells, quotes, escapes, spaces, unclosed ones too."""
    parts = [
        "'a',",
        '"a,',
        r"'\',",
        r'\'',
        "''",
        ' ',
        '{',
        '{0 1,',
        ',',
        '% ',
        "'a' b,",
    ]
    for start, part in itertools.product(['', '{0 ', "1,'"], parts):
        begin = time.process_time()
        with contextlib.suppress(InputError):
            read(HEADER + start + part * 100_000 + ' x')
        assert time.process_time() - begin < 3, (start, part)
