"""What a run folder, a recipe and the files beside them may do."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import hetero_mmer
from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.spec import UntrustedError
from hetero_mmer.training import resume, train

OWN = """
from hetero_mmer.models import HHMPN

class Own(HHMPN):
    pass
"""


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / 'run')


def change(folder, change):
    path = folder / 'model.json'
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


def popen(folder):
    args = {'args': ['touch', str(folder / 'ran')]}
    return {'class_path': 'subprocess.Popen', 'init_args': args}


@pytest.mark.parametrize('place', ['model', 'layer', 'list'])
def test_a_run_folder_runs_no_command(place, run, data, tmp_path):
    def put(about):
        if place == 'model':
            about['model'] = popen(tmp_path)
        else:
            spec = popen(tmp_path)
            args = about['model']['init_args']
            args['f2l'] = spec if place == 'layer' else [{'x': spec}]

    change(run, put)
    for use in (
        partial(load_run, run),
        partial(evaluate, run),
        partial(predict, run, data, tmp_path / 'p.csv'),
    ):
        with pytest.raises(UntrustedError, match=r"model\.json' would run 'subprocess"):
            use()
    assert not (tmp_path / 'ran').exists()
    assert not (tmp_path / 'p.csv').exists()


def test_a_model_of_ones_own_is_run_by_trust(
    tmp_path, data, options, monkeypatch, capsys
):
    (tmp_path / 'own_trust.py').write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    Own = importlib.import_module('own_trust').Own
    folder = tmp_path / 'run'
    model = partial(Own, hidden_channels=8, num_steps=1)
    train(model, data, folder, epochs=1, **options)
    for use in (
        partial(load_run, folder),
        partial(evaluate, folder),
        partial(predict, folder, data, tmp_path / 'p.csv'),
    ):
        with pytest.raises(UntrustedError, match=r'own_trust\.Own'):
            use()
        use(trust=True)
    assert isinstance(load_run(folder, trust=True).model, Own)
    evaluate(load_run(folder, trust=True))
    words = ['predict', str(folder), str(data), '--output', str(tmp_path / 'q.csv')]
    assert main(words) == 2
    assert '--trust' in capsys.readouterr().err
    assert main(['predict', '--trust', *words[1:]]) == 0
    assert main(['evaluate', str(folder), '--trust']) == 0
    words = ['train', '--recipe', str(folder / 'config.yaml'), '--out']
    assert main([*words, str(tmp_path / 'again')]) == 2
    assert not (tmp_path / 'again').exists()
    assert main([*words, str(tmp_path / 'again'), '--trust']) == 0
    assert 'run it with --trust' in capsys.readouterr().out
    (folder / 'metrics.json').unlink()
    with pytest.raises(UntrustedError, match=r"config\.yaml' would run 'own_trust"):
        resume(folder)
    assert main(['train', '--resume', str(folder)]) == 2
    assert main(['train', '--resume', str(folder), '--trust']) == 0


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('hidden_channels', 10**12, 'too large'),
        ('num_steps', 10**9, 'too large'),
        ('heads', 0, "'heads' divides"),
        ('hidden_channels', 8.5, 'cannot make'),
        ('f2l', 'add', 'cannot make'),
        ('f2l', {'class_path': 'torch.nn.Bilinear', 'init_args': {}}, 'cannot make'),
        ('num_steps', 3, 'weights .* do not load: .*rounds'),
    ],
)
def test_arguments_that_do_not_fit_the_weights_are_told(name, value, message, run):
    change(run, lambda about: about['model']['init_args'].update({name: value}))
    with pytest.raises(InputError, match=message):
        load_run(run)


def test_a_width_that_does_not_fit_the_weights_takes_no_memory(run):
    change(run, lambda about: about['modalities']['text'].update(channels=10**9))
    with pytest.raises(InputError, match=r'than .* of weights, but those in .* fewer'):
        load_run(run)


@pytest.mark.parametrize('name', ['data', 'root', 'seed'])
def test_a_config_without_what_evaluate_needs(name, run):
    path = run / 'config.yaml'
    lines = path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f'{name}:')]
    assert len(kept) == len(lines) - 1
    path.write_text('\n'.join(kept))
    with pytest.raises(InputError, match=f"no '{name}' in .*config"):
        evaluate(run)
    path.write_text('\n'.join([*kept, f'{name}: [1]']))
    with pytest.raises(InputError, match=rf"'{name}' in .* \(got \[1\]\)"):
        evaluate(run)
    path.write_text('\n'.join(lines).replace('monitor: f1_micro', 'monitor: []'))
    with pytest.raises(InputError, match=r"'monitor' in .*config.* is text"):
        evaluate(run)


def test_numbers_of_numpy_are_options(tmp_path, data, model, options):
    options = {**options, 'learning_rate': np.float64(0.02), 'batch_size': np.int64(16)}
    train(model, data, tmp_path / 'a', epochs=1, **options)
    for wrong in ({'epochs': 1.0}, {'seed': True}, {'learning_rate': '0.1'}):
        with pytest.raises(InputError, match=f"'{next(iter(wrong))}' is a "):
            train(model, data, tmp_path / 'b', **{**options, **wrong})
    assert not (tmp_path / 'b').exists()


#: Modules that this package, PyTorch or PyG import, or try to.
SHADOWS = ('__future__', 'signal', 'yaml', 'argparse', 'torch', 'torch_geometric')
SHADOWS += ('pyg_lib', 'torch_cluster', 'triton')


def test_no_file_beside_a_recipe_is_run(tmp_path, data):
    for name in (*SHADOWS, 'mine'):
        (tmp_path / f'{name}.py').write_text(f'open("ran_{name}", "w")')
    recipe = 'model: {class_path: HHMPN, init_args: {hidden_channels: 8, f2l: %s}}'
    environ = {**os.environ, 'PYTHONPATH': str(Path(hetero_mmer.__file__).parents[1])}
    for layer, out in (('mine.Layer', "would run 'mine.Layer'"), ('true', 'run lies')):
        (tmp_path / 'r.yaml').write_text(recipe % layer)
        words = ['train', '--recipe', 'r.yaml', '--data', str(data), '--out', 'run']
        typed = ['--epochs', '1', '--model.dropout', '0.1']  # No import path.
        done = subprocess.run(
            [sys.executable, '-m', 'hetero_mmer', *words, *typed],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert out in done.stdout + done.stderr, done.stderr
    assert not list(tmp_path.glob('ran_*'))


def recipe_of(folder, layer):
    path = folder / 'r.yaml'
    args = f'{{hidden_channels: 8, num_steps: 1, f2l: {layer}}}'
    path.write_text(f'model: {{class_path: HHMPN, init_args: {args}}}')
    return str(path)


def test_a_recipe_brings_in_no_class_by_its_last_name(tmp_path, data, capsys):
    words = ['train', '--data', str(data), '--out', str(tmp_path / 'run')]
    recipe = recipe_of(tmp_path, 'MultilabelModule')
    assert main([*words, '--recipe', recipe]) == 2
    assert (
        "would run 'hetero_mmer.training.MultilabelModule'" in capsys.readouterr().err
    )
    assert not (tmp_path / 'run').exists()


def test_a_typed_layer_beside_a_recipe_is_trusted(tmp_path, data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', before := [*sys.path])
    (tmp_path / 'typed_layers.py').write_text(
        'from torch_geometric.nn import SAGEConv\nclass Layer(SAGEConv): pass\n'
    )
    words = ['train', '--recipe', recipe_of(tmp_path, 'true'), '--data', str(data)]
    words += ['--out', 'run', '--epochs', '1', '--model.f2l', 'typed_layers.Layer']
    assert main(words) == 0
    assert 'evaluate and predict run it with --trust' in capsys.readouterr().out
    sys.path[:] = [path for path in before if path != str(tmp_path)]
    del sys.modules['typed_layers']  # As another process.
    assert main(['evaluate', 'run']) == 2
    assert main(['evaluate', 'run', '--trust']) == 0
