"""The model on a command line and in its recipe, before jsonargparse reads it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import yaml

from hetero_mmer import models
from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.run.recipe import read_recipe
from hetero_mmer.spec import NUM_EMBEDDINGS, import_path, locate


def recipe_of(words: Sequence[str]) -> str | None:
    """The recipe that a command line names, if any.

    Args:
        words: The command line.

    Example:
        >>> recipe_of(['--seed', '1', '--recipe=hhmpn_mosei'])
        'hhmpn_mosei'
    """
    return _take(words, '--recipe')[1]


def recipe_first(words: Sequence[str], *, trust: bool = False) -> list[str]:
    """Orders a command line so that options win over the recipe, and checks its names.

    Args:
        words: The command line of ``train``.
        trust: Whether names in the recipe may stand for anything, as those in the
            command line may.

    Raises:
        InputError: For an unknown recipe or model, an option that the recipe or the
            model does not have, or a recipe that would run code which is not trusted.

    Example:
        >>> recipe_first(['--seed', '1', '--model', 'HHMPN'])
        ['--model', 'hetero_mmer.models.HHMPN', '--seed', '1']
    """
    rest, model = _take(words, '--model.help')
    if model:
        words = ['--model', model, '--help']
    rest, recipe = _take(words, '--recipe')
    rest, model = _take(rest, '--model')
    first: list[str] = []
    spec: dict[str, Any] = {}
    if recipe:
        spec = read_recipe(recipe, trust=trust).get('model') or {}
        if model and spec and _located(model) is not _located(spec['class_path']):
            raise InputError(
                f"the recipe '{recipe}' is one for {spec['class_path']}, so its "
                f"arguments do not fit '{model}': leave out one of the two"
            )
        first = ['--recipe', _text(recipe, trust=trust)]
    names = [] if model else list(spec.get('init_args') or {})
    if model := model or spec.get('class_path'):
        names += [w.split('=')[0].split('.')[1] for w in rest if w[:8] == '--model.']
        check_model_options(model, [name for name in names if name != 'help'])
        first += ['--model', import_path(_located(model))]
    return [*first, *rest]


def factories_first(words: Sequence[str]) -> list[str]:
    """Orders a command line so that what has arguments goes before them.

    Args:
        words: What :func:`recipe_first` returned.

    Raises:
        InputError: For what an option of the run says.

    Example:
        >>> factories_first(['--optimizer.momentum', '0.9', '--optimizer', 'SGD'])
        ['--optimizer', 'SGD', '--optimizer.momentum', '0.9']
    """
    rest = list(words)
    for name, option in (('lr', 'learning_rate'), ('weight_decay', 'weight_decay')):
        if any(word.split('=')[0] == f'--optimizer.{name}' for word in rest):
            raise InputError(f"'optimizer' takes '{name}' from '{option}' of the run")
    for name in ('--schedule', '--optimizer'):
        rest, value = _take(rest, name)
        if value is not None:
            place = next((i for i, w in enumerate(rest) if w.startswith(f'{name}.')), 0)
            rest[place:place] = [name, value]
    return rest


def words_but_model(words: Sequence[str]) -> list[str] | None:
    """A command line that can be checked before the model's class is imported.

    Args:
        words: The command line of ``train``.

    Returns:
        The words without the options of the model, the recipe first; None if only the
        class can tell what they mean.

    Raises:
        InputError: For an unknown recipe, option of a recipe, or model.

    Example:
        >>> words_but_model(['--model', 'HHMPN', '--model.num_steps', '2'])
        ['--model', 'HHMPN']
    """
    rest, model = _take(words, '--model')
    if (model and '--help' in rest) or '--model.help' in rest:
        return None
    rest, recipe = _take(rest, '--recipe')
    if recipe:
        # Nothing of it is imported, so nothing has to be trusted.
        spec = read_recipe(recipe, trust=True).get('model') or {}
        if model and spec:
            return None
        rest = ['--recipe', _text(recipe, trust=True), *rest]
        if spec:
            where = f"the recipe '{recipe}'"
            check_model_name(spec['class_path'], trust='--trust' in words, where=where)
    if model:
        check_model_name(model, trust=True)
        rest = ['--model', model, *rest]
    of_parts = ('--model.', '--optimizer.', '--schedule.')
    for name in {w.split('=')[0] for w in rest if w.startswith(of_parts)}:
        rest, _ = _take(rest, name)
    return rest


def model_options(words: Sequence[str]) -> tuple[Any, set[str]]:
    """The class that follows ``--model``, and those arguments that are facts of data.

    Args:
        words: What :func:`recipe_first` returned.

    Example:
        >>> model, facts = model_options(['--model', 'hetero_mmer.models.HHMPN'])
        >>> model.__name__, sorted(facts)
        ('HHMPN', ['in_channels', 'num_embeddings', 'num_labels'])
    """
    model = _located(words[words.index('--model') + 1])
    return model, _parameters(model)[0]


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


def check_model_options(name: str, options: Iterable[str]) -> None:
    """Refuses options that a model's class does not have.

    Args:
        name: A model of ours, or an import path, which is trusted.
        options: Names of arguments.

    Raises:
        InputError: If there is no such model or option; names the nearest.

    Example:
        >>> check_model_options('HHMPN', ['num_steps', 'hidden_channels'])
    """
    known = _parameters(_located(name))[1]
    for option in options:
        if option not in known:
            how = f'; `hetero-mmer train --model {name} --help` shows all'
            hint = did_you_mean(option, known) or how
            raise InputError(f"model {name} has no option '{option}'{hint}")


def check_parsed(model: Mapping[str, Any], words: Sequence[str], where: str) -> None:
    """Refuses what a recipe has brought in otherwise than by import paths.

    jsonargparse knows every class that was imported by its last name.

    Args:
        model: The model of a command line and its recipe, parsed.
        words: The command line, whose own names are trusted.
        where: The recipe, for messages.

    Raises:
        UntrustedError: For other code than models and layers.

    Example:
        >>> check_parsed({'class_path': 'hetero_mmer.models.HHMPN'}, [], 'a recipe')
    """
    typed = [
        w
        for w, before in zip(words, ['', *words], strict=False)
        if '--model' in (w + before)
    ]
    known = set(re.findall(r'\w+', ' '.join(typed)))
    for name in _class_paths(model):
        if name.rpartition('.')[2] not in known:
            locate(name, where=where)


def _text(recipe: str, *, trust: bool) -> str:
    """What a recipe says, under the names of today, as jsonargparse takes it."""
    found = read_recipe(recipe, trust=trust)
    return yaml.safe_dump(found, sort_keys=False)


def _located(name: str) -> Any:
    """What a name stands for that was typed, or checked in its file."""
    return locate(name, trust=True)


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


def _parameters(model: Any) -> tuple[set[str], list[str]]:
    """Names of a model's arguments: facts of the data, and choices."""
    names = list(inspect.signature(model).parameters)
    facts = {*names[:2], *(name for name in names if name == NUM_EMBEDDINGS)}
    return facts, [name for name in names if name not in facts]


def _take(words: Sequence[str], option: str) -> tuple[list[str], str | None]:
    """The words without an option, and its last value."""
    rest, value = [], None
    stream = iter(words)
    for word in stream:
        name, equals, given = word.partition('=')
        if name == option:
            value = given if equals else next(stream, None)
        else:
            rest.append(word)
    return rest, value
