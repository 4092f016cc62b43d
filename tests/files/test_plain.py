from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import (
    Finite,
    Within,
    check_plain,
    parse_json,
    read_json,
    read_text,
)


class Part(TypedDict):
    size: Annotated[int, Within(1, 9)]
    note: NotRequired[str | None]


class Whole(TypedDict):
    parts: dict[str, Part]
    flag: bool
    rate: Finite | Literal['auto', 1]
    edges: list[list[int]] | None


GOOD = {'parts': {'a': {'size': 3}}, 'flag': True, 'rate': 'auto', 'edges': [[0], [1]]}


def changed(**change):
    return {**GOOD, **change}


@pytest.mark.parametrize(
    'value',
    [
        GOOD,
        changed(parts={}, edges=None, rate=1),
        changed(parts={'a': {'size': 9, 'note': None}}, edges=[], rate=-0.5),
    ],
)
def test_what_fits_passes(value):
    check_plain(value, Whole, 'the file')


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ([], r'the file is names with values \(got \[\]\)'),
        (changed(flags=1), r"unknown key 'flags' in the file; did you mean 'flag'"),
        ({k: v for k, v in GOOD.items() if k != 'rate'}, "no 'rate' in the file"),
        (changed(flag=1), r"'flag' in the file is true or false \(got 1\)"),
        (changed(flag=None), r'true or false \(got None\)'),
        (changed(parts=[1]), r"'parts' in the file is names with values \(got \[1\]\)"),
        (changed(parts={1: {'size': 1}}), r"'parts \(a name\)' .* is text \(got 1\)"),
        (changed(parts={'a': {'size': 0}}), r"'parts\.a\.size' .* in \[1, 9\] \(got 0"),
        (changed(parts={'a': {'size': 10}}), r'got 10\)'),
        (changed(parts={'a': {'size': 3.0}}), r'a whole number .*got 3\.0\)'),
        (changed(parts={'a': {'size': True}}), r'a whole number .*got True\)'),
        (changed(parts={'a': {'size': '3'}}), r"a whole number .*got '3'\)"),
        (changed(parts={'a': {'size': 16**9999}}), 'number of thousands of digits'),
        (changed(parts={'a': {'size': 3, 'note': 3}}), r'text or null \(got 3\)'),
        (changed(rate=True), r"a number .* or 'auto' or 1 \(got True\)"),
        (changed(rate=float('nan')), r'\(got nan\)'),
        (changed(rate=float('inf')), r'\(got inf\)'),
        (changed(rate='x'), r"\(got 'x'\)"),
        (changed(edges=[0]), r"'edges\[0\]' in the file is a list \(got 0\)"),
        (changed(edges=[[0, 1.5]]), r"'edges\[0\]\[1\]' .* whole number \(got 1\.5\)"),
        (changed(edges=3), r"'edges' in the file is a list or null \(got 3\)"),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(value, message):
    with pytest.raises(InputError, match=message):
        check_plain(value, Whole, 'the file')


def test_anything_is_anything():
    check_plain({'a': [object()]}, dict[str, Any], '')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (b'{', 'no JSON'),
        (b'', 'no JSON'),
        (b'{"a": NaN}', 'NaN is no number'),
        (b'[Infinity]', 'Infinity is no number'),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is given twice"),
        (b'"\xff"', 'UTF-8'),
        (b'1' * 5000, 'no JSON'),
        (b'[' * 90000, 'nested too deeply'),
        (b'[' + b'{},' * 1100000 + b'0]', 'more than 2000000 values'),
        (b'[' + b'0,' * 2**24 + b'0]', 'too large'),
    ],
)
def test_json_that_no_run_writes_is_refused(text, message, tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(text)
    with pytest.raises(InputError, match=message) as error:
        read_json(path)
    assert str(path) in str(error.value)


def test_json_reads_what_was_written(tmp_path):
    value = {'a': [1, 2.5, None, True, 'ä'], 'b': {'c': {}}}
    (tmp_path / 'a.json').write_text(json.dumps(value))
    assert read_json(tmp_path / 'a.json') == value


@pytest.mark.parametrize(
    'text',
    [
        *('[' * 100_000, '{"a":' * 100_000, '{', 'x', b'\xff', '[NaN]', '9' * 5000),
        '[{"x": {"b": 1, "c": 2, "b": 1}}]',
    ],
)
def test_text_that_is_no_json(text):
    with pytest.raises(ValueError):  # noqa: PT011  # Of any kind.
        parse_json(text)


def test_json_of_many_values_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match='more than 2000000 values'):
        parse_json('[' + '[],' * 2_000_000 + '0]')
    assert len(parse_json('[' + '0,' * 1_900_000 + '0]')) == 1_900_001


def test_keys_may_come_again_in_another_place():
    text = '{"a": {"b": [1, {"a": null}]}, "c": {"b": "ä"}}'
    assert parse_json(text) == {'a': {'b': [1, {'a': None}]}, 'c': {'b': 'ä'}}
    assert parse_json(text.encode()) == parse_json(text)


def test_the_largest_text_is_read(tmp_path):
    path = tmp_path / 'a'
    path.write_text('abc')
    assert read_text(path, 3) == 'abc'
    with pytest.raises(InputError, match=r'too large \(more than 2 bytes\)'):
        read_text(path, 2)
