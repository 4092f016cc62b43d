from __future__ import annotations

import inspect

import pytest

from hetero_mmer.cli import main
from hetero_mmer.cli.parts import Said, check_parsed, read_model, split_words
from hetero_mmer.errors import InputError
from hetero_mmer.models import HHMPN
from hetero_mmer.run.build import Facts, build_model
from hetero_mmer.run.recipe import read_recipe, recipe_names
from hetero_mmer.spec import UntrustedError, from_spec
from hetero_mmer.training import MultilabelModule, train

OPTIONS = list(inspect.signature(train).parameters)
FLAGS = [f'--{name}' for name in OPTIONS]


@pytest.mark.parametrize('name', recipe_names())
def test_recipe_makes_its_model(name):
    recipe = read_recipe(name)
    model = build_model(recipe['model'], Facts({'text': 3, 'audio': 2}, 4, {}))
    assert model.in_channels == {'text': 3, 'audio': 2}
    assert read_model(recipe['model'], Said())


def test_mosei_recipe_is_the_model_of_the_paper():
    recipe = read_recipe('hhmpn_mosei')
    args = recipe['model']['init_args']
    paper = {'hidden_channels': 256, 'num_steps': 3, 'aux_weight': 0.2, 'norm': False}
    assert paper.items() <= args.items()
    assert from_spec(recipe['model']).func is HHMPN
    paper = {'batch_size': 64, 'gradient_clip': 10.0, 'epochs': 50, 'threshold': 0.5}
    assert paper.items() <= recipe.items()


def test_what_is_typed_goes_before_the_recipe():
    words = ['--seed', '3', '--model.num_steps=2', '--model.norm', 'true', '--data=x']
    rest, typed = split_words(words)
    assert rest == ['--seed', '3', '--data=x']
    spec = read_recipe('hhmpn_mosei')['model']
    for name in ({}, {'model': 'HHMPN'}, {'model': 'hetero_mmer.models.HHMPN'}):
        found = read_model(spec, Said({**name, **typed}, 'r'))
        args = found['init_args']
        assert found['class_path'] == 'hetero_mmer.models.HHMPN'
        assert (args['num_steps'], args['norm']) == (2, True)
        changed = {'num_steps', 'norm'}
        kept = {n: v for n, v in spec['init_args'].items() if n not in changed}
        assert kept
        assert kept.items() <= args.items()


def test_model_may_be_a_name_alone(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('model: HHMPN')
    assert read_recipe(path)['model']['class_path'] == 'HHMPN'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('epoch: 3', "unknown option 'epoch'.*'epochs'"),
        ('a: [', 'no YAML'),
        ('', 'holds no options'),
        ('seed: 1\nepochs: 3\nseed: 2', r"'seed' is given twice in the recipe"),
        ('model: {init_args: {heads: 1, heads: 2}}', "'heads' is given twice"),
        ('model: 3', 'class_path with init_args'),
        ('model: HHMNP', "did you mean 'HHMPN'"),
        ('model: {class_path: HHMPN, init_args: {num_step: 1}}', "'num_steps'"),
        ('model: {class_path: HHMPN, init_args: {num_labels: 1}}', "'num_labels'"),
        ('model: {class_path: HHMPN, init_args: {1: 2}}', 'is text'),
        ('model: {class_path: HHMPN, dict_kwargs: {}}', "unknown key .*'init_args'"),
        ('model: HHMPN\nmodel.help: CARAT', "unknown option 'model.help'"),
        ('trust: true', "unknown option 'trust'"),
    ],
)
def test_wrong_recipe_is_refused(text, message, tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_model(read_recipe(path, trust=False).get('model'), Said({}, 'the recipe'))


def recipe(f2l):
    return f'model: {{class_path: HHMPN, init_args: {{f2l: {f2l}}}}}'


@pytest.mark.parametrize(
    'text',
    [
        *('model: beside.Model', 'model: {class_path: beside.Model}'),
        *(recipe('beside.Model'), recipe('{class_path: beside.Model}')),
        *(recipe('[beside.Model]'), recipe('{x: {y: [{z: beside.Model}]}}')),
        recipe('{class_path: torch.nn.ReLU, init_args: {x: beside.Model}}'),
        'model: {class_path: HHMPN, init_args: {f2l.class_path: beside.Model}}',
        'model: HHMPN\nroot: {class_path: beside.Model}',
        'model: HHMPN\nmodalities: [{class_path: beside.Model}]',
    ],
)
def test_a_recipe_runs_nothing_beside_it(text, tmp_path, monkeypatch, capsys):
    (tmp_path / 'beside.py').write_text('raise RuntimeError("it ran")')
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(UntrustedError, match=r"the recipe .* run 'beside\.Model'"):
        read_recipe(path)
    assert read_recipe(path, trust=True)
    words = ['train', '--recipe', str(path), '--data', 'a.h5', '--out', 'run']
    assert main(words) == 2
    assert 'it ran' not in capsys.readouterr().err


@pytest.mark.parametrize(
    'text',
    [
        *("'{class_path: beside.Model}'", './beside.yaml', '"[beside.Model]"'),
        *("'a: b'", '"beside.Model\\n"', "'beside.Model(1)'"),
    ],
)
def test_a_recipe_holds_no_text_that_would_be_read_again(text, tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(recipe(text))
    with pytest.raises(InputError, match=r"'model\.init_args\.f2l' in the recipe"):
        read_recipe(path)


def test_words_and_layers_in_a_recipe_are_no_danger(tmp_path):
    path = tmp_path / 'mine.yaml'
    text = (
        '{class_path: torch_geometric.nn.GATv2Conv, init_args: {aggr: max, heads: 1}}'
    )
    path.write_text(recipe(text))
    assert read_recipe(path)['model']['class_path'] == 'HHMPN'
    path.write_text(recipe('torch_geometric.nn.SAGEConv'))
    read_recipe(path)


def test_what_was_parsed_is_judged_unless_it_was_typed():
    spec = {'class_path': 'HHMPN', 'init_args': {'f2l': {'class_path': 'no.Thing'}}}
    for typed in ({}, {'model': 'HHMPN'}):
        with pytest.raises(UntrustedError, match=r"'r' would run 'no\.Thing'"):
            check_parsed(spec, Said(typed, "'r'"))
    for text in ('Thing', 'no.Thing'):
        check_parsed(spec, Said({'model.f2l': text}, 'a recipe'))


def test_arguments_of_a_recipe_are_not_trusted_for_what_is_typed():
    """A typed name of the same class keeps them; a bare name still brings in none."""
    args = {'f2l': 'MultilabelModule', 'hidden_channels': '8'}
    spec = {'class_path': 'HHMPN', 'init_args': args}
    assert MultilabelModule.__name__ == args['f2l']  # Which jsonargparse would find.
    for typed in ({}, {'model': 'HHMPN'}, {'model.num_steps': '1'}):
        with pytest.raises(UntrustedError, match=r"'r' would run .*\.MultilabelModule"):
            read_model(spec, Said(typed, "'r'"))


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'hhmpn_mosei'"):
        read_recipe('hhmpn_mosi')
