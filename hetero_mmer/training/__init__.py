"""Train, test, and use models; each run lies in a folder of its own."""

from __future__ import annotations

from hetero_mmer.training.fit import resume, train
from hetero_mmer.training.inference import evaluate, predict
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.recipe import (
    check_parsed,
    model_options,
    read_recipe,
    recipe_first,
    recipe_names,
)
from hetero_mmer.training.run import Run, load_run, needs_trust
from hetero_mmer.training.spec import from_spec, to_spec

__all__ = [
    'MultilabelModule',
    'Run',
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
]
