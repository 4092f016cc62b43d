"""Runs and a store that version 0.1 wrote, whose options had other names and places."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from hetero_mmer.cli import main
from hetero_mmer.run import evaluate, load_run, predict

OLD = Path(__file__).with_name('old')


@pytest.fixture(params=['hhmpn', 'carat'])
def old(request, tmp_path, monkeypatch):
    """A copy of an old run, beside its data."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path(request.param)


def probabilities(path, labels=('happiness', 'sadness', 'surprise')):
    with path.open(newline='') as file:
        return {
            row['sample_id']: [float(row[label]) for label in labels]
            for row in csv.DictReader(file)
        }


def test_is_evaluated_as_then(old):
    then = json.loads((old / 'metrics.json').read_text())
    now = evaluate(old)
    assert now['threshold'] == pytest.approx(then['threshold'])
    assert now['metrics'] == pytest.approx(then['metrics'], abs=1e-6)


def test_predicts_as_then(old, tmp_path):
    predict(old, 'data.h5', tmp_path / 'new.csv')
    now = probabilities(tmp_path / 'new.csv')
    for name, probs in probabilities(old / 'predictions_test.csv').items():
        assert now[name] == pytest.approx(probs, abs=1e-5)


def test_is_repeated(old, tmp_path):
    then = json.loads((old / 'metrics.json').read_text())
    words = ['train', '--recipe', str(old / 'config.yaml'), '--out', 'again']
    assert main(words) == 0
    now = json.loads((tmp_path / 'again' / 'metrics.json').read_text())
    assert now['metrics'] == pytest.approx(then['metrics'], abs=1e-3)
    assert load_run('again').about['model'].keys() >= {'class_path', 'init_args'}
