from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.nn import Linear, Module, Parameter

from hetero_mmer.errors import InputError
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.run.size import Size, check_size, machine_size

WIDTHS = {'text': 5, 'audio': 4}


HUGE = partial(ContrastiveMemory, queue_size=10**11)


@pytest.mark.parametrize('model', [HHMPN, CARAT])
def test_bytes_are_those_of_the_model(model):
    make = partial(model, WIDTHS, 3, hidden_channels=8)
    made = make()
    size = sum(t.numel() * t.element_size() for t in [*made.parameters()])
    size += sum(t.numel() * t.element_size() for t in made.buffers())
    check_size(make, Size(10_000, size), 'it')
    with pytest.raises(InputError, match=f'it .* more than {size - 1} bytes'):
        check_size(make, Size(10_000, size - 1), 'it')


@pytest.mark.parametrize(
    ('model', 'args', 'message'),
    [
        (HHMPN, {'hidden_channels': 10**8}, 'bytes of weights'),
        (HHMPN, {'num_steps': 10**9, 'hidden_channels': 1}, '500 layers and tensors'),
        (CARAT, {'num_layers': 10**9, 'hidden_channels': 8}, '500 layers and tensors'),
        (CARAT, {'contrast': HUGE, 'num_layers': 1}, 'bytes of weights'),
    ],
)
def test_what_is_too_large_is_never_made(model, args, message):
    largest = Size(500, machine_size().num_bytes)
    with pytest.raises(InputError, match=message):
        check_size(partial(model, WIDTHS, 3, **args), largest, 'it')


def test_nothing_is_drawn_or_left_behind():
    state = torch.get_rng_state()
    check_size(partial(HHMPN, WIDTHS, 3), machine_size(), 'it')
    check_size(Draws, machine_size(), 'it')
    assert torch.get_rng_state().equal(state)
    with pytest.raises(InputError):
        check_size(partial(Linear, 2, 2), Size(1, 1), 'it')
    assert Linear(2, 2).weight.device.type == 'cpu'  # And nobody counts.


class Draws(Linear):
    def __init__(self):
        super().__init__(2, 2)
        self.number = torch.rand(1, device='cpu').item()


class Looks(Module):
    def __init__(self):
        super().__init__()
        self.weight = Parameter(torch.ones(2))
        assert self.weight.sum().item() == 2


def test_a_model_that_looks_at_its_numbers_passes():
    check_size(Looks, machine_size(), 'it')
