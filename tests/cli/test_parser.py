from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from hetero_mmer.cli.parser import Parser
from hetero_mmer.errors import InputError


def data_weigh(words):
    """Weighs :class:`~some.Sample` and ``other``.

    At once.

    Args:
        words: The command line.
    """


def weigh(
    sources: list[str],
    output: Path,
    *,
    seed: int = 0,
    strict: bool = False,
    rate: float | None = None,
    unit: Literal['g', 'kg'] = 'g',
    layer: type = Parser,
    secret: int = 1,
) -> None:
    r"""Weighs sources, or ``none``.

    Args:
        sources: What is weighed.
        output: Where :math:`x` goes.
        seed: Of 70 % of the draw.
        strict: Whether it is.
        rate: See :func:`~some.rate`.
        unit: Of weight.
        layer: A class.
        secret: No option.
    """


@pytest.fixture
def parser():
    parser = Parser(data_weigh, 'all')
    parser.positional('sources', 'Files.', '+')
    parser.options_of(weigh, skip={'sources', 'secret'})
    parser.flag('json', 'As JSON.')
    return parser


@pytest.mark.parametrize(
    ('words', 'found'),
    [
        ('a --output x', {}),
        ('--output=x a', {}),
        ('a --output x --json', {'json': True}),
        ('a --output x --strict', {'strict': True}),
        ('a --output x --strict false', {'strict': False}),
        ('a --output x --seed 3 --seed 4', {'seed': 4}),
        ('a --output x --rate 2 --unit kg', {'rate': 2.0, 'unit': 'kg'}),
        ('a --output x --rate -2', {'rate': -2.0}),
        ('a --output x --rate null', {'rate': None}),
    ],
)
def test_what_is_typed_comes_back(words, found, parser):
    """Nothing else: defaults are the function's."""
    assert parser.parse(words.split()) == {'sources': ['a'], 'output': 'x', **found}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('', 'missing arguments: sources, output'),
        ('a', 'missing arguments: output'),
        ('--output x', 'missing arguments: sources'),
        ('a --output x --sed 3', "unknown option '--sed'; did you mean '--seed'?"),
        ('--sed=3', "unknown option '--sed'; did you mean '--seed'?"),
        ('a --xyz 3', "unknown option '--xyz'"),
        ('a --outpu x', "unknown option '--outpu'; did you mean '--output'?"),
        ('a --jso', "unknown option '--jso'; did you mean '--json'?"),
        ('a -x', "unknown option '-x'"),
        ('a --output x --seed many', "'--seed' is a whole number (got 'many')"),
        ('a --output x --strict maybe', "'--strict' is true or false (got 'maybe')"),
        ('a --output x --unit t', "'--unit' is 'g' or 'kg' (got 't')"),
        ('a --output', 'argument --output: expected one argument'),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(words, message, parser):
    with pytest.raises(InputError) as error:
        parser.parse(words.split())
    assert str(error.value) == message


def test_words_that_nothing_takes():
    with pytest.raises(InputError, match="nothing is expected where 'b' stands"):
        Parser(data_weigh).parse(['b'])


def test_help(parser, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '300')
    with pytest.raises(SystemExit) as stop:
        parser.parse(['--seed', '3', '--help'])  # Although others are missing.
    assert not stop.value.code
    out = capsys.readouterr().out
    assert out == parser.format_help()
    lines = [' '.join(line.split()) for line in out.splitlines()]
    assert lines[0] == (
        'usage: hetero-mmer data weigh all [-h] --output OUTPUT [--seed SEED] '
        '[--strict [{true,false}]] [--rate RATE] [--unit {g,kg}] [--layer LAYER] '
        '[--json] sources [sources ...]'
    )
    assert 'Weighs some.Sample and `other`. At once.' in out
    for line in (
        'Weighs sources, or `none`:',
        '--output OUTPUT Where x goes. (text, required)',
        '--seed SEED Of 70 % of the draw. (a whole number, default: 0)',
        '--strict [{true,false}] Whether it is. (default: false)',
        '--rate RATE See some.rate. (a number or null, default: null)',
        '--unit {g,kg} Of weight. (default: g)',
        '--layer LAYER A class. (any value, default: hetero_mmer.cli.parser.Parser)',
        '--json As JSON.',
    ):
        assert line in ' '.join(lines), line
    assert 'secret' not in out
    assert 'Args' not in out
