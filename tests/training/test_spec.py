from __future__ import annotations

from functools import partial

import pytest
from torch_geometric.nn import GATv2Conv, TransformerConv

from hetero_mmer.models import HHMPN
from hetero_mmer.training.spec import from_spec, locate, to_spec
from hetero_mmer.typing import InputError


def unfold(value):
    """A partial as a class and its arguments, which can be compared."""
    if isinstance(value, partial):
        return value.func, {k: unfold(v) for k, v in value.keywords.items()}
    return value


def test_round_trip_keeps_nested_classes():
    model = partial(HHMPN, num_steps=2, f2l=partial(GATv2Conv, heads=1), l2l=False)
    spec = to_spec(model)
    assert spec['class_path'] == 'hetero_mmer.models.HHMPN'
    assert spec['init_args']['f2l'] == {
        'class_path': 'torch_geometric.nn.GATv2Conv',
        'init_args': {'heads': 1},
    }
    func, args = unfold(from_spec(spec))
    assert func is HHMPN
    assert args['f2l'] == (GATv2Conv, {'heads': 1})
    assert (args['num_steps'], args['l2l'], args['aux_weight']) == (2, False, 0.2)


def test_defaults_are_written_down():
    args = to_spec(HHMPN)['init_args']
    assert args['hidden_channels'] == 256
    assert 'in_channels' not in args
    assert to_spec(from_spec(to_spec(HHMPN))) == to_spec(HHMPN)


def test_outer_partial_wins():
    spec = to_spec(partial(partial(HHMPN, num_steps=2, heads=2), num_steps=5))
    assert (spec['init_args']['num_steps'], spec['init_args']['heads']) == (5, 2)


def test_class_without_arguments_is_itself():
    conv = {'class_path': 'torch_geometric.nn.TransformerConv', 'init_args': {}}
    assert from_spec(conv) is TransformerConv


def test_name_without_dots_is_one_of_our_models():
    assert locate('HHMPN') is HHMPN


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        ('HHMNP', "did you mean 'HHMPN'"),
        ('hhmpn_', "no 'hhmpn_' in hetero_mmer.models"),
        ('torch_geometric.nn.GATv2Con', "did you mean 'GATv2Conv'"),
        ('no_such_package.Model', "No module named 'no_such_package'"),
        ('a..b', 'no import path'),
        ('torch.', 'no import path'),
    ],
)
def test_locate_refuses(path, message):
    with pytest.raises(InputError, match=message):
        locate(path, trust=True)


def test_to_spec_refuses_what_cannot_be_read_back():
    with pytest.raises(InputError, match='cannot be imported'):
        to_spec(lambda widths, labels: None)
    with pytest.raises(InputError, match=r"'f2l'.* plain data"):
        to_spec(partial(HHMPN, f2l=GATv2Conv(4, 4)))
    with pytest.raises(InputError, match='keyword arguments only'):
        to_spec(partial(HHMPN, {'text': 3}))
