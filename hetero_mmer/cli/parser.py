"""What the parsers of commands share."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hetero_mmer.errors import did_you_mean

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


STORE: Final = 'A store, or the name of a data set.'
JSON: Final = 'Print JSON instead of a table; docs/command_line.md has its keys.'

#: Options whose own arguments follow them.
PARTS: Final = {'--model', '--optimizer', '--schedule'}

#: How what Python calls otherwise is typed.
_MEANT: Final = {'dict': "'{NAME: VALUE}'", 'list': "'[NAME, NAME]'"}


def make_parser(
    command: Callable, name: str = '', about: Callable | None = None
) -> ArgumentParser:
    """A parser that raises its errors.

    Args:
        command: The command, whose docstring is the description.
        name: A word that follows the command.
        about: What is described instead.
    """
    import yaml
    from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_loader

    class Formatter(DefaultHelpFormatter):
        def _get_help_string(self, action: argparse.Action) -> str:
            # Every module that was imported would be listed as a possible model.
            text = super()._get_help_string(action)
            text = re.sub(r', known subclasses:[^)]*', '', text)
            return re.sub(r':\w+:`~?([^`]*)`', r'\1', text)  # Marks of docstrings.

    set_loader('unique_yaml', _load_yaml, (yaml.YAMLError,))
    return ArgumentParser(
        prog=f'hetero-mmer {command.__name__.replace("_", " ")} {name}'.strip(),
        description=(inspect.getdoc(about or command) or '').split('\n\nArgs:')[0],
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode='unique_yaml',
        formatter_class=Formatter,
    )


def add_trust(parser: ArgumentParser) -> None:
    """Adds ``--trust``."""
    parser.add_argument(
        '--trust',
        action='store_true',
        help='Run whatever files name as a model, such as your own.',
    )


def _load_yaml(text: str) -> Any:
    """A value as jsonargparse reads it, refused where a key is given twice."""
    from jsonargparse import get_loader

    from hetero_mmer.files.unique_yaml import check_keys

    check_keys(text, 'its value')
    return get_loader('yaml')(text)


def options_of(parser: ArgumentParser) -> list[str]:
    """All options of a parser, with their dashes."""
    return [o for o in parser._option_string_actions if o.startswith('--')]


def parse(parser: ArgumentParser, words: list[str], where: str = '') -> Any:
    """What a command line says; an unknown option gets the nearest known one.

    Args:
        parser: The parser.
        words: The command line.
        where: The end of the message on an unknown option.
    """
    known = options_of(parser)
    for word in words:
        name = word.split('=')[0]
        of_part = f'--{name.removeprefix("--").split(".")[0]}' in PARTS & {*known}
        if name.startswith('--') and name not in known and not of_part:
            refuse(f"unknown option '{name}'{where}", name, known)
    return parser.parse_args(words)


def parse_data(
    command: Callable, words: list[str], *, json: bool = False, **positional: str
) -> Any:
    """What the command line of a ``data`` command says.

    Args:
        command: The command.
        words: The command line.
        json: Whether it has ``--json``.
        **positional: Help of each positional argument.
    """
    parser = make_parser(command)
    for name, text in positional.items():
        parser.add_argument(name, help=text)
    if json:
        parser.add_argument('--json', action='store_true', help=JSON)
    parser.add_argument('--root', help='Folder where named data sets lie.')
    return parse(parser, words)


def refuse(message: str, name: str, names: Iterable[str]) -> NoReturn:
    """Raises an error about a wrong name, with the nearest right one."""
    raise argparse.ArgumentError(None, f'{message}{did_you_mean(name, names)}')


def sentence(message: str) -> str:
    """What jsonargparse says over several lines, in one."""
    message = ' '.join(message.split())
    *keys, rest = re.split(r'Parser key "[^"]*"(?: element \d+)?: ', message)
    if not keys:
        missing = message.removeprefix('the following arguments are required: ')
        return message if missing == message else f'missing arguments: {missing}'
    option = '--' + '.'.join(re.findall(r'Parser key "([^"]*)"', message))
    if unknown := re.search("Option ('[^']*') is not accepted", rest):
        return f'{option} has no option {unknown[1]}'
    if found := re.search(r"(module '[^']*' has no attribute '[^']*')", rest):
        return f'{option}: {found[1]}'
    expected = re.findall(
        r"Expected an? (?:<class '|typing.Literal\['?)([^>\]]+?)'?[>\]]", rest
    )
    value = re.search(
        r'(?:Got|Given) value: (.*?)(?:\. Got value: .*| - Expected .*)?$', rest
    )
    if not expected or value is None:
        return f'{option}: {rest[:300]}'
    given = re.search('Given value: (.*)', rest)
    if given and value[1] == 'None' and given[1][:1] == '{':  # No blank after a colon.
        expected, value = ['dict'], given
    names = ' or '.join(_MEANT.get(kind, kind) for kind in expected)
    names = names.replace("', '", ' or ').replace('NoneType', 'null')
    names += ' or an import path' if 'Callable' in rest else ''
    return f"{option} expects {names} (got '{value[1]}')"
