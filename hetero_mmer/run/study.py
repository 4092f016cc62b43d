"""Studies: YAML files with a base recipe and named variants of it."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

import hetero_mmer
from hetero_mmer.files.unique_yaml import read_yaml

FOLDER: Final = Path(hetero_mmer.__file__).with_name('studies')


class Variant(NamedTuple):
    """A recipe of a study."""

    base: str
    about: str
    changes: dict[str, Any]  # by the names on the command line

    def text(self, base: str) -> str:
        """The complete recipe.

        Args:
            base: The text of the base recipe; its first comments stay.
        """
        options = yaml.safe_load(base)
        for name, value in copy.deepcopy(self.changes).items():
            set_option(options, name, value)
        lines = base.split('\n')
        head = lines[1 : next(i for i, line in enumerate(lines) if line[:1] != '#')]
        changed = ', '.join(self.changes)
        note = f'# Differs from {self.base}, which says more, in {changed}.'
        body = yaml.safe_dump(options, sort_keys=False)
        return '\n'.join([f'# {self.about}', *head, note, body])


@cache
def variants() -> dict[str, Variant]:
    """The variants of all studies that come with the library, by name.

    Example:
        >>> variants()['carat_no_shuffle'].base
        'carat_mosei_aligned'
    """
    found = {}
    for path in sorted(FOLDER.glob('*.yaml')):
        study = read_yaml(path, 'the study ')
        for name, changes in study['vary'].items():
            found[name] = Variant(study['base'], changes.pop('about'), changes)
    return found


def set_option(options: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option, or an argument of the model or of one of its parts.

    Args:
        options: Options as in a recipe; changed in place.
        name: The name on the command line.
        value: The value.

    Example:
        >>> options = {'model': {'class_path': 'HHMPN', 'init_args': {'norm': True}}}
        >>> set_option(options, 'model.norm', False)
        >>> options['model']['init_args']
        {'norm': False}
    """
    *path, last = name.split('.')
    for part in path:
        options = options[part]
        if 'class_path' in options:
            options = options.setdefault('init_args', {})
    options[last] = value
