from __future__ import annotations

import itertools

import pytest
import torch
from sklearn.metrics import f1_score

from hetero_mmer.errors import InputError
from hetero_mmer.metrics import tune_threshold, tune_thresholds_per_label


@pytest.fixture
def predictions():
    g = torch.Generator().manual_seed(0)
    y = torch.rand(25, 3, generator=g) < 0.3
    noise = torch.rand(25, 3, generator=g)
    return (0.3 * y + 0.7 * noise) / 2, y


def test_micro_f1_is_the_best_of_all_cuts(predictions):
    probs, y = predictions
    values = probs.flatten().double().sort().values.tolist()
    cuts = [(a + b) / 2 for a, b in itertools.pairwise([0.0, *values])]
    best = max(f1_score(y, probs.double() > t, average='micro') for t in cuts)
    tuned = tune_threshold(probs, y)
    assert f1_score(y, probs.double() > tuned, average='micro') == best


def test_each_label_gets_its_best(predictions):
    probs, y = predictions
    tuned = tune_thresholds_per_label(probs, y)
    expected = [tune_threshold(probs[:, [i]], y[:, [i]]) for i in range(3)]
    assert tuned.tolist() == expected


def test_label_without_positives_keeps_a_half(predictions):
    probs, y = predictions
    y[:, 1] = False
    assert tune_thresholds_per_label(probs, y)[1] == 0.5
    assert tune_threshold(probs, torch.zeros_like(y)) == 0.5


@pytest.mark.parametrize('tune', [tune_threshold, tune_thresholds_per_label])
def test_refuses_logits(tune):
    with pytest.raises(InputError, match='sigmoid'):
        tune(torch.tensor([[3.0]]), torch.tensor([[1]]))
