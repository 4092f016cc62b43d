"""The kind of a relation decides how fast a model learns, never what."""

from __future__ import annotations

import csv
from functools import partial

import pytest
import torch

from hetero_mmer.graph import explicit
from hetero_mmer.loader import StoreDataset
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.conv import AttentionConv, stage
from hetero_mmer.training import train

MODELS = {
    'hhmpn': partial(HHMPN, hidden_channels=16, num_steps=2, dropout=0.0),
    'carat': partial(
        CARAT,
        hidden_channels=16,
        num_layers=1,
        heads=2,
        dropout=0.0,
        contrast=partial(ContrastiveMemory, queue_size=64),
    ),
}


def history(folder):
    with open(folder / 'metrics.csv', newline='') as file:
        return [
            {k: float(v) for k, v in row.items() if k != 'seconds' and v}
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope='module')
def run(tmp_path_factory, data):
    def train_three(name):
        folder = tmp_path_factory.mktemp(name)
        train(MODELS[name], data, folder, epochs=3, batch_size=16, device='cpu')
        return history(folder)

    return train_three


@pytest.fixture(scope='module')
def expected(run):
    """What comes of complete relations, for each model."""
    with pytest.MonkeyPatch.context() as patch:
        calls, attend_jointly = [], AttentionConv.attend_jointly
        patch.setattr(
            AttentionConv,
            'attend_jointly',
            lambda *args: calls.append(args) or attend_jointly(*args),
        )
        found = {name: run(name) for name in MODELS}
    assert calls  # HHMPN's F2F is computed as one.
    return found


def check(out, expected):
    assert len(out) == len(expected) == 3
    for row, other in zip(out, expected, strict=True):
        assert row.keys() == other.keys()
        torch.testing.assert_close(row, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', MODELS)
def test_three_epochs_on_edges_give_the_same_metrics(
    run, expected, name, monkeypatch, kernel
):
    batch = StoreDataset.batch
    monkeypatch.setattr(
        StoreDataset, 'batch', lambda self, index: explicit(batch(self, index))
    )
    check(run(name), expected[name])


def test_three_epochs_relation_by_relation_give_the_same_metrics(
    run, expected, monkeypatch
):
    monkeypatch.setattr(stage, 'joint_relations', lambda *args: None)
    check(run('hhmpn'), expected['hhmpn'])
