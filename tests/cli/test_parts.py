from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import pytest
import torch
from torch.nn import Linear, Module

from hetero_mmer.cli import main
from hetero_mmer.cli.parts import (
    Said,
    class_help,
    read_argument,
    read_model,
    split_words,
)
from hetero_mmer.cli.train import train
from hetero_mmer.errors import InputError
from hetero_mmer.models import HHMPN
from hetero_mmer.spec import from_spec, to_spec

GAT = 'torch_geometric.nn.GATv2Conv'
Optimizer = Literal['adam', 'adamw'] | Callable[[Iterable], torch.optim.Optimizer]


class Layer(Linear):
    """One that no file may name."""


class Gate(Module):
    """One that is called with anything."""

    def __init__(self, channels: int, *, is_open: bool = True) -> None:
        super().__init__()


class Own(Module):
    """A model whose arguments are of all kinds."""

    def __init__(
        self,
        in_channels: dict[str, int],
        num_labels: int,
        depth: int,
        *,
        layer: Callable[[int, int], Module] = Layer,
        gate: Callable[..., Module] = Gate,
        activation: Callable[[], Module] | None = None,
        anything=None,
    ) -> None:
        super().__init__()


OWN = f'{__name__}.Own'


def read(words, spec=None, **said):
    _, typed = split_words(words.split())
    return read_model(spec, Said(typed, **said))['init_args']


def typed(words, model='HHMPN'):
    _, found = split_words(words.split())
    return read_model(None, Said({'model': model, **found}))['init_args']


@pytest.mark.parametrize(
    'words',
    [
        f'--model.f2l {GAT} --model.f2l.heads 2 --model.num_steps 2',
        f'--model.f2l.heads=2 --model.num_steps=2 --model.f2l={GAT}',
        f'--model.num_steps 2 --model.f2l {{class_path:{GAT},init_args:{{heads:2}}}}',
    ],
)
def test_a_layer_and_its_arguments(words):
    words = words.replace(':', ': ') if '{' in words else words
    head, brace, rest = words.partition('{')
    _, found = split_words([*head.split(), *([brace + rest] * bool(brace))])
    spec = read_model(None, Said({'model': 'HHMPN', **found}))
    args = spec['init_args']
    assert args['num_steps'] == 2
    assert args['f2l']['class_path'] == GAT
    assert args['f2l']['init_args']['heads'] == 2
    made = from_spec(spec)({'text': 2}, 3)
    assert isinstance(made, HHMPN)


def test_the_same_as_from_python():
    expected = to_spec(partial(HHMPN, num_steps=2, dropout=0.001, l2l=False))
    found = typed('--model.num_steps 2 --model.dropout 1e-3 --model.l2l false')
    given = {n: v for n, v in expected['init_args'].items() if n != 'criterion'}
    assert {name: found[name] for name in given} == given


FILE = {
    'class_path': 'HHMPN',
    'init_args': {
        'dropout': '1e-3',  # How PyYAML reads it.
        'f2l': {'class_path': GAT, 'init_args': {'heads': 2, 'bias': False}},
    },
}


def test_what_is_typed_goes_before_the_file():
    assert read('', FILE)['dropout'] == 0.001
    args = read('--model.f2l.heads 3', FILE)['f2l']['init_args']
    assert (args['heads'], args['bias']) == (3, False)
    args = read(f'--model.f2l {GAT} --model.f2l.heads 3', FILE)['f2l']['init_args']
    assert (args['heads'], args['bias']) == (3, False)
    other = read('--model.f2l torch_geometric.nn.SAGEConv', FILE)['f2l']
    assert other['class_path'] == 'torch_geometric.nn.SAGEConv'
    assert 'heads' not in other['init_args']
    assert read('--model.f2l false', FILE)['f2l'] is False


def test_a_class_by_its_last_name_if_it_is_the_only_one():
    assert typed('--model.f2l GATv2Conv')['f2l']['class_path'] == GAT
    with pytest.raises(
        InputError, match=r"'--model.f2l' is .* import path \(got 'Drop"
    ):
        typed('--model.f2l Dropout')  # Of torch.nn, and a quantised one.


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            '--model.num_step 3',
            "model HHMPN has no option 'num_step'; did you mean 'num_",
        ),
        ('--model.num_labels 3', "no option 'num_labels'"),
        ('--model.num_embeddings {}', "no option 'num_embeddings'"),
        ('--model.label_vectors {}', "no option 'label_vectors'"),
        ('--model.num_steps x', "'--model.num_steps' is a whole number .got 'x'"),
        ('--model.norm 3', "'--model.norm' is true or false .got '3'"),
        ('--model.f2l 3', "'--model.f2l' is true or false or an import path .got 3"),
        ('--model.f2l torch.nn.Linea', "no 'Linea' in torch.nn; did you mean 'Linear'"),
        (
            f'--model.f2l {GAT} --model.f2l.heads x',
            "'--model.f2l.heads' is a whole",
        ),
        (f'--model.f2l {GAT} --model.f2l.headz 2', "'--model.f2l' cannot be .*headz"),
        (
            f'--model.f2l {GAT} --model.f2l.in_channels 2',
            "'--model.f2l' cannot be .*in_ch",
        ),
        (
            '--model.f2l torch.nn.ReLU --model.f2l.x 2',
            "f2l' has no option 'x'",
        ),
        ('--model.f2l.heads 2', "'--model.f2l.heads' is an argument of a class"),
        ('--model.num_steps.x 2', "'--model.num_steps.x' is an argument of a class"),
        ('--model.f2l os.system', "'--model.f2l' cannot be 'os.system' "),
        ('--model.f2l os.path', "'os.path' is no class or function"),
        ('--model.f2l', "'--model.f2l' has a value .got none"),
        ('--model.f2l --model.norm true', "'--model.f2l' has a value .got none"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(words, message):
    with pytest.raises(InputError, match=message) as error:
        typed(words)
    assert '\n' not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        ({'num_steps': 'x'}, "'model.num_steps' in the file is a whole number"),
        ({'num_steps': 2.5}, "'model.num_steps' in the file is a whole number"),
        ({'norm': None}, "'model.norm' in the file is true or false"),
        ({'f2l': 'add'}, "'model.f2l' in the file is true or false or an import path"),
        ({'f2l': {'x': 1}}, "unknown key 'x' in the file"),
        ({'steps': 1}, "model HHMPN has no option 'steps'; did you mean 'num_steps'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(args, message):
    spec = {'class_path': 'HHMPN', 'init_args': args}
    with pytest.raises(InputError, match=message):
        read('', spec, where='the file')


def test_a_model_of_ones_own():
    args = typed('--model.depth 3 --model.anything [1,2]', OWN)
    assert (args['depth'], args['anything'], args['activation']) == (3, [1, 2], None)
    layer = typed('--model.depth 3 --model.layer.bias false', OWN)['layer']
    assert layer['init_args']['bias'] is False
    assert layer['class_path'] == f'{__name__}.Layer'
    gate = typed('--model.depth 3 --model.gate.is_open false', OWN)['gate']
    assert gate['init_args'] == {'is_open': False}
    found = typed('--model.depth 3 --model.activation torch.nn.ReLU', OWN)
    assert found['activation']['class_path'] == 'torch.nn.ReLU'
    with pytest.raises(InputError, match=r"'--model' cannot be .*depth"):
        typed('', OWN)


def test_an_optimiser():
    said = Said({'optimizer': 'SGD', 'optimizer.momentum': '1e-1'})
    found = read_argument('optimizer', Optimizer, 'adam', said, typed=False)
    assert found['class_path'] == 'torch.optim.SGD'
    assert found['init_args']['momentum'] == 0.1
    assert read_argument('optimizer', Optimizer, 'adam', Said(), typed=False) == 'adam'
    for text, message in (
        ('sgd', "'--optimizer' is 'adam' or 'adamw' or an import path .got 'sgd'"),
        ('torch.nn.Linear', "'--optimizer' cannot be 'torch.nn.L"),
    ):
        said = Said({'optimizer': text})
        with pytest.raises(InputError, match=message):
            read_argument('optimizer', Optimizer, 'adam', said, typed=False)


def test_help_of_a_class(capsys):
    text = ' '.join(class_help(train, 'model.f2l', GAT).format_help().split())
    assert (
        '--model.f2l.heads HEADS Number of multi-head-attentions. (default: 1)' in text
    )
    assert '--model.f2l.in_channels' not in text
    assert main(['train', '--model', 'HHMPN', '--model.f2l.help', GAT]) == 0
    assert '--model.f2l.heads HEADS' in capsys.readouterr().out
    text = class_help(train, 'model', OWN).format_help()
    assert '--model.depth DEPTH' in text
    assert 'in_channels' not in text


def test_the_options_of_a_run_as_yaml_are_a_recipe(tmp_path, monkeypatch, capsys):
    from hetero_mmer.datasets import synthesize

    monkeypatch.chdir(tmp_path)
    synthesize('a.h5', num_samples=20, modalities={'text': 2}).close()
    words = ['--data', 'a.h5', '--out', 'run', '--model', 'HHMPN', '--seed', '3']
    words += ['--model.num_steps', '2', '--optimizer', 'torch.optim.SGD']
    assert main(['train', *words, '--print_config']) == 0
    text = capsys.readouterr().out
    (tmp_path / 'r.yaml').write_text(text)
    assert main(['train', '--recipe', 'r.yaml', '--print_config']) == 0
    assert capsys.readouterr().out == text
    assert not (tmp_path / 'run').exists()
