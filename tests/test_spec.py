from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.nn import Module
from torch_geometric.nn import GATv2Conv, TransformerConv

from hetero_mmer.errors import InputError
from hetero_mmer.models import HHMPN
from hetero_mmer.spec import UntrustedError, from_spec, is_known, locate, to_spec
from hetero_mmer.training import MultilabelModule


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


@pytest.mark.parametrize(
    'path',
    [
        # Not ours, nor imported.
        *('subprocess.Popen', 'os.system', 'builtins.exec', 'collections.OrderedDict'),
        *('no_such_package.Model', 'torch_extra.Linear', 'hetero_mmer_extra.HHMPN'),
        *('torch_nn.Linear', 'torch.nnx.Linear', 'torch_geometric.nn_extra.GCNConv'),
        # Of PyTorch and PyG, but no layers.
        *('torch.load', 'torch.jit.load', 'torch.distributed.Popen', 'torch.tensor'),
        *('torch.hub.load', 'torch.utils.cpp_extension.load', 'torch.compile'),
        *('torch.nn.utils.skip_init', 'torch.nn.parallel.DataParallel'),
        *('torch.nn.Parameter', 'torch.nn.init.zeros_', 'torch.nn.Buffer'),
        *('torch.nn.functional.boolean_dispatch', 'torch.nn.functional._add_docstr'),
        *('torch.nn.modules.module.register_module_forward_hook',),
        *('torch_geometric.nn.Sequential', 'torch_geometric.nn.MLP'),
        *('torch_geometric.nn.summary', 'torch_geometric.nn.conv.utils.helpers.expand'),
        # Of this package, but no models or layers.
        *('hetero_mmer.cli.main', 'hetero_mmer.training.train'),
        *('hetero_mmer.training.MultilabelModule', 'hetero_mmer.datasets.synthesize'),
        *(
            'hetero_mmer.models.hhmpn.check_graph',
            'hetero_mmer.nn.encoder.item_encoder',
        ),
        # Reached from what is allowed.
        *('hetero_mmer.models.hhmpn.Callable', 'hetero_mmer.models.carat.NamedTuple'),
        *('torch.nn.functional.Callable', 'torch.optim.lr_scheduler.partial'),
    ],
)
def test_a_name_in_a_file_runs_no_other_code(path):
    for kind in ('model', 'part'):
        with pytest.raises((UntrustedError, InputError), match=re.escape(path)):
            locate(path, kind=kind, where='a file')


def test_the_refusal_tells_what_would_run_and_what_allows_it():
    spec = {'class_path': 'HHMPN', 'init_args': {'f2l': [{'a': {}}]}}
    spec['init_args']['f2l'][0]['a'] = {'class_path': 'os.system', 'init_args': None}
    told = r"'r\.yaml' would run 'os\.system', .*`trust=True` runs it"
    with pytest.raises(UntrustedError, match=told):
        from_spec(spec, where="'r.yaml'")
    from_spec(spec, trust=True)
    assert not is_known(spec)


def test_a_package_of_a_similar_name_is_another_one(monkeypatch):
    for name in ('torch.nn_extra', 'hetero_mmer.nn_extra', 'torch.nn.modules_extra'):
        layer = type('Layer', (Module,), {'__module__': name})
        monkeypatch.setitem(sys.modules, name, module := ModuleType(name))
        monkeypatch.setattr(module, 'Layer', layer, raising=False)
        with pytest.raises(UntrustedError):
            locate(f'{name}.Layer')
        assert locate(f'{name}.Layer', trust=True) is layer


def test_what_is_offered_elsewhere_is_judged_by_where_it_was_made(monkeypatch):
    for thing in (torch.from_file, torch.load, Path, MultilabelModule, torch.ones):
        monkeypatch.setattr('torch.nn.modules.linear.thing', thing, raising=False)
        with pytest.raises(UntrustedError):
            locate('torch.nn.modules.linear.thing')


def test_nothing_is_imported_before_it_is_judged(tmp_path, monkeypatch):
    (tmp_path / 'beside.py').write_text('raise RuntimeError("it ran")')
    monkeypatch.syspath_prepend(tmp_path)
    for path in ('beside.Model', 'beside.torch.nn.Linear', 'torch.nn.beside.Linear'):
        with pytest.raises(InputError):
            locate(path)
    with pytest.raises(RuntimeError, match='it ran'):
        locate('beside.Model', trust=True)


@pytest.mark.parametrize(
    'path',
    [
        *('torch.nn.Linear', 'torch.nn.modules.linear.Linear', 'torch.nn.GELU'),
        *('torch_geometric.nn.GATv2Conv', 'torch_geometric.nn.conv.GATv2Conv'),
        *('torch_geometric.nn.MeanAggregation', 'torch_geometric.nn.BatchNorm'),
        *('hetero_mmer.nn.conv.AttentionConv', 'hetero_mmer.nn.fusion.Reconstruction'),
        *('torch.nn.functional.relu', 'torch.nn.functional.gelu'),
        *(
            'torch.nn.functional.hardshrink',
            'hetero_mmer.functional.masked.masked_mean',
        ),
        *('torch.optim.SGD', 'torch.optim.lr_scheduler.LambdaLR'),
        *('HHMPN', 'hetero_mmer.models.CARAT'),
    ],
)
def test_layers_and_their_functions_need_no_trust(path):
    assert locate(path) is locate(path, trust=True)


def test_only_a_model_is_a_model():
    assert locate('hetero_mmer.models.HHMPN', kind='model') is HHMPN
    for path in ('torch.nn.Linear', 'torch.nn.functional.relu', 'torch.optim.SGD'):
        with pytest.raises(UntrustedError, match=r'only models of hetero_mmer\.models'):
            locate(path, kind='model')


@pytest.mark.parametrize(
    'spec', [3, None, 'HHMPN', [], {}, {'class_path': 3}, {'class_path': 'a b'}]
)
def test_what_is_no_spec_is_refused(spec):
    with pytest.raises(InputError):
        from_spec(spec)
    with pytest.raises(InputError, match="unknown key 'dict_kwargs'"):
        from_spec({'class_path': 'HHMPN', 'dict_kwargs': {}})
