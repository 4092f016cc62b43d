from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

from hetero_mmer.cli.values import kind_in_words, plain_kind, read_value
from hetero_mmer.errors import InputError

Split = Literal['train', 'test']


@pytest.mark.parametrize(
    ('text', 'kind', 'value'),
    [
        ('3', int, 3),
        ('-3', int | None, -3),
        ('null', int | None, None),
        ('3', float, 3.0),
        ('1e-3', float, 0.001),
        ('5E2', float | None, 500.0),
        ('1' * 400, float, int('1' * 400)),
        ('true', bool, True),
        ('train', Split, 'train'),
        ('0.5', float | Split, 0.5),
        ('test', float | Split, 'test'),
        ('3', str, '3'),
        ('[a: b', str, '[a: b'),
        ('null', str | None, None),
        ('a: b', str | None, 'a: b'),
        ('[joy, anger]', list[str] | None, ['joy', 'anger']),
        ('[0.1, 1]', list[float], [0.1, 1]),
        ('6', int | str | list[str], 6),
        ('labels.xml', int | str | list[str], 'labels.xml'),
        ('[joy]', int | str | list[str], ['joy']),
        ('{text: a, audio: b}', dict[str, str], {'text': 'a', 'audio': 'b'}),
        ('{x: a, y: [b, c]}', dict[str, str | list[str]], {'x': 'a', 'y': ['b', 'c']}),
    ],
)
def test_values_of_texts(text, kind, value):
    found = read_value(text, plain_kind(kind), '--x')
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ('text', 'kind', 'message'),
    [
        ('many', int, "'--x' is a whole number (got 'many')"),
        ('1.5', int, "'--x' is a whole number (got '1.5')"),
        ('true', int, "'--x' is a whole number (got 'true')"),
        ('', int, "'--x' is a whole number (got '')"),
        ('[', float | None, "'--x' is a number or null (got '[')"),
        ('1', bool, "'--x' is true or false (got '1')"),
        ('dev', Split, "'--x' is 'train' or 'test' (got 'dev')"),
        ('a', float | Split, "'--x' is a number or 'train' or 'test' (got 'a')"),
        ('joy', list[str], "'--x' is '[ITEM, ITEM]' (got 'joy')"),
        ('[1]', list[str], "'--x[0]' is text (got 1)"),
        ('{a b}', dict[str, str], "'--x' is '{NAME: VALUE}' (got '{a b}')"),
        ('{a: 1}', dict[str, str] | None, "'--x.a' is text (got 1)"),
        (
            '{a: b, a: c}',
            dict[str, str],
            "the key 'a' is given twice in '--x' (l",
        ),
        ('9' * 9999, int, "'--x' is a whole number (got '999"),
    ],
)
def test_wrong_values_are_told_in_a_sentence(text, kind, message):
    with pytest.raises(InputError) as error:
        read_value(text, plain_kind(kind), '--x')
    assert str(error.value).startswith(message)
    assert len(str(error.value)) < 200


def test_where_a_value_stands():
    with pytest.raises(InputError, match=r"^'x' in the recipe is a whole number"):
        read_value('many', int, 'x', 'the recipe')


@pytest.mark.parametrize(
    ('kind', 'plain'),
    [
        (Path | None, str | None),
        (str | os.PathLike[str], str),
        (Sequence[float], list[float]),
        (dict[str, int | None], dict[str, int | None]),
        (Any, None),
        (Tensor, None),
        (float | Tensor, None),
        (list[Tensor], None),
        (tuple[int, int], None),
        (bool | Callable[[int], int], None),
    ],
)
def test_plain_kinds(kind, plain):
    assert plain_kind(kind) == plain


def test_kinds_in_words():
    kind = Literal['adam', 'adamw'] | Callable[[int], int]
    assert kind_in_words(kind) == "'adam' or 'adamw' or an import path"
    assert kind_in_words(dict[str, str] | None) == "'{NAME: VALUE}' or null"
    assert kind_in_words(Tensor) == 'any value'
