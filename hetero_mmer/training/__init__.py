"""Train, test, and use models; each run lies in a folder of its own."""

from __future__ import annotations

from hetero_mmer.training.fit import resume, train
from hetero_mmer.training.inference import evaluate, predict
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.recipe import (
    model_options,
    read_recipe,
    recipe_first,
    recipe_names,
)
from hetero_mmer.training.run import Run, load_run
from hetero_mmer.training.spec import from_spec, to_spec

__all__ = [
    'MultilabelModule',
    'Run',
    'evaluate',
    'from_spec',
    'load_run',
    'model_options',
    'predict',
    'read_recipe',
    'recipe_first',
    'recipe_names',
    'resume',
    'to_spec',
    'train',
]
