"""Classes and their arguments as plain data, and back.

``{'class_path': 'hetero_mmer.models.HHMPN', 'init_args': {'num_steps': 2}}`` stands for
``functools.partial(HHMPN, num_steps=2)``, in recipes and in the folder of a run.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hetero_mmer.hint import did_you_mean
from hetero_mmer.typing import InputError

Spec = dict[str, Any]

#: A keyword of models that is a fact of the data, as their first two arguments are.
NUM_EMBEDDINGS = 'num_embeddings'


def locate(path: str) -> Any:
    """What an import path names; a name without dots is one of our models.

    Args:
        path: Such as ``torch_geometric.nn.GATv2Conv`` or ``HHMPN``.

    Raises:
        InputError: If there is no such thing, naming the nearest, or it makes nothing.

    Example:
        >>> locate('collections.OrderedDict')
        <class 'collections.OrderedDict'>
    """
    if not all(part.isidentifier() for part in path.split('.')):
        raise InputError(f"'{path}' is no import path")
    module, _, name = path.rpartition('.')
    module = module or 'hetero_mmer.models'
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"cannot import '{path}': {error}") from error
    if not hasattr(found, name):
        hint = did_you_mean(name, (n for n in dir(found) if not n.startswith('_')))
        raise InputError(f"there is no '{name}' in {module}{hint}")
    target = getattr(found, name)
    if not callable(target):
        raise InputError(f"'{path}' is no class or function (got {target!r})")
    return target


def to_spec(factory: Callable[..., Any]) -> Spec:
    """Writes down a class, or a partial of one, with all its choices.

    Args:
        factory: An importable class or function, or a :func:`functools.partial`
            of one with keyword arguments.

    Raises:
        InputError: For something that could not be read back, such as a lambda.

    Example:
        >>> to_spec(partial(partial, p=0.1))
        {'class_path': 'functools.partial', 'init_args': {'p': 0.1}}
    """
    args: dict[str, Any] = {}
    target = factory
    while isinstance(target, partial):
        if target.args:
            raise InputError(
                f'a partial has keyword arguments only (got {target.args} for '
                f'{target.func})'
            )
        args = {**target.keywords, **args}
        target = target.func
    path = import_path(target)
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except ValueError:  # Some builtins have no signature.
        parameters = []
    choices = {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.default is not parameter.empty
    }
    return {
        'class_path': path,
        'init_args': {
            name: _to_plain(value, f"argument '{name}' of {path}")
            for name, value in (choices | args).items()
        },
    }


def from_spec(spec: Mapping[str, Any]) -> Callable[..., Any]:
    """Reads what :func:`to_spec` wrote.

    Args:
        spec: The import path and the arguments.

    Raises:
        InputError: If there is no such thing.

    Example:
        >>> from_spec({'class_path': 'torch.nn.Dropout', 'init_args': {'p': 0.1}})()
        Dropout(p=0.1, inplace=False)
    """
    target = locate(spec['class_path'])
    args = {k: _from_plain(v) for k, v in (spec.get('init_args') or {}).items()}
    return partial(target, **args) if args else target


def import_path(target: Any) -> str:
    """The shortest path that leads to a class or function.

    Args:
        target: The class or function.

    Raises:
        InputError: If none does.

    Example:
        >>> import_path(partial)
        'functools.partial'
    """
    module, name = (
        getattr(target, '__module__', ''),
        getattr(target, '__qualname__', ''),
    )
    parents = module.split('.')
    paths = ['.'.join(parents[: i + 1]) for i in range(len(parents))]
    for path in paths:
        if getattr(sys.modules.get(path), name, None) is target:
            return f'{path}.{name}'
    raise InputError(
        f'{target!r} cannot be imported by name, so the run could not be read back; '
        'pass a class or a functools.partial of one'
    )


def _to_plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_to_plain(item, where) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item, where) for key, item in value.items()}
    if isinstance(value, partial | type) or inspect.isroutine(value):
        return to_spec(value)
    raise InputError(
        f'{where} must be plain data, a class or a partial of one, so that the run can '
        f'be read back (got {value!r})'
    )


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(item) for item in value]
    if isinstance(value, Mapping):
        if 'class_path' in value and value.keys() <= {'class_path', 'init_args'}:
            return from_spec(value)
        return {key: _from_plain(item) for key, item in value.items()}
    return value
