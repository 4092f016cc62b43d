"""Options of older versions under their names of today."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from hetero_mmer.run.options import PRECISIONS

#: Lightning's names for number formats, by ours.
_NAMES: Final = {**{v: k for k, v in PRECISIONS.items()}, '32': 'fp32', '16': 'fp16'}


def renewed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run or recipe, with those that were moved where they are now.

    Args:
        options: As a file has them.

    Example:
        >>> renewed_options({'precision': '32-true', 'label_graph': 'complete'})
        {'precision': 'fp32'}
    """
    found = dict(options)
    for name, renew in _RENEWED.items():
        if name in found:
            renew(found, found.pop(name))
    if 'model' in found:
        found['model'] = renewed_model(found['model'])
    return found


def renewed_model(spec: Any) -> Any:
    """A model's class and arguments, with those that were moved where they are now.

    Args:
        spec: As a file has it.

    Example:
        >>> args = {'queue_size': 9, 'num_layers': None}
        >>> spec = renewed_model({'class_path': 'CARAT', 'init_args': args})
        >>> args = spec['init_args']
        >>> args['num_layers'], args['contrast']['init_args']
        ({'text': 6, '*': 4}, {'queue_size': 9})
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get('init_args'), Mapping):
        return spec
    args = copy.deepcopy(dict(spec['init_args']))
    for name, place in _ARGUMENTS.get(_class_name(spec), {}).items():
        if name in args:
            value = args.pop(name)
            moved = {place: value} if isinstance(place, str) else place(value)
            for new, given in moved.items():
                _set(args, new, given)
    return {**spec, 'init_args': args}


def _label_graph(options: dict[str, Any], value: Any) -> None:
    """A prior label graph is an option of the model now."""
    if value != 'complete' and isinstance(model := options.get('model'), Mapping):
        args = {**(model.get('init_args') or {}), 'label_graph': value}
        options['model'] = {**model, 'init_args': args}


def _precision(options: dict[str, Any], value: Any) -> None:
    """Number formats had Lightning's names."""
    options['precision'] = _NAMES.get(str(value), value)


#: What becomes of an old key: it may go into another one.
_RENEWED: Final[Mapping[str, Callable[[dict[str, Any], Any], None]]] = {
    'label_graph': _label_graph,
    'precision': _precision,
}


def _num_layers(value: Any) -> dict[str, Any]:
    """The default had 6 layers for a modality called text, 4 for others."""
    return {'num_layers': {'text': 6, '*': 4} if value is None else value}


def _contrastive_weight(value: Any) -> dict[str, Any]:
    """Without a weight there was no contrastive loss."""
    return {'losses.contrastive_weight': value} if value else {'contrast': None}


#: What becomes of old arguments of a model: their names on the command line today, or
#: a function that gives the arguments in their place.
_ARGUMENTS: Final[Mapping[str, Mapping[str, str | Callable[[Any], dict[str, Any]]]]] = {
    'CARAT': {
        'num_layers': _num_layers,
        'shuffle_samples': 'aggregation.shuffle_samples',
        'shuffle_modalities': 'aggregation.shuffle_modalities',
        'queue_size': 'contrast.queue_size',
        'temperature': 'contrast.temperature',
        'anchors': 'contrast.anchors',
        'bce_weights': 'losses.bce_weights',
        'reconstruction_weight': 'losses.reconstruction_weight',
        'contrastive_weight': _contrastive_weight,
        'shuffle_weight': 'losses.shuffle_weight',
    }
}

#: The parts that arguments moved to, by default; other parts have no such arguments.
_PARTS: Final = {
    'aggregation': 'hetero_mmer.nn.fusion.LabelAggregation',
    'contrast': 'hetero_mmer.nn.ContrastiveMemory',
    'losses': 'hetero_mmer.nn.CARATLoss',
}


def _set(args: dict[str, Any], name: str, value: Any) -> None:
    name, _, key = name.partition('.')
    if not key:
        args[name] = value
        return
    part = args.setdefault(name, {'class_path': _PARTS[name]})
    if isinstance(part, str):
        part = args[name] = {'class_path': part}
    if isinstance(part, dict) and _class_name(part) == _PARTS[name].rpartition('.')[2]:
        part['init_args'] = {**(part.get('init_args') or {}), key: value}


def _class_name(spec: Any) -> str:
    return str(spec.get('class_path')).rpartition('.')[2]
