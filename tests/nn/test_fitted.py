from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.nn import Module, ModuleDict, Parameter

from hetero_mmer.nn.fitted import resize, sized_by_data
from hetero_mmer.weights import load_weights, save_weights


class Toy(Module):
    """Learns how many classes there are."""

    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.empty(0, 3))
        self.weight = Parameter(torch.empty(0, 3), requires_grad=False)
        self.bias = Parameter(torch.zeros(2))
        sized_by_data(self, 'mean', 'weight')

    def fit(self, num_classes):
        for tensor in (self.mean, self.weight):
            resize(tensor, (num_classes, 3))
            torch.nn.init.normal_(tensor)


def make(num_classes=None):
    model = ModuleDict({'inner': Toy()})
    if num_classes is not None:
        model['inner'].fit(num_classes)
    return model


def equal(one, other):
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def through_a_file(source, target, folder):
    save_weights(source, folder / 'model.safetensors')
    load_weights(target, folder / 'model.safetensors')


def through_a_dictionary(source, target, folder):
    target.load_state_dict(source.state_dict())


def through_a_checkpoint(source, target, folder):
    torch.save(source.state_dict(), folder / 'last.ckpt')
    target.load_state_dict(torch.load(folder / 'last.ckpt'))


WAYS = (through_a_file, through_a_dictionary, through_a_checkpoint)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('fitted', [None, 2, 4])
@pytest.mark.parametrize('before', [None, 4, 7])
def test_shapes_of_what_is_loaded_hold(way, fitted, before, tmp_path):
    """Into a model that was fitted too: initial weights come after it, and win."""
    source, target = make(fitted), make(before)
    weight = target['inner'].weight
    way(source, target, tmp_path)
    assert equal(source, target)
    assert target['inner'].weight is weight  # An optimiser may know it.
    assert weight.requires_grad == (fitted is not None)


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_takes_shapes_for_itself(copied):
    model = make()
    other = copied(model)
    other.load_state_dict(make(5).state_dict())
    assert other['inner'].mean.shape == (5, 3)
    assert model['inner'].mean.shape == (0, 3)


def test_other_sizes_are_as_strict_as_ever():
    state = make(5).state_dict()
    state['inner.bias'] = torch.zeros(3)
    with pytest.raises(RuntimeError, match=r'inner\.bias'):
        make().load_state_dict(state)
    state = make(5).state_dict()
    del state['inner.mean']
    with pytest.raises(RuntimeError, match=r'inner\.mean'):
        make().load_state_dict(state)


def test_gradients_of_another_shape_go():
    model = make(5)
    model['inner'].weight.sum().backward()
    model.load_state_dict(make(2).state_dict())
    assert model['inner'].weight.grad is None


def test_a_frozen_parameter_stays_frozen():
    model = make(5)
    model['inner'].weight.requires_grad_(False)
    model.load_state_dict(make(2).state_dict())
    assert not model['inner'].weight.requires_grad
