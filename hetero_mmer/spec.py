"""Classes and their arguments as plain data, and back.

``{'class_path': 'hetero_mmer.models.HHMPN', 'init_args': {'num_steps': 2}}`` stands for
``functools.partial(HHMPN, num_steps=2)``, in recipes and in the folder of a run.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.plain import check_plain

Spec = dict[str, Any]


class PlainSpec(TypedDict):
    """A class and its arguments."""

    class_path: str
    init_args: NotRequired[dict[str, Any] | None]


#: What a name in a file stands for: a model, or a part of one.
Kind = Literal['model', 'part']

_MODELS: Final = 'hetero_mmer.models'

#: Where layers are defined, whatever packages offer them.
_LAYERS: Final = (
    *(_MODELS, 'hetero_mmer.nn', 'torch.nn.modules'),
    *(f'torch_geometric.nn.{name}' for name in ('conv', 'aggr', 'norm')),
)

_OPTIMIZERS: Final = ('torch.optim', 'hetero_mmer.training.optim')

_FUNCTIONS: Final = ('hetero_mmer.functional', 'torch.nn.functional')

#: All that a name in a file may have imported.
_IMPORTED: Final = (
    *(*_LAYERS, *_OPTIMIZERS, *_FUNCTIONS),
    *('torch.nn', 'torch_geometric.nn'),
)

#: Keywords of models that are facts of the data, as their first two arguments are.
NUM_EMBEDDINGS: Final = 'num_embeddings'
LABEL_VECTORS: Final = 'label_vectors'
LABEL_RELATIONS: Final = 'label_relations'
FACTS: Final = (NUM_EMBEDDINGS, LABEL_VECTORS, LABEL_RELATIONS)


class UntrustedError(InputError):
    """A name from a file stands for code that such a name may not run."""


def locate(
    path: str, *, trust: bool = False, kind: Kind = 'part', where: str = 'a file'
) -> Any:
    """What an import path names; a name without dots is one of our models.

    Importing a module runs it, and so does calling what it holds. Without trust, only
    packages of models and layers are imported, and only their classes and functions
    are taken: those that were made there, whatever else can be reached by their names.

    Args:
        path: Such as ``torch_geometric.nn.GATv2Conv`` or ``HHMPN``.
        trust: Whether it may be anything, as where a user typed it.
        kind: What is expected without trust: a ``model`` of ours, or a ``part`` of one,
            a layer or what a layer takes.
        where: Where the name stands, for the message.

    Raises:
        UntrustedError: If it would run other code than is expected.
        InputError: If there is no such thing, naming the nearest, or it makes nothing.

    Example:
        >>> locate('torch.nn.Dropout')
        <class 'torch.nn.modules.dropout.Dropout'>
        >>> locate('collections.OrderedDict', trust=True)
        <class 'collections.OrderedDict'>
    """
    if not all(part.isidentifier() for part in path.split('.')):
        raise InputError(f'{path!r} is no import path')
    module, _, name = path.rpartition('.')
    module = module or _MODELS
    if not trust and not _inside(module, _IMPORTED):
        raise _untrusted(path, kind, where)
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
    if not trust and not _is_expected(target, kind):
        raise _untrusted(path, kind, where)
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


def from_spec(
    spec: Mapping[str, Any],
    *,
    trust: bool = False,
    kind: Kind = 'part',
    where: str = 'a file',
) -> Callable[..., Any]:
    """Reads what :func:`to_spec` wrote, and calls nothing.

    Args:
        spec: The import path and the arguments.
        trust: Whether names may stand for anything; see :func:`locate`.
        kind: What is expected without trust: a ``model``, or a ``part`` of one.
        where: Where the spec stands, for messages.

    Raises:
        UntrustedError: If it names other code than models, layers and their functions.
        InputError: If there is no such thing, or it is no spec.

    Example:
        >>> from_spec({'class_path': 'torch.nn.Dropout', 'init_args': {'p': 0.1}})()
        Dropout(p=0.1, inplace=False)
    """
    check_plain(spec, PlainSpec, where)
    target = locate(spec['class_path'], trust=trust, kind=kind, where=where)
    args = {
        name: _from_plain(value, trust, where)
        for name, value in (spec.get('init_args') or {}).items()
    }
    return partial(target, **args) if args else target


def is_known(spec: Mapping[str, Any]) -> bool:
    """Whether a model can be read back without trust.

    Args:
        spec: Its class and arguments.

    Example:
        >>> is_known({'class_path': 'HHMPN'}), is_known({'class_path': 'mine.Model'})
        (True, False)
    """
    try:
        from_spec(spec, kind='model')
    except UntrustedError:
        return False
    return True


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


def _from_plain(value: Any, trust: bool, where: str) -> Any:
    if isinstance(value, list):
        return [_from_plain(item, trust, where) for item in value]
    if isinstance(value, Mapping):
        if 'class_path' in value and value.keys() <= {'class_path', 'init_args'}:
            return from_spec(value, trust=trust, where=where)
        return {key: _from_plain(item, trust, where) for key, item in value.items()}
    return value


def _inside(module: Any, packages: Iterable[str]) -> bool:
    return isinstance(module, str) and any(
        module == package or module.startswith(f'{package}.') for package in packages
    )


def _is_expected(target: Any, kind: Kind) -> bool:
    """Whether a thing is what names in files may stand for, by where it was defined."""
    from torch.nn import Module, functional
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    module = getattr(target, '__module__', None)
    if isinstance(target, type):
        layers = (_MODELS,) if kind == 'model' else _LAYERS
        if issubclass(target, Module):
            return _inside(module, layers)
        rates = issubclass(target, Optimizer | LRScheduler)
        return kind == 'part' and rates and _inside(module, _OPTIMIZERS)
    if inspect.isbuiltin(target):  # Those of PyTorch are defined in C.
        known = vars(functional).get(target.__name__) is target
        return kind == 'part' and known and module in ('torch', 'torch._C._nn')
    is_function = kind == 'part' and inspect.isfunction(target)
    return is_function and _inside(module, _FUNCTIONS)


def _untrusted(path: str, kind: Kind, where: str) -> UntrustedError:
    allowed = (
        f'models of {_MODELS}'
        if kind == 'model'
        else 'layers of hetero_mmer, torch.nn and torch_geometric.nn'
    )
    return UntrustedError(
        f"{where} would run '{path}', but of what a file names, only {allowed} run; if "
        'you trust it as code of your own, `trust=True` runs it'
    )
