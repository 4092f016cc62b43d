"""The ablations of CARAT, which were recipes of their own in version 0.1."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from hetero_mmer.errors import InputError
from hetero_mmer.run import read_recipe
from hetero_mmer.run.old import renewed_options
from hetero_mmer.run.recipe import FOLDER as RECIPES
from hetero_mmer.run.recipe import recipe_lines, recipe_text
from hetero_mmer.run.study import Variant, set_option, variants
from hetero_mmer.spec import from_spec, to_spec

#: The arguments that the recipe of 0.1 for aligned CMU-MOSEI had.
PAPER = {
    'hidden_channels': 256,
    'num_layers': {'text': 6, 'visual': 4, 'audio': 4},
    'heads': 8,
    'dropout': 0.3,
    'space': {
        'class_path': 'hetero_mmer.nn.fusion.LatentSpace',
        'init_args': {
            'latent_channels': 64,
            'momentum': 0.99,
            'normalize_prototypes': True,
        },
    },
    'queue_size': 8192,
    'temperature': 0.07,
    'anchors': 'batch',
    'bce_weights': [0.01, 0.1, 1.0],
    'reconstruction_weight': 1.0,
    'contrastive_weight': 1.0,
    'shuffle_weight': 0.1,
}
PROTOCOL = {
    'optimizer': 'adamw',
    'learning_rate': 0.00005,
    'weight_decay': 0.01,
    'warmup': 0.1,
    'schedule': 'linear',
    'gradient_clip': 1.0,
    'batch_size': 64,
    'epochs': 20,
    'threshold': 0.25,
}


def part(name, **args):
    spec = {'class_path': f'hetero_mmer.nn.fusion.{name}'}
    return {**spec, 'init_args': args} if args else spec


MEAN = {'space': part('MeanSpace'), 'contrastive_weight': 0.0}
STILL = {'shuffle_samples': False, 'shuffle_modalities': False}
PLAIN = {'fusion': part('Reconstruction', first_level=False, second_level=False)}
ONE = {'bce_weights': [1.0]}
EXTRACTED = {**MEAN, **PLAIN, **STILL, 'reconstruction_weight': 0.0}
FUSED = {**MEAN, **STILL, 'aggregation': None}

#: What the recipes of 0.1 had otherwise, and, below, arguments that they left out.
OLD = {
    'mrm_agg': {**EXTRACTED, **ONE, 'aggregation': part('ModalityAggregation')},
    'mrm': {**EXTRACTED, **ONE, 'aggregation': None},
    'agg': {
        **EXTRACTED,
        'max_pooling': False,
        'aggregation': part('ModalityAggregation'),
    },
    'no_contrastive': {'contrastive_weight': 0.0},
    'no_latent': MEAN,
    'no_reconstruction_loss': {'reconstruction_weight': 0.0},
    'no_frr': {
        'fusion': part('Reconstruction', first_level=False),
        'bce_weights': [0.01, 1.0],
    },
    'no_srr': {
        'fusion': part('Reconstruction', second_level=False),
        'bce_weights': [0.01, 1.0],
    },
    'no_frr_srr': {**PLAIN, **ONE},
    'no_sample_shuffle': {'shuffle_samples': False},
    'no_modality_shuffle': {'shuffle_modalities': False},
    'no_shuffle': STILL,
    'weight_lsr': {'bce_weights': [0.1, 0.1, 1.0]},
    'weight_frr': {'bce_weights': [0.01, 1.0, 1.0]},
    'weight_srr': {'bce_weights': [0.01, 0.1, 0.1]},
    'weight_reconstruction': {'reconstruction_weight': 0.1},
    'weight_contrastive': {'contrastive_weight': 0.1},
    'weight_shuffle': {'shuffle_weight': 0.0},
    'fusion_alignment': {**FUSED, **ONE, 'fusion': part('AlignmentFusion')},
    'fusion_aggregation': {**FUSED, **ONE, 'fusion': part('AggregationFusion')},
    'fusion_reconstruction': {
        **FUSED,
        'fusion': part('Reconstruction', second_level=False),
        'bce_weights': [0.0, 1.0],
    },
}
QUEUE = ('queue_size', 'temperature', 'anchors')
BOTH = (*QUEUE, 'shuffle_weight')
LEFT_OUT = {
    **dict.fromkeys(['no_contrastive', 'no_latent'], QUEUE),
    **dict.fromkeys(['mrm_agg', 'mrm'], BOTH),
    **dict.fromkeys(['fusion_alignment', 'fusion_reconstruction'], BOTH),
    'no_shuffle': ('shuffle_weight',),
    'fusion_aggregation': (*BOTH, 'reconstruction_weight'),
    'agg': (*BOTH, 'bce_weights'),
}


def old_recipe(name):
    """A recipe as version 0.1 had it."""
    args = {k: v for k, v in PAPER.items() if k not in LEFT_OUT.get(name, ())}
    model = {'class_path': 'CARAT', 'init_args': {**args, **OLD.get(name, {})}}
    return {'model': model, **PROTOCOL}


def in_full(options):
    """Options with all arguments of the model."""
    return {**options, 'model': to_spec(from_spec(options['model']))}


@pytest.mark.parametrize('name', ['mosei_aligned', *OLD])
def test_options_are_those_of_the_old_files(name):
    new = read_recipe(f'carat_{name}')
    assert in_full(new) == in_full(renewed_options(old_recipe(name)))


def test_every_variant_was_a_file():
    assert variants().keys() == {f'carat_{name}' for name in OLD}
    assert not variants().keys() & {path.stem for path in RECIPES.glob('*.yaml')}


@pytest.mark.parametrize('name', variants())
def test_text_is_a_complete_recipe(name, tmp_path):
    path = tmp_path / 'copy.yaml'
    path.write_text(text := recipe_text(name))
    assert text.startswith(f'# {recipe_lines()[name]}.\n# Peng et al.')
    assert 'Differs from carat_mosei_aligned' in text
    assert read_recipe(path) == read_recipe(name)
    for changed in variants()[name].changes:
        assert changed in text


def test_a_variant_leaves_its_study_as_it_is():
    spec = part('Reconstruction', first_level=False)
    changes = {'model.fusion': spec, 'model.fusion.second_level': False}
    variant = Variant('base', 'About.', changes)
    options = yaml.safe_load(variant.text('# Base.\nmodel: {class_path: CARAT}\n'))
    both = {'first_level': False, 'second_level': False}
    assert options['model']['init_args']['fusion']['init_args'] == both
    assert spec == part('Reconstruction', first_level=False)


def test_options_are_set_by_their_names_on_the_command_line():
    options = {'model': {'class_path': 'CARAT'}, 'epochs': 3}
    set_option(options, 'epochs', 4)
    set_option(options, 'model.space', {'class_path': 'Mine'})
    set_option(options, 'model.space.size', 5)
    space = {'class_path': 'Mine', 'init_args': {'size': 5}}
    model = {'class_path': 'CARAT', 'init_args': {'space': space}}
    assert options == {'model': model, 'epochs': 4}


def test_the_nearest_variant_is_named():
    with pytest.raises(InputError, match="did you mean 'carat_no_shuffle'"):
        read_recipe('carat_no_shufle')


def test_reading_needs_no_torch():
    code = (
        'import sys; from hetero_mmer.run.recipe import recipe_text; '
        'recipe_text("carat_mrm"); '
        'print(sorted({"torch", "numpy", "h5py"} & set(sys.modules)))'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == '[]'
