from __future__ import annotations

import json
import math
import subprocess

import pytest
import torch
from torch.nn import Linear, ModuleDict, ParameterDict

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import read_json
from hetero_mmer.run.files import (
    read_config,
    replacing,
    versions,
    write_config,
    write_csv,
    write_json,
)
from hetero_mmer.weights import load_weights, save_weights


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')

    def write():
        with replacing(path) as temporary:
            temporary.write_text('new')
            raise RuntimeError('stop')

    with pytest.raises(RuntimeError, match='stop'):
        write()
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path):
    path = tmp_path / 'new' / 'a.json'
    write_json(path, {'a': math.nan, 'b': [1.5, math.inf], 'c': 'é'})
    assert json.loads(path.read_text()) == {'a': None, 'b': [1.5, None], 'c': 'é'}


def test_csv_keeps_float32(tmp_path):
    values = torch.rand(50)
    write_csv(tmp_path / 'a.csv', ['id', 'p'], enumerate(values.tolist()))
    lines = (tmp_path / 'a.csv').read_text().splitlines()
    read = torch.tensor([float(line.split(',')[1]) for line in lines[1:]])
    assert read.equal(values)


def test_shared_weights_come_back_shared(tmp_path):
    def make():
        one = Linear(3, 3)
        return ModuleDict({'a': one, 'b': one, 'c': Linear(3, 3, bias=False)})

    path = tmp_path / 'model.safetensors'
    model, other = make(), make()
    save_weights(model, path)
    load_weights(other, path)
    for ours, theirs in zip(
        model.state_dict().values(), other.state_dict().values(), strict=True
    ):
        assert ours.equal(theirs)
    first = path.read_bytes()
    save_weights(other, path)
    assert path.read_bytes() == first


def test_weights_refuse(tmp_path):
    path = tmp_path / 'model.safetensors'
    with pytest.raises(InputError, match='do not load'):
        load_weights(Linear(2, 2), path)
    save_weights(Linear(2, 2), path)
    with pytest.raises(InputError, match='do not load'):
        load_weights(Linear(2, 3), path)
    with pytest.raises(InputError, match='do not load'):
        load_weights(ParameterDict({'other': torch.zeros(2)}), path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match='do not load'):
        load_weights(Linear(2, 2), path)


def test_damaged_text_is_refused(tmp_path):
    (tmp_path / 'a.json').write_text('{')
    with pytest.raises(InputError, match='no JSON'):
        read_json(tmp_path / 'a.json')
    (tmp_path / 'config.yaml').write_text('a: [')
    with pytest.raises(InputError, match='no YAML'):
        read_config(tmp_path)
    (tmp_path / 'config.yaml').write_text('[]')
    with pytest.raises(InputError, match='names no model'):
        read_config(tmp_path)


def test_git_state_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert versions()['git'] is None
    monkeypatch.setenv('PATH', '')
    assert versions()['git'] is None  # No git at all.
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a').write_text('1')
    user = ['-c', 'user.name=a', '-c', 'user.email=a@b']
    for command in (['init'], ['add', 'a'], [*user, 'commit', '-m', 'first']):
        subprocess.run(['git', *command], check=True, capture_output=True)
    commit = versions()['git']
    assert len(commit) == 40
    (tmp_path / 'a').write_text('2')
    assert versions()['git'] == f'{commit}+'


def test_git_runs_nothing_that_a_repository_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    user = ['-c', 'user.name=a', '-c', 'user.email=a@b']
    (tmp_path / 'a').write_text('1')
    for command in (['init'], ['add', 'a'], [*user, 'commit', '-m', 'first']):
        subprocess.run(['git', *command], check=True, capture_output=True)
    commit, trap = versions()['git'], f'touch {tmp_path / "ran"}; cat'
    subprocess.run(['git', 'config', 'core.fsmonitor', trap], check=True)
    hook = tmp_path / '.git' / 'hooks' / 'post-index-change'
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\n{trap}\n')
    hook.chmod(0o755)
    (tmp_path / 'a').write_text('2')  # As long as before: git has to look into it.
    assert versions()['git'] == f'{commit}+'
    subprocess.run(['git', 'config', 'filter.f.clean', trap], check=True)
    (tmp_path / '.gitattributes').write_text('* filter=f')
    assert versions()['git'] == f'{commit}?'
    assert not (tmp_path / 'ran').exists()


def test_options_that_could_not_be_read_back_are_not_written(tmp_path):
    with pytest.raises(InputError, match='less than 262144 bytes'):
        write_config(tmp_path / 'config.yaml', {'model': 'x' * 2**18})
    assert not list(tmp_path.iterdir())
