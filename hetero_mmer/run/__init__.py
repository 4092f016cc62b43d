"""What a run is: its options, its folder, its recipe, and what it can do."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hetero_mmer.run.arrays import Prediction
    from hetero_mmer.run.inference import evaluate, predict
    from hetero_mmer.run.options import TrainOptions
    from hetero_mmer.run.recipe import read_recipe, recipe_names
    from hetero_mmer.run.record import needs_trust
    from hetero_mmer.run.run import Run, load_run

#: Where each name lies; imported when it is asked for, since a list of recipes needs
#: neither HDF5 nor NumPy.
_PLACES: Final = {
    'Prediction': 'arrays',
    'Run': 'run',
    'TrainOptions': 'options',
    'evaluate': 'inference',
    'load_run': 'run',
    'needs_trust': 'record',
    'predict': 'inference',
    'read_recipe': 'recipe',
    'recipe_names': 'recipe',
}

__all__ = [
    'Prediction',
    'Run',
    'TrainOptions',
    'evaluate',
    'load_run',
    'needs_trust',
    'predict',
    'read_recipe',
    'recipe_names',
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f'{__name__}.{_PLACES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return __all__
