"""Recipes: YAML files with the options of published settings, and how to find them.

The first line of each says what it is for and where its values come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hetero_mmer.hint import did_you_mean
from hetero_mmer.typing import InputError

FOLDER: Final = Path(__file__).parent


def recipe_names() -> list[str]:
    """The recipes that come with the library."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


def recipe_file(name: str) -> Path:
    """The file of a recipe that comes with the library.

    Args:
        name: One of :func:`recipe_names`.

    Raises:
        InputError: If there is none; names the nearest.

    Example:
        >>> recipe_file('hhmpn_mosei').name
        'hhmpn_mosei.yaml'
    """
    names = recipe_names()
    if name in names:
        return FOLDER / f'{name}.yaml'
    hint = did_you_mean(name, names) or '; `hetero-mmer recipes` lists them'
    raise InputError(f"there is no recipe '{name}'{hint}")


def recipe_lines() -> dict[str, str]:
    """What each recipe is for, by name.

    Example:
        >>> print(recipe_lines()['carat_mrm'])
        CARAT on CMU-MOSEI: table 3 (2) of the paper, MRM only
    """
    texts = {n: recipe_file(n).read_text(encoding='utf-8') for n in recipe_names()}
    lines = {name: text.split('\n', 1)[0] for name, text in texts.items()}
    return {name: line.removeprefix('# ').rstrip('.') for name, line in lines.items()}
