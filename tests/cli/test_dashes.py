"""Only the command line has dashes; messages below it name Python arguments."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import pytest

import hetero_mmer
from hetero_mmer import datasets, run, store, training
from hetero_mmer.cli import dashes
from hetero_mmer.cli.dashes import as_typed
from hetero_mmer.run import recipe
from hetero_mmer.run.options import TrainOptions

ROOT = Path(hetero_mmer.__file__).parent

#: Files that have commands as data: of the catalog, of the first line of config.yaml,
#: and of git.
COMMANDS = {'datasets/catalog.py', 'run/files.py', '__main__.py'}

FILES = [
    path
    for path in sorted(ROOT.rglob('*.py'))
    if path.relative_to(ROOT).parts[0] != 'cli'
    and path.relative_to(ROOT).as_posix() not in COMMANDS
]


def texts(path):
    """All strings of a file, docstrings and parts of f-strings among them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            values = [
                v.value if isinstance(v, ast.Constant) else 'X' for v in node.values
            ]
            yield ''.join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_no_file_below_speaks_of_options(path):
    for text in texts(path):
        assert not re.search(r'(?<![\w-])--[a-zX]', text), text
        assert 'hetero-mmer' not in text, text


def test_the_commands_of_functions_are_there():
    places = {
        'convert': (None, 'data convert FORMAT'),
        'fetch_data_set': (datasets, 'data fetch'),
        'predict': (run, 'predict'),
        'recipe_names': (recipe, 'recipes'),
        'resume': (training, 'train --resume'),
        'validate': (store, 'data validate'),
    }
    for name, (module, command) in places.items():
        assert module is None or callable(getattr(module, name))
        assert as_typed(f'`{name}(...)`') == f'`hetero-mmer {command} ...`'
    known = [name for name in vars(dashes)['_COMMANDS'] if name]
    assert sorted(known) == sorted(places)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_what_messages_call_is_translated(path):
    """Every call in backticks of a message is one that becomes a command."""
    for text in texts(path):
        for found in re.findall(r'`([a-z_]+)\([^`]*\)`', re.sub('``[^`]*``', '', text)):
            if found != 'train':  # Docstrings, as of check_model.
                assert found in vars(dashes)['_COMMANDS'], text


@pytest.mark.parametrize(
    ('message', 'typed'),
    [
        ("clean them with `clean='zero'`", 'clean them with --clean zero'),
        ('with `skip_empty=True`', 'with --skip_empty true'),
        ('`trust=True` runs it', '--trust runs it'),
        ('say which with `labels=`', 'say which with --labels'),
        ('`positive_above=0`', '--positive_above 0'),
        ('`labels=-6` for the last', '--labels=-6 for the last'),
        ("`labels=['joy', 'anger']`", "--labels '[joy, anger]'"),
        ("`features={'t': 'a', 'u': 'b.npz'}`", "--features '{t: a, u: b.npz}'"),
        ("`resume('r 1', data=P)`", "`hetero-mmer train --resume 'r 1' --data P`"),
        ("`predict('r', 's', output=F)`", '`hetero-mmer predict r s --output F`'),
        ("`convert(..., like='r')`", '`hetero-mmer data convert FORMAT ... --like r`'),
        ('`recipe_names()` lists them', '`hetero-mmer recipes` lists them'),
        # What is none of ours stays.
        ('`pip install x`', '`pip install x`'),
        ('`hetero-mmer train --resume r`', '`hetero-mmer train --resume r`'),
        ('the column `joy`, `f(1)`, `a b', 'the column `joy`, `f(1)`, `a b'),
        ('`x\0y=1`, `=`, `)(`', '`x\0y=1`, `=`, `)(`'),
    ],
)
def test_messages_as_they_are_typed(message, typed):
    assert as_typed(message) == typed


@pytest.mark.parametrize('value', ["it's", 'a b', '$(rm x)', '', '-x', 'é', '\\'])
def test_a_shell_reads_the_value_that_python_has(value):
    words = shlex.split(as_typed(f'`resume({value!r}, like={value!r})`').strip('`'))
    assert words[3] == value
    assert words[4:] == (['--like', value] if value[:1] != '-' else [f'--like={value}'])


def test_options_of_messages_are_arguments():
    """``name=`` in backticks is an argument of some converter or command."""
    functions = [
        *datasets.FORMATS.values(),
        training.train,
        training.resume,
        TrainOptions,
    ]
    functions += [training.train, training.resume, run.evaluate, run.predict]
    known = {n for f in functions for n in inspect.signature(f).parameters} | {'trust'}
    found = {
        name
        for path in FILES
        for text in texts(path)
        for name in re.findall(r'(?<!`)`([a-z_]+)=[^`]*`(?!`)', text)
    }
    assert {'labels', 'clean', 'skip_empty', 'ignore'} <= found
    assert found <= known
