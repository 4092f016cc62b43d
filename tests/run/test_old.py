"""Where the options of version 0.1 are today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from hetero_mmer.cli import main
from hetero_mmer.models import CARAT
from hetero_mmer.run.build import Facts, build_model
from hetero_mmer.run.files import read_config
from hetero_mmer.run.old import renewed_options
from hetero_mmer.store import Store
from hetero_mmer.training import resume

OLD = Path(__file__).with_name('old')
FUSION = 'hetero_mmer.nn.fusion'


def carat(**args):
    return {'model': {'class_path': 'CARAT', 'init_args': args}}


def args_of(**args):
    return renewed_options(carat(**args))['model']['init_args']


def test_every_option_of_an_old_run_has_its_place():
    old = yaml.safe_load((OLD / 'carat' / 'config.yaml').read_text())
    new = renewed_options(old)
    before, now = old['model']['init_args'], new['model']['init_args']
    moved = {
        'aggregation': {
            'class_path': f'{FUSION}.LabelAggregation',
            'init_args': {'shuffle_samples': True, 'shuffle_modalities': True},
        },
        'contrast': {
            'class_path': 'hetero_mmer.nn.ContrastiveMemory',
            'init_args': {'queue_size': 64, 'temperature': 0.07, 'anchors': 'batch'},
        },
        'losses': {
            'class_path': 'hetero_mmer.nn.CARATLoss',
            'init_args': {
                'bce_weights': [0.01, 0.1, 1.0],
                'reconstruction_weight': 1.0,
                'contrastive_weight': 1.0,
                'shuffle_weight': 0.1,
            },
        },
    }
    assert {name: now[name] for name in moved} == moved
    assert all(now[name] == before[name] for name in now if name not in moved)
    assert renewed_options(new) == new


@pytest.mark.parametrize(
    ('aggregation', 'expected'),
    [
        (None, None),
        *[({'class_path': f'{FUSION}.ModalityAggregation'},) * 2],
        (
            f'{FUSION}.LabelAggregation',
            {
                'class_path': f'{FUSION}.LabelAggregation',
                'init_args': {'shuffle_samples': False},
            },
        ),
    ],
)
def test_arguments_go_to_a_part_that_has_them(aggregation, expected):
    args = args_of(aggregation=aggregation, shuffle_samples=False)
    assert args == {'aggregation': expected}


def test_without_a_weight_there_is_no_queue():
    for args in (
        {'contrastive_weight': 0.0, 'queue_size': 7},
        {'queue_size': 7, 'contrastive_weight': 0},
    ):
        assert args_of(**args) == {'contrast': None}


def test_layers_were_chosen_by_names():
    """Without a number, a modality called text had 6 layers, others had 4."""
    args = args_of(hidden_channels=8, num_layers=None)
    spec = {'class_path': 'CARAT', 'init_args': args}
    encoders = build_model(
        spec, Facts({'face': 2, 'text': 3}, 2, {})
    ).extractor.encoders
    assert {m: len(e.layers) for m, e in encoders.items()} == {'face': 4, 'text': 6}
    assert args_of(num_layers=3) == {'num_layers': 3}


@pytest.mark.parametrize(
    'options',
    [
        *({}, {'model': 'CARAT'}, {'model': None}, {'model': [1]}, {'seed': 1}),
        *({'model': {'class_path': 3, 'init_args': {}}}, {'model': {'init_args': 3}}),
        {'model': {'class_path': 'CARAT', 'init_args': None}},
        {'model': {'class_path': 'HHMPN', 'init_args': {'num_layers': None}}},
    ],
)
def test_all_else_stays_as_it_is(options):
    assert renewed_options(options) == options


def test_what_is_given_stays_as_it_is():
    options = carat(queue_size=3, aggregation={'class_path': 'LabelAggregation'})
    renewed_options(options)
    assert options == carat(
        queue_size=3, aggregation={'class_path': 'LabelAggregation'}
    )


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A run of 0.1 that was stopped in its first epoch, with layers by names."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'begun'
    (folder / 'checkpoints').mkdir(parents=True)
    options = yaml.safe_load((tmp_path / 'carat' / 'config.yaml').read_text())
    options['model']['init_args']['num_layers'] = None
    options |= {'epochs': 1, 'monitor': 'f1_micro'}
    (folder / 'config.yaml').write_text(yaml.safe_dump(options))
    with Store(tmp_path / 'data.h5') as store:
        start = {'sha256': store.sha256(), 'options': options}
    (folder / 'checkpoints' / 'start.yaml').write_text(yaml.safe_dump(start))
    return folder


def test_an_old_run_is_resumed(begun):
    resume(begun)
    assert (begun / 'metrics.json').is_file()


def test_an_old_config_without_a_number_of_layers_is_repeated(begun, tmp_path):
    words = ['train', '--recipe', str(begun / 'config.yaml'), '--out', 'again']
    assert main(words) == 0
    layers = read_config(tmp_path / 'again')['model']['init_args']['num_layers']
    assert layers == {'text': 6, '*': 4}


def test_the_default_is_the_paper_but_for_the_layers_of_text():
    layers = CARAT({'text': 2, 'face': 2}, 2, hidden_channels=8).extractor.encoders
    assert {m: len(e.layers) for m, e in layers.items()} == {'text': 4, 'face': 4}
