"""What is empty until a model is fitted takes its size when weights are loaded."""

from __future__ import annotations

import pytest
import torch
from torch.nn import Module, Parameter

from hetero_mmer.errors import InputError
from hetero_mmer.run.init import init_weights
from hetero_mmer.weights import load_state, load_weights, save_weights


class Toy(Module):
    """Learns how many classes there are."""

    def __init__(self, num_classes=0):
        super().__init__()
        self.register_buffer('mean', torch.randn(num_classes, 3))
        self.weight = Parameter(torch.randn(num_classes), bool(num_classes))
        self.bias = Parameter(torch.randn(2))


def through_a_file(source, target, folder):
    save_weights(source, folder / 'model.safetensors')
    load_weights(target, folder / 'model.safetensors')


def through_a_state(source, target, folder):
    load_state(target, source.state_dict())


def as_initial_weights(source, target, folder):
    save_weights(source, folder / 'model.safetensors')
    init_weights(target, folder)


@pytest.mark.parametrize('way', [through_a_file, through_a_state, as_initial_weights])
@pytest.mark.parametrize('num_classes', [0, 4])
def test_empty_ones_take_the_size_that_they_had(way, num_classes, tmp_path):
    source, target = Toy(num_classes), Toy()
    weight = target.weight
    way(source, target, tmp_path)
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name
    assert target.weight is weight  # An optimiser may know it.
    assert weight.requires_grad == bool(num_classes)


def test_others_are_as_strict_as_ever(tmp_path):
    with pytest.raises(InputError, match='mean'):
        through_a_file(Toy(4), Toy(2), tmp_path)
