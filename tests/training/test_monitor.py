"""By what the epoch is chosen that is tested."""

from __future__ import annotations

import csv
import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score, f1_score

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.models import HHMPN
from hetero_mmer.run import evaluate, predict
from hetero_mmer.store import Store
from hetero_mmer.training import fit, train

METRICS = ('f1_micro', 'f1_macro', 'map', 'acc_jaccard')


def column(folder, name):
    with open(folder / 'metrics.csv', newline='') as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def valid_predictions(run, data, tmp_path):
    """Probabilities and labels of valid, by way of a CSV file."""
    predict(run, data, tmp_path / 'p.csv')
    with Store(data) as store, open(tmp_path / 'p.csv', newline='') as file:
        table = [row[1 : 1 + store.num_labels] for row in csv.reader(file)][1:]
        rows = store.rows('valid')
        return np.array(table, float)[rows], store.labels[rows]


@pytest.mark.parametrize('monitor', METRICS)
def test_the_first_epoch_with_the_highest_metric(
    monitor, tmp_path, data, model, options
):
    out = tmp_path / 'run'
    result = train(model, data, out, epochs=5, monitor=monitor, seed=1, **options)
    valid = column(out, f'valid/{monitor}')
    assert result['best_epoch'] == 1 + valid.index(max(valid))
    assert result['monitor'] == monitor
    again = evaluate(out, split='valid')
    assert again['metrics'][monitor] == pytest.approx(max(valid), abs=1e-6)
    assert again['monitor'] == monitor


def test_the_first_epoch_with_the_lowest_loss(tmp_path, data, model, options):
    out = tmp_path / 'run'
    rate = {**options, 'learning_rate': 0.05}
    result = train(model, data, out, epochs=12, monitor='loss', seed=1, **rate)
    valid = column(out, 'valid/total')
    assert 1 < result['best_epoch'] == 1 + valid.index(min(valid)) < 12


def test_the_last_epoch(tmp_path, data, model, options):
    out = tmp_path / 'run'
    fast = {**options, 'learning_rate': 0.2}
    result = train(model, data, out, epochs=4, monitor='last', **fast)
    assert result['best_epoch'] == 4
    last = torch.load(out / 'checkpoints' / 'last.ckpt', weights_only=True)
    for name, value in load_file(out / 'model.safetensors').items():
        assert value.equal(last['state_dict'][f'model.{name}'])


def test_patience_needs_a_choice(tmp_path, data, model, options):
    with pytest.raises(InputError, match="'patience' waits for a better epoch"):
        train(model, data, tmp_path / 'run', monitor='last', patience=2, **options)
    with pytest.raises(InputError, match="'monitor' is one of"):
        train(model, data, tmp_path / 'run', monitor='auc', **options)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('monitor', [*METRICS, 'loss'])
def test_the_first_of_equals(monitor, tmp_path, data, model, options):
    still = {**options, 'learning_rate': 1e-30}
    with pytest.warns(InputWarning, match='the best of 3 epochs is the first'):
        result = train(
            model, data, tmp_path / 'run', epochs=3, monitor=monitor, **still
        )
    assert result['best_epoch'] == 1
    assert len(set(column(tmp_path / 'run', 'valid/map'))) == 1


@pytest.mark.parametrize('threshold', ['tuned', 'per-label'])
def test_where_the_threshold_is_tuned_the_metric_is_at_it(
    threshold, tmp_path, data, model, options
):
    out = tmp_path / 'run'
    result = train(model, data, out, epochs=4, threshold=threshold, **options)
    valid = column(out, 'valid/f1_micro')
    assert result['best_epoch'] == 1 + valid.index(max(valid))
    probs, y = valid_predictions(out, data, tmp_path)
    if threshold == 'tuned':
        cuts = np.concatenate([[0], np.unique(probs)])
        best = max(
            f1_score(y, probs > cut, average='micro', zero_division=0) for cut in cuts
        )
    else:
        pred = np.zeros_like(y)
        for k in range(y.shape[1]):
            cuts = np.unique(probs[:, k])[:-1]
            scores = [f1_score(y[:, k], probs[:, k] > c) for c in cuts]
            pred[:, k] = probs[:, k] > cuts[int(np.argmax(scores))]
        best = f1_score(y, pred, average='micro')
    assert max(valid) == pytest.approx(best, abs=1e-6)


def test_sparse_labels_choose_by_ranking(tmp_path, data, model, options):
    out = tmp_path / 'run'
    train(model, data, out, epochs=3, monitor='map', **options)
    probs, y = valid_predictions(out, data, tmp_path)
    expected = np.mean(
        [average_precision_score(a, b) for a, b in zip(y.T, probs.T, strict=True)]
    )
    assert max(column(out, 'valid/map')) == pytest.approx(expected, abs=1e-5)


def test_no_positive_prediction_is_told(tmp_path, data, model, options):
    with pytest.warns(InputWarning, match='no label of any valid sample'):
        result = train(
            model, data, tmp_path / 'run', epochs=1, threshold=1.0, **options
        )
    assert result['notes'] == [
        "no label of any valid sample is predicted: try the threshold 'tuned'"
    ]
    saved = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    assert saved['notes'] == result['notes']


def test_the_command_line_tells_too(tmp_path, data, capfd):
    words = ['--model', 'HHMPN', '--model.hidden_channels', '8', '--epochs', '2']
    out = ['--data', str(data), '--out', str(tmp_path / 'run')]
    still = ['--learning_rate', '1e-30', '--monitor', 'map', '--threshold', 'tuned']
    assert main(['train', *words, *out, *still]) == 0
    shown, err = capfd.readouterr()
    assert 'monitor' in shown
    assert '\nhetero-mmer: warning: the best of 2 epochs is the first' in err


class Unsure(HHMPN):
    """Its loss on valid is no number, its probabilities are."""

    def loss(self, out, y):
        parts = super().loss(out, y)
        return parts if self.training else {'total': parts['total'] * torch.nan}


def test_a_loss_that_is_no_number_chooses_nothing(tmp_path, data, options, monkeypatch):
    monkeypatch.setattr(fit, 'check_model', lambda *args: None)
    monkeypatch.setattr(
        fit, 'build_model', lambda *args, **_: Unsure({'text': 5, 'audio': 4}, 3)
    )
    with pytest.raises(InputError, match=r"chosen by 'loss', which is nan .* epoch 1"):
        train(HHMPN, data, tmp_path / 'run', epochs=2, monitor='loss', **options)


def test_labels_that_no_predictions_can_have(tmp_path, data, model, options):
    copy = tmp_path / 'old.h5'
    shutil.copy(data, copy)
    with h5py.File(copy, 'r+') as file:
        about = json.loads(file['about'][()])
        first = about['label_names'][0]
        about['label_names'][1] = f'{first}_predicted'
        del file['about']
        file['about'] = json.dumps(about)
    with pytest.raises(InputError, match=f'{first}_predicted'):
        train(model, copy, tmp_path / 'run', epochs=1, **options)
    assert not (tmp_path / 'run').exists()
