"""Options of older versions under their names of today."""

from __future__ import annotations

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
    return found


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
