"""Classes with arguments, as they are typed and as recipes hold them.

A model, its layers, an optimiser: ``--model HHMPN --model.f2l my.Layer
--model.f2l.heads 2``. What is typed is trusted; what a file names is judged before it
is imported.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple, Union, get_args

from hetero_mmer import models
from hetero_mmer.cli.parser import Parser
from hetero_mmer.cli.values import (
    alternatives,
    hints_of,
    is_class_kind,
    is_plain,
    kind_in_words,
    load_yaml,
    place,
    plain_kind,
    read_value,
)
from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.plain import check_plain
from hetero_mmer.spec import FACTS, Kind, PlainSpec, Spec, import_path, locate, to_spec

#: How a model is called.
_MODEL: Final = Callable[[dict[str, int], int], Any]

#: Options whose own arguments follow them.
PARTS: Final = ('model', 'optimizer', 'schedule')


class Said(NamedTuple):
    """What gives an option its value: the command line, or a file.

    Args:
        typed: Texts of the command line by dotted names, such as ``model.f2l.heads``.
        where: The file, for messages.
        trust: Whether names in the file may stand for anything.
    """

    typed: Mapping[str, str] = {}
    where: str = ''
    trust: bool = False

    def below(self, name: str) -> list[str]:
        """The arguments that are typed for an option."""
        rest = [
            n.removeprefix(f'{name}.') for n in self.typed if n.startswith(f'{name}.')
        ]
        return list(dict.fromkeys(n.partition('.')[0] for n in rest))


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words of a command line apart from arguments of parts, which come by name.

    Args:
        words: The command line of ``train``.

    Raises:
        InputError: If such an argument has no value.

    Example:
        >>> split_words(['--model', 'HHMPN', '--model.num_steps=2', '--seed', '3'])
        (['--model', 'HHMPN', '--seed', '3'], {'model.num_steps': '2'})
    """
    rest, typed = [], {}
    stream = iter(words)
    for word in stream:
        name, equals, value = word.partition('=')
        if name.startswith(tuple(f'--{part}.' for part in PARTS)):
            value = value if equals else next(stream, '--')
            if value.startswith('--'):
                raise InputError(f"'{name}' has a value (got none)")
            typed[name[2:]] = value
        else:
            rest.append(word)
    return rest, typed


def check_model_name(path: str, *, trust: bool = False, where: str = 'a file') -> None:
    """Refuses a model that cannot be there, without importing what is.

    Args:
        path: A model of ours, or an import path.
        trust: Whether it may be imported to find out why it is not there.
        where: Where the name stands, for the message.

    Raises:
        InputError: If there is none; names the nearest.

    Example:
        >>> check_model_name('HHMPN')
    """
    module, _, name = path.rpartition('.')
    top = module.partition('.')[0]
    if module in ('', models.__name__):
        is_there = name in models.__all__
    else:
        is_there = top in sys.modules or not top or find_spec(top) is not None
    if not is_there:
        locate(path, trust=trust, kind='model', where=where)


def located(name: str, path: str, said: Said, *, typed: bool) -> Any:
    """What a name stands for that was typed, or that a file may name.

    Args:
        name: Of the option.
        path: The name, an import path unless it is one of our models.
        said: Whether the file is trusted.
        typed: Whether it was typed.

    Raises:
        InputError: If there is no such thing, or a file may not name it.
    """
    kind: Kind = 'model' if name == 'model' else 'part'
    return locate(path, trust=typed or said.trust, kind=kind, where=said.where)


def read_model(spec: Any, said: Said) -> Spec:
    """The model of a command line and its recipe, with all arguments.

    Args:
        spec: The model of the recipe, or None.
        said: What is typed, ``model`` perhaps among it, and what the recipe is called.

    Raises:
        InputError: As :func:`read_class`, or if they are two models.

    Example:
        >>> read_model(None, Said({'model': 'HHMPN'}))['class_path']
        'hetero_mmer.models.HHMPN'
    """
    from torch.nn import Module

    if (name := said.typed.get('model')) and spec:
        path = spec['class_path']
        of_file = located('model', path, said, typed=False)
        if located('model', name, said, typed=True) is not of_file:
            raise InputError(
                f'{said.where} is one for {path}, so its arguments do not fit '
                f"'{name}': leave out one of the two"
            )
    kind = Callable[[dict[str, int], int], Module]
    found = read_argument('model', kind, spec, said, typed=False)
    if spec:
        check_parsed(found, said)
    return found


def read_class(
    name: str, kind: Any, value: Any, said: Said, *, typed: bool, before: Any = None
) -> Spec:
    """A class with all its arguments.

    Args:
        name: Of the option, such as ``model.f2l``.
        kind: Of what it makes, ``Callable[[...], Made]``.
        value: The class and arguments, or its name.
        said: What else is typed, and where other values come from.
        typed: Whether the value was typed.
        before: What the file says where it was, which has more arguments of the class.

    Raises:
        InputError: If there is no such class or argument, or a value is none of its
            kind: names the option, what is expected and what came.
        UntrustedError: If a file names code that it may not run.
    """
    spec: Any = {'class_path': value} if isinstance(value, str) else value
    where, key = _place(name, said, typed)
    check_plain(spec, PlainSpec, where or f"'{key}'")
    target = located(name, spec['class_path'], said, typed=typed)
    own = given = spec.get('init_args') or {}
    if before and located(name, before['class_path'], said, typed=False) is target:
        given = {**(before.get('init_args') or {}), **own}
    known, hints = choices_of(target, kind), hints_of(target)
    found: dict[str, Any] = {}
    for argument in dict.fromkeys([*given, *said.below(name)]):
        if argument not in known and not _takes_more(target):
            raise _no_option(name, argument, target, known)
        found[argument] = read_argument(
            f'{name}.{argument}',
            hints.get(argument, Any),
            given.get(argument, known.get(argument)),
            said,
            typed=typed and argument in own,
        )
    whole = {'class_path': import_path(target), 'init_args': found}
    try:
        return _completed(kind, whole)
    except ValueError as error:
        what = f"{place(key, where)} cannot be '{spec['class_path']}'"
        raise InputError(f'{what} ({error})') from error


def read_argument(name: str, kind: Any, value: Any, said: Said, *, typed: bool) -> Any:
    """The value of an argument: plain data, or a class with its own arguments.

    Args:
        name: Of the option, such as ``model.num_steps``.
        kind: Its type.
        value: What it is unless it is typed by itself.
        said: What is typed, and where other values come from.
        typed: Whether this value was typed.

    Raises:
        InputError: As :func:`read_class`.
    """
    classes = [one for one in alternatives(kind) if is_class_kind(one)]
    rest = tuple(one for one in alternatives(kind) if one not in classes)
    plain = plain_kind(Union[rest]) if rest else None  # noqa: UP007
    text, before = said.typed.get(name), None
    if text is not None:
        value, before, typed = load_yaml(text, f'--{name}'), value, True
    where, key, got = *_place(name, said, typed), value
    if classes and not (plain is not None and is_plain(value, plain)):
        if callable(value):  # The default, of whose class arguments are typed.
            value, typed = to_spec(value), True
        if isinstance(value, str) and '.' not in value and name != 'model':
            value = _by_last_name(classes[0], value)
        if not isinstance(value, str | Mapping):
            words = kind_in_words(kind)
            raise InputError(f'{place(key, where)} is {words} (got {got!r})')
        before = before if isinstance(before, Mapping) else None
        return read_class(name, classes[0], value, said, typed=typed, before=before)
    if below := said.below(name):
        raise InputError(
            f"'--{name}.{below[0]}' is an argument of a class, and '--{name}' is none "
            f'(got {value!r})'
        )
    if plain is None or classes:
        return value
    if isinstance(value, str) or text is not None:  # PyYAML takes 1e-3 for text.
        return read_value(value if text is None else text, plain, key, where)
    check_plain(value, plain, where, key)
    return value


def check_parsed(spec: Any, said: Said) -> None:
    """Refuses what a file has brought in otherwise than by import paths.

    jsonargparse knows every class that was imported by its last name.

    Args:
        spec: A class and its arguments, parsed.
        said: What was typed, whose own names are trusted, and the file.

    Raises:
        UntrustedError: For other code than models and layers.

    Example:
        >>> check_parsed({'class_path': 'hetero_mmer.models.HHMPN'}, Said())
    """
    known = set(re.findall(r'\w+', ' '.join(said.typed.values())))
    for name in _class_paths(spec):
        if name.rpartition('.')[2] not in known:
            locate(name, trust=said.trust, where=said.where)


def class_help(command: Callable, name: str, path: str) -> Parser:
    """A parser that has the help on the arguments of a class.

    Args:
        command: The command that has the option.
        name: Of the option, such as ``model``.
        path: The class, which was typed.
    """
    target = locate(path, trust=True)
    known = choices_of(target, _MODEL if name == 'model' else None)
    facts = inspect.signature(target).parameters.keys() - known
    parser = Parser(command, f'--{name} {path}')
    parser.options_of(target, skip=facts, prefix=f'{name}.')
    return parser


def choices_of(target: Callable, kind: Any = None) -> dict[str, Any]:
    """Arguments of a class with their defaults, without what it is called with.

    Args:
        target: The class.
        kind: How it is called, ``Callable[[...], Made]``; otherwise with those
            arguments by position that have no default.

    Example:
        >>> choices_of(lambda in_channels, num_labels, *, dropout=0.1: None)
        {'dropout': 0.1}
    """
    parameters = [*inspect.signature(target).parameters.values()]
    given, *_ = get_args(kind) or [...]
    if given is ...:
        named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        given = [p for p in named if p.default is p.empty]
    return {
        p.name: None if p.default is p.empty else p.default
        for p in parameters[len(given) :]
        if p.name not in FACTS and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def _class_paths(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == 'class_path':
                yield item
            else:
                yield from _class_paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from _class_paths(item)


def _by_last_name(kind: Any, name: str) -> str | None:
    """The path of a class of this kind that was imported, if it is the only one."""
    found, classes = set(), [one for one in get_args(kind)[-1:] if type(one) is type]
    while classes:
        one = classes.pop()
        classes += type.__subclasses__(one)
        if one.__name__ == name:
            with contextlib.suppress(InputError):
                found.add(import_path(one))
    return found.pop() if len(found) == 1 else None


def _completed(kind: Any, spec: Spec) -> Spec:
    """A class with the defaults of all arguments, as jsonargparse checks them."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument('--part', type=kind)
    try:
        return parser.parse_object({'part': spec}).as_dict()['part']
    except ArgumentError as error:
        cause: BaseException = error
        while below := cause.__cause__ or cause.__context__:
            cause = below
        raise ValueError(str(cause).strip().splitlines()[-1].strip()[:300]) from error


def _takes_more(target: Callable) -> bool:
    found = inspect.signature(target).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in found)


def _no_option(name: str, option: str, target: Any, known: Any) -> InputError:
    what = f'model {target.__name__}' if name == 'model' else f"'--{name}'"
    how = f'; `hetero-mmer train --model {target.__name__} --help` shows all'
    hint = did_you_mean(option, known) or how * (name == 'model')
    return InputError(f"{what} has no option '{option}'{hint}")


def _place(name: str, said: Said, typed: bool) -> tuple[str, str]:
    """Where a value stands, and its name there."""
    return ('', f'--{name}') if typed else (said.where, name)
