"""Options of older versions under their names of today."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final


def renewed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run or recipe, with those that were moved where they are now.

    Args:
        options: As a file has them.

    Example:
        >>> args = {'queue_size': 9, 'num_layers': None}
        >>> new = renewed_options({'model': {'class_path': 'CARAT', 'init_args': args}})
        >>> args = new['model']['init_args']
        >>> args['num_layers'], args['contrast']['init_args']
        ({'text': 6, '*': 4}, {'queue_size': 9})
    """
    found = copy.deepcopy(dict(options))
    model = found.get('model')
    args = model.get('init_args') if isinstance(model, dict) else None
    if isinstance(args, dict):
        for name, place in _ARGUMENTS.get(_class_name(model), {}).items():
            if name in args:
                value = args.pop(name)
                moved = {place: value} if isinstance(place, str) else place(value)
                for new, given in moved.items():
                    _set(args, new, given)
    return found


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
