from __future__ import annotations

import pytest
import torch
from torch.nn import BatchNorm1d, Embedding, LayerNorm, Linear, Sequential

from hetero_mmer.training.optim import make_optimizer, make_schedule, parameter_groups


def test_biases_and_norms_do_not_decay():
    model = Sequential(Linear(2, 3), LayerNorm(3), BatchNorm1d(3), Embedding(4, 3))
    decay, rest = parameter_groups(model, 0.01, 0.1)
    assert {id(p) for p in decay['params']} == {
        id(model[0].weight),
        id(model[3].weight),
    }
    assert len(rest['params']) == 5
    assert (decay['weight_decay'], rest['weight_decay']) == (0.1, 0.0)


def test_frozen_parameters_are_left_out():
    model = Linear(2, 3)
    model.bias.requires_grad_(False)
    (group,) = parameter_groups(model, 0.01, 0.1)
    assert group['params'] == [model.weight]


def test_adamw_shrinks_weights_by_the_rate_alone():
    model = Linear(1, 1)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = make_optimizer(model, 'adamw', 0.5, 0.1)
    model.weight.grad = torch.zeros(1, 1)
    model.bias.grad = torch.zeros(1)
    optimizer.step()
    # Without a gradient only decay is left: w - lr * decay * w.
    torch.testing.assert_close(model.weight.detach(), before[0] * (1 - 0.5 * 0.1))
    torch.testing.assert_close(model.bias.detach(), before[1])


def test_adam_adds_decay_to_the_gradient():
    model = Linear(1, 1)
    before = model.weight.detach().clone()
    optimizer = make_optimizer(model, 'adam', 0.5, 0.1)
    model.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    # The first step of Adam has the length of the rate, whatever the gradient.
    step = before - model.weight.detach()
    torch.testing.assert_close(step, 0.5 * before.sign(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('name', 'warmup', 'expected'),
    [
        ('constant', 0.0, [1, 1, 1, 1, 1]),
        ('constant', 0.5, [0.5, 1, 1, 1, 1]),
        ('linear', 0.0, [1, 0.75, 0.5, 0.25, 0]),
        ('linear', 1.0, [0.25, 0.5, 0.75, 1, 0]),
        ('constant', 0.45, [0.5, 1, 1, 1, 1]),  # 1.8 steps are 2.
        ('constant', 0.3, [1, 1, 1, 1, 1]),  # 1.2 steps are 1.
    ],
)
def test_schedule_by_hand(name, warmup, expected):
    optimizer = make_optimizer(Linear(1, 1), 'adam', 2.0, 0.0)
    schedule = make_schedule(optimizer, name, warmup, 4)
    rates = []
    for _ in expected:
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([2 * factor for factor in expected])
