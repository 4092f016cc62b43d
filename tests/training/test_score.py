from __future__ import annotations

import csv

import pytest
import torch
from sklearn.metrics import f1_score

from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import Store
from hetero_mmer.training import load_run
from hetero_mmer.training.score import (
    predict_probs,
    score,
    tune_both,
    write_predictions,
    write_truth,
)

PROBS = torch.tensor([[0.9, 0.2], [0.4, 0.3], [0.1, 0.6]])
Y = torch.tensor([[1, 1], [1, 0], [0, 1]])


def test_size_of_batches_changes_nothing(finished, data):
    run = load_run(finished)
    with Store(data) as store:
        samples = StoreDataset(store)
        whole, single = (
            predict_probs(run.model, samples, size, torch.device('cpu'))
            for size in (1000, 1)
        )
    assert whole.shape == (80, 3)
    torch.testing.assert_close(whole, single)


def test_tuned_thresholds_by_hand():
    thresholds = tune_both(PROBS, Y, ['a', 'b'])
    # Below 0.2 five are positive, four rightly; F1 = 2·4 / (5 + 4) is the best.
    assert thresholds['tuned'] == pytest.approx(0.15)
    assert thresholds['per-label']['a'] == pytest.approx(0.25)
    assert thresholds['per-label']['b'] == pytest.approx(0.1)


def test_score_takes_a_threshold_for_each_label():
    result = score(PROBS, Y, ['a', 'b'], torch.tensor([0.25, 0.5]))
    assert result['threshold'] == {'a': 0.25, 'b': 0.5}
    pred = [[1, 0], [1, 0], [0, 1]]
    expected = f1_score(Y, pred, average='micro')
    assert result['metrics']['f1_micro'] == pytest.approx(expected, abs=1e-6)


def test_tables(tmp_path):
    write_truth(tmp_path / 'a.csv', 'xyz', PROBS, Y, ['a', 'b'])
    write_predictions(tmp_path / 'b.csv', 'xyz', PROBS, ['a', 'b'], 0.25)
    truth, predicted = (
        list(csv.reader((tmp_path / name).open())) for name in ('a.csv', 'b.csv')
    )
    assert truth[0] == ['sample_id', 'a', 'b', 'a_true', 'b_true']
    assert predicted[0] == ['sample_id', 'a', 'b', 'a_predicted', 'b_predicted']
    assert [row[0] for row in truth[1:]] == ['x', 'y', 'z']
    assert [row[3:] for row in truth[1:]] == [['1', '1'], ['1', '0'], ['0', '1']]
    assert [row[3:] for row in predicted[1:]] == [['1', '0'], ['1', '1'], ['0', '1']]
    assert float(predicted[1][1]) == pytest.approx(0.9)
