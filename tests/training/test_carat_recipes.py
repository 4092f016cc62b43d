"""The recipes of CARAT: each differs from the paper's by what it is named after."""

from __future__ import annotations

from inspect import signature

import pytest
import yaml

from hetero_mmer.cli import main
from hetero_mmer.datasets import synthesize
from hetero_mmer.models import CARAT
from hetero_mmer.run import read_recipe, recipe_names
from hetero_mmer.spec import from_spec, to_spec

NAMES = [name for name in recipe_names() if name.startswith('carat_')]

# What each ablation changes; of its rest nothing may differ from the paper's.
CHANGES = {
    'mrm_agg': {'space', 'fusion', 'aggregation', 'contrast', 'losses'},
    'no_contrastive': {'contrast'},
    'no_latent': {'space', 'contrast'},
    'no_reconstruction_loss': {'losses'},
    'no_frr': {'fusion', 'losses'},
    'no_srr': {'fusion', 'losses'},
    'no_frr_srr': {'fusion', 'losses'},
    'no_sample_shuffle': {'aggregation'},
    'no_modality_shuffle': {'aggregation'},
    'no_shuffle': {'aggregation'},
    'weight_lsr': {'losses'},
    'weight_frr': {'losses'},
    'weight_srr': {'losses'},
    'weight_reconstruction': {'losses'},
    'weight_contrastive': {'losses'},
    'weight_shuffle': {'losses'},
    'mosei_unaligned': {'align_to'},
    'm3ed': {'max_positions'},
}
CHANGES['mrm'] = CHANGES['mrm_agg']
CHANGES['agg'] = CHANGES['mrm_agg'] | {'max_pooling'}
CHANGES['fusion_alignment'] = CHANGES['mrm_agg']
CHANGES['fusion_aggregation'] = CHANGES['mrm_agg']
CHANGES['fusion_reconstruction'] = CHANGES['mrm_agg']


def options(name):
    recipe = read_recipe(name)
    return to_spec(from_spec(recipe.pop('model')))['init_args'], recipe


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp('data') / 'small.h5'
    widths = {'text': 5, 'visual': 3, 'audio': 4}
    with synthesize(path, num_samples=40, modalities=widths, lengths=(1, 4)):
        return path


def test_paper_is_the_default_but_for_the_norm_of_prototypes():
    model, _ = options('carat_mosei_aligned')
    defaults = to_spec(CARAT)['init_args']
    assert model.pop('space')['init_args'] == {
        'latent_channels': 64,
        'momentum': 0.99,
        'normalize_prototypes': True,
    }
    assert model.pop('num_layers') == {'text': 6, 'visual': 4, 'audio': 4}
    assert model == {name: defaults[name] for name in model}


def test_there_is_a_recipe_for_every_row():
    others = {
        'mosei_aligned',
        'authors_code',
        'synthetic',
        'music_emotions',
        'meld',
        'own',
    }
    assert {f'carat_{name}' for name in {*CHANGES, *others}} == set(NAMES)


@pytest.mark.parametrize('name', CHANGES)
def test_ablation_changes_what_it_is_named_after(name):
    paper, protocol = options('carat_mosei_aligned')
    model, other_protocol = options(f'carat_{name}')
    assert model.keys() == paper.keys()
    changed = {key for key in paper if model[key] != paper[key]}
    assert changed == CHANGES[name]
    assert other_protocol == protocol


@pytest.mark.parametrize('name', NAMES)
def test_recipe_trains_from_the_command_line(name, data, tmp_path, capsys):
    words = [
        'train',
        '--recipe',
        name,
        '--data',
        str(data),
        '--out',
        str(tmp_path / 'r'),
    ]
    words += ['--epochs', '1', '--batch_size', '16', '--device', 'cpu']
    words += ['--model.hidden_channels', '16', '--model.num_layers', '1']
    assert main(words) == 0, capsys.readouterr().err


def test_every_argument_can_be_given_on_the_command_line(data, tmp_path):
    given = {
        'hidden_channels': '16',
        'num_layers': '{"text": 2, "visual": 1, "audio": 1}',
        'heads': '4',
        'dropout': '0.1',
        'positional': 'false',
        'max_positions': '20',
        'input_norm': 'false',
        'align_to': '{"audio": 3}',
        'f2l': 'hetero_mmer.nn.conv.LabelAttentionConv',
        'f2l.dropout': '0.1',
        'space': 'hetero_mmer.nn.fusion.LatentSpace',
        'space.latent_channels': '8',
        'space.momentum': '0.9',
        'space.normalize_prototypes': 'true',
        'fusion': 'hetero_mmer.nn.fusion.Reconstruction',
        'fusion.first_level': 'false',
        'max_pooling': 'true',
        'aggregation': 'hetero_mmer.nn.fusion.LabelAggregation',
        'aggregation.shuffle_samples': 'false',
        'aggregation.shuffle_modalities': 'false',
        'contrast': 'hetero_mmer.nn.ContrastiveMemory',
        'contrast.queue_size': '100',
        'contrast.temperature': '0.1',
        'contrast.anchors': 'pool',
        'losses': 'hetero_mmer.nn.CARATLoss',
        'losses.bce_weights': '[0.1, 1.0]',
        'losses.reconstruction_weight': '0.5',
        'losses.contrastive_weight': '0.5',
        'losses.shuffle_weight': '0.5',
    }
    arguments = list(signature(CARAT).parameters)[2:]
    arguments.remove('num_embeddings')  # A fact of the data.
    assert list(dict.fromkeys(name.split('.')[0] for name in given)) == arguments
    words = ['train', '--model', 'CARAT', '--data', str(data), '--epochs', '1']
    for name, value in given.items():
        words += [f'--model.{name}', value]
    assert main([*words, '--device', 'cpu', '--out', str(tmp_path / 'run')]) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    stored = config['model']['init_args']
    for name, value in given.items():
        at = stored
        *parts, last = name.split('.')
        for part in parts:
            at = at[part]['init_args']
        found = at[last]
        if isinstance(found, dict) and 'class_path' in found:
            found = found['class_path']
        assert found == yaml.safe_load(value), name
    words = ['train', '--recipe', str(tmp_path / 'run' / 'config.yaml')]
    assert main([*words, '--out', str(tmp_path / 'again')]) == 0
    weights = [
        (tmp_path / folder / 'model.safetensors').read_bytes()
        for folder in ('run', 'again')
    ]
    assert weights[0] == weights[1]


def test_parts_need_no_name_to_get_an_argument(data, tmp_path):
    words = ['train', '--recipe', 'carat_mosei_aligned', '--data', str(data)]
    words += ['--model.num_layers', '1', '--model.hidden_channels', '8']
    words += ['--model.losses.contrastive_weight', '0.5', '--model.contrast', 'null']
    words += ['--model.aggregation.shuffle_samples', 'false', '--epochs', '1']
    assert main([*words, '--device', 'cpu', '--out', str(tmp_path / 'run')]) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    stored = config['model']['init_args']
    assert stored['contrast'] is None
    assert stored['losses']['init_args']['contrastive_weight'] == 0.5
    assert stored['losses']['init_args']['shuffle_weight'] == 0.1
    shuffles = {'shuffle_samples': False, 'shuffle_modalities': True}
    assert stored['aggregation']['init_args'] == shuffles
