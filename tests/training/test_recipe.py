from __future__ import annotations

import inspect

import pytest

from hetero_mmer.models import HHMPN
from hetero_mmer.training import from_spec, train
from hetero_mmer.training.recipe import (
    check_model_options,
    find_recipe,
    read_recipe,
    recipe_first,
    recipe_names,
)
from hetero_mmer.training.run import build_model
from hetero_mmer.typing import InputError

OPTIONS = list(inspect.signature(train).parameters)
FLAGS = [f'--{name}' for name in OPTIONS]


@pytest.mark.parametrize('name', recipe_names())
def test_recipe_makes_its_model(name):
    recipe = read_recipe(name, OPTIONS)
    model = build_model(recipe['model'], {'text': 3, 'audio': 2}, 4)
    assert model.in_channels == {'text': 3, 'audio': 2}
    check_model_options(recipe['model']['class_path'], recipe['model']['init_args'])


def test_mosei_recipe_is_the_model_of_the_paper():
    recipe = read_recipe('hhmpn_mosei', OPTIONS)
    args = recipe['model']['init_args']
    paper = {'hidden_channels': 256, 'num_steps': 3, 'aux_weight': 0.2, 'norm': False}
    assert paper.items() <= args.items()
    assert from_spec(recipe['model']).func is HHMPN
    paper = {'batch_size': 64, 'gradient_clip': 10.0, 'epochs': 50, 'threshold': 0.5}
    assert paper.items() <= recipe.items()


def test_recipe_and_model_come_first():
    words = ['--seed', '3', '--model.num_steps=2', '--model=HHMPN', '--recipe']
    words = recipe_first([*words, 'hhmpn_mosei', '--data', 'x'], FLAGS)
    assert words[:2] == ['--recipe', str(find_recipe('hhmpn_mosei'))]
    assert words[2:4] == ['--model', 'hetero_mmer.models.HHMPN']
    assert words[4:] == ['--seed', '3', '--model.num_steps=2', '--data', 'x']


def test_model_may_be_a_name_alone(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('model: HHMPN')
    assert read_recipe(path, OPTIONS)['model']['class_path'] == 'HHMPN'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('epoch: 3', "unknown option 'epoch'.*'epochs'"),
        ('a: [', 'no YAML'),
        ('', 'holds no options'),
        ('seed: 1\nepochs: 3\nseed: 2', r"'seed' is given twice in the recipe"),
        ('model: {init_args: {heads: 1, heads: 2}}', "'heads' is given twice"),
        ('model: 3', 'class_path with init_args'),
        ('model: HHMNP', "did you mean 'HHMPN'"),
        ('model: {class_path: HHMPN, init_args: {num_step: 1}}', "'num_steps'"),
        ('model: {class_path: HHMPN, init_args: {num_labels: 1}}', "'num_labels'"),
    ],
)
def test_wrong_recipe_is_refused(text, message, tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        recipe_first(['--recipe', str(path)], FLAGS)


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'hhmpn_mosei'"):
        find_recipe('hhmpn_mosi')
