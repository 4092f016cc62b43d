"""Options of files that version 0.1 wrote, under their names of today."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

#: An option's place today, or what gives the options that replace a value of it.
Place = str | Callable[[Any], dict[str, Any]]


def _num_layers(value: Any) -> dict[str, Any]:
    return {'model.num_layers': {'text': 6, '*': 4} if value is None else value}


def _contrastive_weight(value: Any) -> dict[str, Any]:
    name = 'model.losses.contrastive_weight'
    return {name: value} if value else {'model.contrast': None}


#: For each model, the options of version 0.1 that are elsewhere today; all by their
#: names on the command line.
TABLE: Final[dict[str, dict[str, Place]]] = {
    'CARAT': {
        'model.num_layers': _num_layers,
        'model.shuffle_samples': 'model.aggregation.shuffle_samples',
        'model.shuffle_modalities': 'model.aggregation.shuffle_modalities',
        'model.queue_size': 'model.contrast.queue_size',
        'model.temperature': 'model.contrast.temperature',
        'model.anchors': 'model.contrast.anchors',
        'model.bce_weights': 'model.losses.bce_weights',
        'model.reconstruction_weight': 'model.losses.reconstruction_weight',
        'model.contrastive_weight': _contrastive_weight,
        'model.shuffle_weight': 'model.losses.shuffle_weight',
    },
}

#: The parts that arguments moved to. Where a file names none, or another one, which has
#: no such arguments: the table is for these classes only.
PARTS: Final = {
    'aggregation': 'hetero_mmer.nn.fusion.LabelAggregation',
    'contrast': 'hetero_mmer.nn.ContrastiveMemory',
    'losses': 'hetero_mmer.nn.CARATLoss',
}


def renewed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a recipe or a run, with those of version 0.1 as they are today.

    Args:
        options: As a file holds them; whatever is no model is left as it is.

    Example:
        >>> args = {'queue_size': 9, 'num_layers': None}
        >>> new = renewed({'model': {'class_path': 'CARAT', 'init_args': args}})
        >>> args = new['model']['init_args']
        >>> args['num_layers'], args['contrast']['init_args']
        ({'text': 6, '*': 4}, {'queue_size': 9})
    """
    model = options.get('model')
    args = model.get('init_args') if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(args, Mapping):
        return dict(options)
    out = copy.deepcopy(dict(options))
    args = out['model']['init_args']
    for name, place in TABLE.get(_class_name(model), {}).items():
        *of_model, key = name.split('.')
        old = args if of_model else out
        if key in old:
            value = old.pop(key)
            moved = {place: value} if isinstance(place, str) else place(value)
            for new, given in moved.items():
                _set(out, args, new.split('.'), given)
    return out


def _set(
    options: dict[str, Any], args: dict[str, Any], path: list[str], value: Any
) -> None:
    *of_model, key = path
    if len(of_model) < 2:
        (args if of_model else options)[key] = value
        return
    name = of_model[1]
    part = args.setdefault(name, {'class_path': PARTS[name]})
    if isinstance(part, str):
        part = args[name] = {'class_path': part}
    if isinstance(part, dict) and _class_name(part) == PARTS[name].rpartition('.')[2]:
        part['init_args'] = {**(part.get('init_args') or {}), key: value}


def _class_name(spec: Mapping[str, Any]) -> str:
    return str(spec.get('class_path')).rpartition('.')[2]
