"""Train, test, and use models; each run lies in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetero_mmer.training.begin import check_early, resume, train
from hetero_mmer.training.inference import evaluate, predict
from hetero_mmer.training.recipe import (
    check_parsed,
    model_options,
    read_recipe,
    recipe_first,
    recipe_names,
    words_but_model,
)
from hetero_mmer.training.run import Run, load_run, needs_trust
from hetero_mmer.training.spec import from_spec, to_spec

if TYPE_CHECKING:
    from hetero_mmer.training.multilabel_module import MultilabelModule

__all__ = [
    'MultilabelModule',
    'Run',
    'check_early',
    'check_parsed',
    'evaluate',
    'from_spec',
    'load_run',
    'model_options',
    'needs_trust',
    'predict',
    'read_recipe',
    'recipe_first',
    'recipe_names',
    'resume',
    'to_spec',
    'train',
    'words_but_model',
]


def __getattr__(name: str) -> Any:
    if name == 'MultilabelModule':  # It takes Lightning, which takes seconds.
        from hetero_mmer.training.multilabel_module import MultilabelModule

        return MultilabelModule
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
