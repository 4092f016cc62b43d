"""Recipes as options of a command line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hetero_mmer import models
from hetero_mmer.hint import did_you_mean
from hetero_mmer.recipes import recipe_file, recipe_names
from hetero_mmer.training.spec import NUM_EMBEDDINGS, import_path, locate
from hetero_mmer.typing import InputError
from hetero_mmer.unique_yaml import read_yaml


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe.

    Args:
        name: One of :func:`recipe_names`, or a path.

    Raises:
        InputError: If there is none; names the nearest.

    Example:
        >>> find_recipe('hhmpn_mosei').name
        'hhmpn_mosei.yaml'
    """
    if str(name) not in recipe_names() and Path(name).is_file():
        return Path(name)
    return recipe_file(str(name))


def read_recipe(name: str | Path, known: Iterable[str]) -> dict[str, Any]:
    """The options of a recipe; ``model`` as class path and arguments.

    Args:
        name: One of :func:`recipe_names`, or a path.
        known: Names of all options.

    Raises:
        InputError: For a file that is no recipe, or an option that is unknown.

    Example:
        >>> from inspect import signature
        >>> from hetero_mmer.training import train
        >>> read_recipe('hhmpn_mosei', signature(train).parameters)['epochs']
        50
    """
    path = find_recipe(name)
    recipe = read_yaml(path, 'the recipe ')
    if not isinstance(recipe, dict):
        raise InputError(f"the recipe '{path}' holds no options")
    known = list(known)
    for option in recipe:
        if option not in known:
            hint = did_you_mean(str(option), known)
            raise InputError(f"unknown option '{option}' in '{path}'{hint}")
    model = recipe.get('model')
    if isinstance(model, str):
        recipe['model'] = {'class_path': model, 'init_args': {}}
    elif model is not None and not (
        isinstance(model, dict)
        and isinstance(model.get('class_path'), str)
        and isinstance(model.get('init_args', {}), dict)
    ):
        raise InputError(f"'model' in '{path}' is a class_path with init_args")
    return recipe


def recipe_first(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """Orders a command line so that options win over the recipe, and checks its names.

    Args:
        words: The command line of ``train``.
        options: All of its options, with their dashes.

    Raises:
        InputError: For an unknown recipe or model, or an option that the recipe or
            the model does not have.

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
        known = [o[2:] for o in options if o not in ('--recipe', '--resume', '--help')]
        spec = read_recipe(recipe, known).get('model') or {}
        if model and spec and locate(model) is not locate(spec['class_path']):
            raise InputError(
                f"the recipe '{recipe}' is one for {spec['class_path']}, so its "
                f"arguments do not fit '{model}': leave out one of the two"
            )
        first = ['--recipe', str(find_recipe(recipe))]
    names = [] if model else list(spec.get('init_args') or {})
    if model := model or spec.get('class_path'):
        names += [w.split('=')[0].split('.')[1] for w in rest if w[:8] == '--model.']
        check_model_options(model, [name for name in names if name != 'help'])
        first += ['--model', import_path(locate(model))]
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
        known = [o[2:] for o in options if o not in ('--recipe', '--resume', '--help')]
        spec = read_recipe(recipe, known).get('model') or {}
        if model and spec:
            return None
        rest = ['--recipe', str(find_recipe(recipe)), *rest]
        if spec:
            check_model_name(spec['class_path'])
    if model:
        check_model_name(model)
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
    model = locate(words[words.index('--model') + 1])
    return model, _parameters(model)[0]


def check_model_name(path: str) -> None:
    """Refuses a model that cannot be there, without importing what is.

    Args:
        path: A model of ours, or an import path.

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
        locate(path)


def check_model_options(name: str, options: Iterable[str]) -> None:
    """Refuses options that a model's class does not have.

    Args:
        name: A model of ours, or an import path.
        options: Names of arguments.

    Raises:
        InputError: If there is no such model or option; names the nearest.

    Example:
        >>> check_model_options('HHMPN', ['num_steps', 'hidden_channels'])
    """
    known = _parameters(locate(name))[1]
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise InputError(f"model {name} has no option '{option}'{hint}")


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
