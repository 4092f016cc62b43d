from __future__ import annotations

import copy

import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.functional.prototypes import update_prototypes
from hetero_mmer.nn.memory import Prototypes, Queue


@pytest.mark.parametrize('sizes', [[2, 2], [5], [3, 4, 1], [12, 1], [0, 23, 7], [5, 5]])
def test_queue_equals_writing_one_at_a_time(sizes):
    queue, size = Queue(5, 2), 5
    values, label, position = queue.values.clone(), [-1] * size, 0
    for k, num in enumerate(sizes):
        new = torch.randn(num, 2)
        queue.push_(new, torch.arange(num) + 100 * k)
        for n in range(num):
            values[position], label[position] = new[n], n + 100 * k
            position = (position + 1) % size
    assert torch.equal(queue.values, values)
    assert queue.label.tolist() == label
    assert queue.position == position


def test_empty_queue_is_normalised_over_its_slots():
    queue = Queue(50, 3)
    torch.testing.assert_close(queue.values.norm(dim=0), torch.ones(3))
    assert (queue.label == -1).all()


def test_writing_leaves_no_gradient_behind():
    queue = Queue(4, 2)
    queue.push_(torch.randn(3, 2, requires_grad=True), torch.arange(3))
    assert not queue.values.requires_grad
    prototypes = Prototypes(1, 1, 2)
    x = torch.randn(3, 1, 1, 2, requires_grad=True)
    prototypes.update_(x, torch.ones(3, 1), torch.ones(3, 1, dtype=torch.bool))
    assert not prototypes.values.requires_grad


def test_all_state_is_in_the_state_dict():
    queue, other = Queue(4, 2), Queue(4, 2)
    queue.push_(torch.randn(3, 2), torch.arange(3))
    other.load_state_dict(queue.state_dict())
    new = torch.randn(3, 2), torch.arange(3, 6)
    queue.push_(*new)
    other.push_(*new)
    assert all(map(torch.equal, queue.buffers(), other.buffers()))
    assert not list(queue.parameters())


@pytest.mark.parametrize('normalize', [False, True])
def test_prototypes_are_updated_in_place(normalize):
    prototypes = Prototypes(2, 3, 4, momentum=0.5, normalize=normalize)
    values, before = prototypes.values, copy.deepcopy(prototypes.values)
    x, y = torch.randn(6, 2, 3, 4), torch.randint(2, (6, 3)).float()
    mask = torch.ones(6, 2, dtype=torch.bool)
    prototypes.update_(x, y, mask)
    assert prototypes.values is values
    expected = update_prototypes(before, x, y, mask, momentum=0.5, normalize=normalize)
    assert torch.equal(values, expected)


def test_reset_forgets():
    queue, prototypes = Queue(4, 2), Prototypes(1, 1, 2)
    queue.push_(torch.randn(3, 2), torch.arange(3))
    prototypes.values.fill_(1.0)
    queue.reset_parameters()
    prototypes.reset_parameters()
    assert queue.position == 0
    assert (queue.label == -1).all()
    assert (prototypes.values == 0).all()


def test_refuses_what_cannot_be():
    with pytest.raises(InputError):
        Queue(0, 2)
    with pytest.raises(InputError):
        Prototypes(1, 1, 2, momentum=1.5)
