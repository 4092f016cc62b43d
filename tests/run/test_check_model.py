from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from torch.nn import Linear, Module

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph
from hetero_mmer.run.check_model import check_model

Output = namedtuple('Output', 'probs')


class Constant(Module):
    """Always the same answer."""

    def __init__(self, probs=((0.5, 0.5),), loss=None):
        super().__init__()
        self.lin = Linear(1, 1)
        self.probs = torch.tensor(probs)
        self.parts = {'total': torch.tensor(1.0)} if loss is None else loss

    def forward(self, batch):
        assert not self.training
        return Output(self.probs)

    def loss(self, out, y):
        return self.parts


class Bare(Constant):
    def forward(self, batch):
        return self.probs


@pytest.fixture
def graph():
    from torch_geometric.data import Batch

    return Batch.from_data_list([build_graph({'text': torch.ones(2, 3)}, [1, 0])])


def test_a_model_passes_and_stays_in_training_mode(graph):
    model = Constant()
    check_model(model, graph)
    assert model.training


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (Linear(1, 1), "no torch module with a 'forward' and a 'loss'"),
        (Bare(), "returns no 'probs'"),
        (Constant([[2.0, 0.5]]), "'probs' of Constant: .*sigmoid"),
        (Constant([[0.5]]), r'\[1, 1\] and \[1, 2\]'),
        (Constant(loss=torch.tensor(1.0)), "dict with 'total'"),
        (Constant(loss={'total': torch.tensor(torch.inf)}), 'is inf on the first'),
    ],
)
def test_others_are_refused(model, message, graph):
    with pytest.raises(InputError, match=message):
        check_model(model, graph)
