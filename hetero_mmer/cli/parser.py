"""Command lines from signatures: options, what their values are, and their help."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal, NoReturn, get_args, get_origin

from hetero_mmer.cli.values import hints_of, kind_in_words, plain_kind, read_value
from hetero_mmer.errors import InputError, did_you_mean

STORE: Final = 'A store, or the name of a data set.'
JSON: Final = 'Print JSON instead of a table; docs/command_line.md has its keys.'

_HELP: Final = ('-h', '--help')


class Parser(argparse.ArgumentParser):
    """The options of a command; what is typed comes back by their names.

    Args:
        command: The command, whose docstring is the description.
        name: A word that follows the command.
        about: What is described instead.
    """

    def __init__(
        self, command: Callable, name: str = '', about: Callable | None = None
    ) -> None:
        super().__init__(
            prog=f'hetero-mmer {command.__name__.replace("_", " ")} {name}'.strip(),
            description=_plain_text(inspect.getdoc(about or command) or ''),
            exit_on_error=False,
            allow_abbrev=False,
        )
        self.kinds: dict[str, Any] = {}
        self.needed: list[argparse.Action] = []
        self.known: list[str] = ['--help']

    def error(self, message: str) -> NoReturn:
        """Raises what argparse would print."""
        raise InputError(message.splitlines()[-1])

    def positional(self, name: str, text: str, nargs: Any = None) -> None:
        """Adds an argument without a name; it is needed unless it may be left out."""
        action = self.add_argument(
            name, help=_escaped(text), nargs=nargs, default=argparse.SUPPRESS
        )
        self.kinds[name] = str
        if action.required:
            self.needed.append(action)

    def flag(self, name: str, text: str) -> None:
        """Adds an option that is typed without a value."""
        self.add_argument(
            f'--{name}',
            action='store_true',
            default=argparse.SUPPRESS,
            help=_escaped(text),
        )
        self.known.append(f'--{name}')

    def option(
        self,
        name: str,
        kind: Any,
        text: str,
        default: Any = inspect.Parameter.empty,
        *,
        nargs: Any = None,
        metavar: Any = None,
        group: Any = None,
    ) -> None:
        """Adds an option.

        Args:
            name: Its name, without dashes.
            kind: The type of its value, as in annotations.
            text: What it is, for the help.
            default: Its default, for the help; it is needed if there is none.
            nargs: As in :mod:`argparse`.
            metavar: Likewise.
            group: The group of options in the help.
        """
        is_needed = default is inspect.Parameter.empty
        rest = 'required' if is_needed else f'default: {_default(default)}'
        if kind is not bool and get_origin(kind) is not Literal:  # Which show theirs.
            rest = f'{kind_in_words(kind)}, {rest}'
        many: dict[str, Any] = {'nargs': nargs} if nargs else {}
        if kind is bool:
            many = {'nargs': '?', 'const': 'true'}
        action = (group or self).add_argument(
            f'--{name}',
            dest=name,
            metavar=metavar or _metavar(name, kind),
            default=argparse.SUPPRESS,
            required=is_needed,
            help=_escaped(f'{_plain_text(text)} ({rest})'),
            **many,
        )
        self.kinds[name] = plain_kind(kind)
        self.known.append(f'--{name}')
        if is_needed:
            self.needed.append(action)

    def options_of(
        self, target: Callable, *, skip: Collection[str], prefix: str = ''
    ) -> None:
        """Adds the arguments of a function or a class, with what its docstring says.

        Args:
            target: The function or class.
            skip: Names of arguments that are no options.
            prefix: What goes before their names.
        """
        from docstring_parser import parse

        docs = parse(inspect.getdoc(target) or '')
        if isinstance(target, type):
            docs.meta += parse(inspect.getdoc(target.__init__) or '').meta  # type: ignore[misc]
        texts = {p.arg_name: p.description or '' for p in docs.params}
        title = (docs.short_description or target.__name__).rstrip('.')
        group, hints = self.add_argument_group(_plain_text(title)), hints_of(target)
        for name, found in inspect.signature(target).parameters.items():
            if name not in skip and found.kind is not found.VAR_KEYWORD:
                self.option(
                    f'{prefix}{name}',
                    hints.get(name, Any),
                    texts.get(name, ''),
                    found.default,
                    group=group,
                )

    def given(self, words: Sequence[str], where: str = '') -> dict[str, Any]:
        """What a command line says, which may be less than is needed.

        Args:
            words: The command line.
            where: The end of the message on an unknown option.

        Raises:
            InputError: For an unknown option, with the nearest known one, or a value
                that is none of its kind.
        """
        for action in self.needed:
            action.required = False  # What is missing is told by `parse`.
        try:
            found, rest = self.parse_known_args([w for w in words if w not in _HELP])
        except argparse.ArgumentError as error:
            self.error(str(error))
        finally:
            for action in self.needed:
                action.required = True
        for word in rest:
            name = word.partition('=')[0]
            if name.startswith('-'):
                hint = did_you_mean(name, self.known)
                raise InputError(f"unknown option '{name}'{where}{hint}")
        if rest:
            raise InputError(f"nothing is expected where '{rest[0]}' stands")
        return {name: self._value(name, text) for name, text in vars(found).items()}

    def parse(self, words: Sequence[str], where: str = '') -> dict[str, Any]:
        """What a command line says; prints the help if it asks for that.

        Args:
            words: The command line.
            where: The end of the message on an unknown option.

        Raises:
            InputError: As :meth:`given`, or for what is missing.
        """
        found = self.given(words, where)
        if asks_help(words):
            self.print_help()
            raise SystemExit(0)
        if lacks := self.missing(found):
            raise InputError(lacks)
        return found

    def missing(self, found: Collection[str]) -> str:
        """A sentence on what is needed and not among some names, if anything."""
        names = [action.dest for action in self.needed if action.dest not in found]
        return f'missing arguments: {", ".join(names)}' if names else ''

    def _value(self, name: str, text: Any) -> Any:
        kind = self.kinds.get(name)
        if isinstance(text, list):
            return [read_value(part, kind, f'--{name}') for part in text]
        is_text = isinstance(text, str) and kind is not None
        return read_value(text, kind, f'--{name}') if is_text else text


def asks_help(words: Sequence[str]) -> bool:
    """Whether a command line asks for help."""
    return any(word in _HELP for word in words)


def add_trust(parser: Parser) -> None:
    """Adds ``--trust``."""
    parser.flag('trust', 'Run whatever files name as a model, such as your own.')


def parse_data(
    command: Callable, words: list[str], *, json: bool = False, **positional: str
) -> dict[str, Any]:
    """What the command line of a ``data`` command says.

    Args:
        command: The command.
        words: The command line.
        json: Whether it has ``--json``.
        **positional: Help of each positional argument.
    """
    parser = Parser(command)
    for name, text in positional.items():
        parser.positional(name, text)
    if json:
        parser.flag('json', JSON)
    add_root(parser)
    return parser.parse(words)


def add_root(parser: Parser) -> None:
    """Adds ``--root``."""
    parser.option('root', str | None, 'Folder where named data sets lie.', None)


def _metavar(name: str, kind: Any) -> str:
    if kind is bool:
        return '{true,false}'
    if get_origin(kind) is Literal:
        return f'{{{",".join(map(str, get_args(kind)))}}}'
    return name.rpartition('.')[2].upper()


def _default(value: Any) -> str:
    if callable(value):
        from hetero_mmer.spec import to_spec

        return to_spec(value)['class_path']
    if value is None or isinstance(value, bool):
        return {None: 'null', True: 'true', False: 'false'}[value]
    return str(list(value) if isinstance(value, tuple) else value)


def _plain_text(docstring: str) -> str:
    """What a docstring says before its sections, without marks."""
    text = re.split(r'\n\nArgs:', docstring)[0]
    text = re.sub(r':\w+:`~?([^`]*)`', r'\1', text)
    return text.replace('``', '`')


def _escaped(text: str) -> str:
    return text.replace('%', '%%')
