from __future__ import annotations

import json
import math

import pytest

from hetero_mmer.files.strict_json import json_text


def strictly(text):
    """Reads JSON as its standard says, and nothing else."""

    def refuse(name):
        raise AssertionError(f'{name} is no JSON')

    return json.loads(text.encode('utf-8'), parse_constant=refuse)


@pytest.mark.parametrize('ascii', [True, False])
@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (
            {'a': math.nan, 'b': [math.inf, (-math.inf, 1.5)]},
            {'a': None, 'b': [None, [None, 1.5]]},
        ),
        ({'喜\x1b': 'a\nb'}, {'喜\x1b': 'a\nb'}),
        ({'\ud800': 'x\udc9b'}, {'\\ud800': 'x\\udc9b'}),
        ([True, None, 2**60, 'é😀'], [True, None, 2**60, 'é😀']),
    ],
)
def test_every_reader_takes_it(value, expected, ascii):
    text = json_text(value, ascii=ascii)
    assert strictly(text) == expected
    assert text.isascii() or not ascii
