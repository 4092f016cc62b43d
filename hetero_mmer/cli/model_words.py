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


def recipe_first(
    words: Sequence[str], options: Sequence[str], *, trust: bool = False
) -> list[str]:
    """Orders a command line so that options win over the recipe, and checks its names.

    Args:
        words: The command line of ``train``.
        options: All of its options, with their dashes.
        trust: Whether names in the recipe may stand for anything, as those in the
            command line may.

    Raises:
        InputError: For an unknown recipe or model, an option that the recipe or the
            model does not have, or a recipe that would run code which is not trusted.

    Example:
        >>> recipe_first(['--seed', '1', '--model', 'HHMPN'], ['--seed', '--model'])
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
        read = read_recipe(recipe, _of_recipes(options), trust=trust)
        spec = read.get('model') or {}
        if model and spec and _located(model) is not _located(spec['class_path']):
            raise InputError(
                f"the recipe '{recipe}' is one for {spec['class_path']}, so its "
                f"arguments do not fit '{model}': leave out one of the two"
            )
        first = ['--recipe', _as_text(read)]
    names = [] if model else list(spec.get('init_args') or {})
    if model := model or spec.get('class_path'):
        names += [w.split('=')[0].split('.')[1] for w in rest if w[:8] == '--model.']
        check_model_options(model, [name for name in names if name != 'help'])
        first += ['--model', import_path(_located(model))]
    return [*first, *rest]


def words_but_model(words: Sequence[str], options: Sequence[str]) -> list[str] | None:
    """A command line that can be checked before the model's class is imported.

    Args:
        words: The command line of ``train``.
        options: All of its options, with their dashes.

    Returns:
        The words without the options of the model, the recipe first; None if only the
        class can tell what they mean.

    Raises:
        InputError: For an unknown recipe, option of a recipe, or model.

    Example:
        >>> words_but_model(['--model', 'HHMPN', '--model.num_steps', '2'], [])
        ['--model', 'HHMPN']
    """
    rest, model = _take(words, '--model')
    if (model and '--help' in rest) or '--model.help' in rest:
        return None
    rest, recipe = _take(rest, '--recipe')
    if recipe:
        # Nothing of it is imported, so nothing has to be trusted.
        read = read_recipe(recipe, _of_recipes(options), trust=True)
        spec = read.get('model') or {}
        if model and spec:
            return None
        rest = ['--recipe', _as_text(read), *rest]
        if spec:
            where = f"the recipe '{recipe}'"
            check_model_name(spec['class_path'], trust='--trust' in words, where=where)
    if model:
        check_model_name(model, trust=True)
        rest = ['--model', model, *rest]
    for name in {w.split('=')[0] for w in rest if w.startswith('--model.')}:
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


def check_parsed(model: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuses what a recipe has brought in otherwise than by import paths.

    jsonargparse knows every class that was imported by its last name.

    Args:
        model: The model of a command line and its recipe, parsed.
        words: The command line, whose own names are trusted.

    Raises:
        UntrustedError: For other code than models and layers.

    Example:
        >>> check_parsed({'class_path': 'hetero_mmer.models.HHMPN'}, [])
    """
    typed = [
        w
        for w, before in zip(words, ['', *words], strict=False)
        if '--model' in (w + before)
    ]
    known = set(re.findall(r'\w+', ' '.join(typed)))
    for name in _class_paths(model):
        if name.rpartition('.')[2] not in known:
            locate(name, where=f"the recipe '{_take(words, '--recipe')[1]}'")


def _as_text(recipe: Mapping[str, Any]) -> str:
    """A recipe as jsonargparse reads it, which takes a text in place of a file."""
    return yaml.safe_dump(dict(recipe), sort_keys=False)


def _of_recipes(options: Iterable[str]) -> list[str]:
    """The options of a command line that a recipe may have."""
    others = ('--recipe', '--resume', '--trust', '--help', '--model.help')
    return [option[2:] for option in options if option not in others]


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
