"""The kind of a relation decides how fast a model learns, never what."""

from __future__ import annotations

import csv
from functools import partial

import pytest
import torch

from hetero_mmer.graph import explicit
from hetero_mmer.loader import StoreDataset
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn.conv import stage
from hetero_mmer.training import train

MODELS = {
    'hhmpn': partial(HHMPN, hidden_channels=16, num_steps=2, dropout=0.0),
    'carat': partial(
        CARAT, hidden_channels=16, num_layers=1, heads=2, dropout=0.0, queue_size=64
    ),
}


def as_edges(monkeypatch, kernel):
    """Batches have explicit edges, and no complete relation."""
    batch = StoreDataset.batch
    monkeypatch.setattr(
        StoreDataset, 'batch', lambda self, index: explicit(batch(self, index))
    )


def one_relation_at_a_time(monkeypatch, kernel):
    monkeypatch.setattr(stage, 'joint_relations', lambda *args: None)


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


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('route', [as_edges, one_relation_at_a_time])
def test_three_epochs_give_the_same_metrics_on_both_routes(
    run, name, route, monkeypatch, kernel
):
    expected = run(name)
    route(monkeypatch, kernel)
    out = run(name)
    assert len(out) == len(expected) == 3
    for row, other in zip(out, expected, strict=True):
        assert row.keys() == other.keys()
        torch.testing.assert_close(row, other, rtol=1e-3, atol=1e-4)
