"""Recipes: the options of published settings as YAML, and how to find them.

Each is a file, or a variant of one in a study. The first line says what it is for and
where its values come from.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

import hetero_mmer
from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.plain import check_plain
from hetero_mmer.files.unique_yaml import read_yaml
from hetero_mmer.run.old import renewed_options
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.run.study import variants
from hetero_mmer.spec import PlainSpec, locate

#: What a recipe may say.
OPTIONS: Final = ('model', 'data', 'out', *TrainOptions.__dataclass_fields__)

FOLDER: Final = Path(hetero_mmer.__file__).with_name('recipes')


def recipe_names() -> list[str]:
    """The recipes that come with the library."""
    return sorted([*(path.stem for path in FOLDER.glob('*.yaml')), *variants()])


def recipe_text(name: str) -> str:
    """The YAML of a recipe that comes with the library.

    Args:
        name: One of :func:`recipe_names`.

    Raises:
        InputError: If there is none; names the nearest.

    Example:
        >>> print(recipe_text('hhmpn_mosei')[:20])
        # HHMPN on CMU-MOSEI
    """
    names = recipe_names()
    if name not in names:
        hint = did_you_mean(name, names) or '; `recipe_names()` lists them'
        raise InputError(f"there is no recipe '{name}'{hint}")
    if variant := variants().get(name):
        return variant.text(recipe_text(variant.base))
    return (FOLDER / f'{name}.yaml').read_text(encoding='utf-8')


def recipe_lines() -> dict[str, str]:
    """What each recipe is for, by name.

    Example:
        >>> print(recipe_lines()['carat_mrm'])
        CARAT on CMU-MOSEI: table 3 (2) of the paper, MRM only
    """
    lines = {name: recipe_text(name).split('\n', 1)[0] for name in recipe_names()}
    return {name: line.removeprefix('# ').rstrip('.') for name, line in lines.items()}


def read_recipe(name: str | Path, *, trust: bool = False) -> dict[str, Any]:
    """The options of a recipe; ``model`` as class path and arguments.

    Args:
        name: One of :func:`recipe_names`, or a path.
        trust: Whether the model may be code of any module; see
            :func:`~hetero_mmer.spec.locate`.

    Raises:
        InputError: For a file that is no recipe, an option that is unknown, or a model
            that would run code which is not trusted.

    Example:
        >>> read_recipe('hhmpn_mosei')['epochs']
        50
    """
    path = str(name)
    if path not in recipe_names() and Path(name).is_file():
        recipe = read_yaml(Path(name), 'the recipe ')
    else:
        recipe = yaml.safe_load(recipe_text(path))
    if not isinstance(recipe, dict):
        raise InputError(f"the recipe '{path}' holds no options")
    recipe, known = renewed_options(recipe), OPTIONS
    for option in recipe:
        if option not in known:
            hint = did_you_mean(str(option), known)
            raise InputError(f"unknown option {str(option)!r} in '{path}'{hint}")
    model = recipe.get('model')
    if isinstance(model, str):
        recipe['model'] = {'class_path': model, 'init_args': {}}
    elif model is not None and not (
        isinstance(model, dict)
        and isinstance(model.get('class_path'), str)
        and isinstance(model.get('init_args', {}), dict)
    ):
        raise InputError(f"'model' in '{path}' is a class_path with init_args")
    where = f"the recipe '{path}'"
    if model is not None:
        check_plain(recipe['model'], PlainSpec, where, 'model')
    for option, value in recipe.items():
        if not trust and not isinstance(value, str):
            _check_names(value, where, option)
    return recipe


def _check_names(value: Any, where: str, key: str) -> None:
    """Refuses what jsonargparse would import, at any depth, unless it is expected."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == 'class_path' and isinstance(item, str):
                locate(item, kind='model' if key == 'model' else 'part', where=where)
            else:
                _check_names(item, where, f'{key}.{name}')
    elif isinstance(value, list):
        for item in value:
            _check_names(item, where, key)
    elif isinstance(value, str):
        if _is_path(value):
            locate(value, where=where)
        elif not re.fullmatch(r'[\w+-]*', value):  # It might be YAML in YAML, a file.
            raise InputError(
                f'{key!r} in {where} is a word, or an import path (got '
                f'{reprlib.repr(value)})'
            )


def _is_path(text: str) -> bool:
    parts = text.split('.')
    return len(parts) > 1 and all(part.isidentifier() for part in parts)
