"""What a model may do besides forward and loss, each by a toy that needs it."""

from __future__ import annotations

import json
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn.criterion import Focal, WeightedBCE
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.store import Store, StoreWriter
from hetero_mmer.training import MultilabelModule, resume, train
from hetero_mmer.training.optim import parameter_groups

sys.path.insert(0, str(Path(__file__).parent))

import toys

pytestmark = pytest.mark.filterwarnings('ignore::hetero_mmer.errors.InputWarning')


def weights(folder):
    return load_file(folder / 'model.safetensors')


def stop_in(epoch, monkeypatch):
    original = MultilabelModule.training_step

    def step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, 1):
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)


def everything(model, data, folder, options, monkeypatch):
    """Trains twice, once with a stop, and uses both runs; they are the same."""
    whole, stopped = folder / 'whole', folder / 'stopped'
    result = train(model, data, whole, epochs=3, **options)
    with monkeypatch.context() as patch:
        stop_in(1, patch)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, stopped, epochs=3, **options)
    again = resume(stopped, trust=True)
    assert again['metrics'] == pytest.approx(result['metrics'], nan_ok=True)
    for name, value in weights(whole).items():
        assert value.equal(weights(stopped)[name]), name
    metrics = evaluate(whole, trust=True)['metrics']
    assert metrics == pytest.approx(result['metrics'], nan_ok=True)
    predict(whole, data, folder / 'p.csv', trust=True)
    assert len((folder / 'p.csv').read_text().splitlines()) == 81
    return load_run(whole, trust=True), result


@pytest.mark.parametrize(
    'more',
    [
        {},
        {'accumulate': 2},
        {'gradient_clip': 0.01},
        {'gradient_clip': 0.001, 'clip_by': 'value'},
        {'warmup': 0.5, 'schedule': 'linear', 'accumulate': 2},
        {'precision': 'bf16'},
        {'schedule': partial(torch.optim.lr_scheduler.StepLR, step_size=1)},
        {'schedule': partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0)},
    ],
)
def test_a_step_of_its_own_trains_as_its_plain_twin(more, tmp_path, data, options):
    both = []
    for model in (toys.Plain, toys.Stepping):
        folder = tmp_path / model.__name__
        train(model, data, folder, epochs=4, **{**options, **more})
        history = (folder / 'metrics.csv').read_text().splitlines()
        rows = [row.split(',') for row in history]
        seconds = rows[0].index('seconds')
        both.append(([r[:seconds] + r[seconds + 1 :] for r in rows], weights(folder)))
    assert both[0][0] == both[1][0]
    for name, value in both[0][1].items():
        assert value.equal(both[1][1][name]), name


def test_a_step_goes_on_after_a_stop(tmp_path, data, options, monkeypatch):
    everything(toys.Stepping, data, tmp_path, options, monkeypatch)


def test_what_the_options_do(tmp_path, data, options):
    """None of the options above leaves the weights as they are without it."""
    plain = tmp_path / 'plain'
    train(toys.Plain, data, plain, epochs=2, **options)
    for i, more in enumerate(
        [
            {'gradient_clip': 1e-3, 'clip_by': 'norm', 'optimizer': torch.optim.SGD},
            {'gradient_clip': 1e-3, 'clip_by': 'value', 'optimizer': torch.optim.SGD},
            {'optimizer': partial(torch.optim.SGD, momentum=0.9)},
            {'schedule': partial(torch.optim.lr_scheduler.StepLR, step_size=1)},
        ]
    ):
        train(toys.Plain, data, tmp_path / str(i), epochs=2, **{**options, **more})
    found = [weights(tmp_path / n)['lin.weight'] for n in ('plain', *'0123')]
    for i, one in enumerate(found):
        assert not any(one.equal(other) for other in found[i + 1 :])


def test_momentum_is_that_of_the_optimizer(tmp_path, data, options):
    model = partial(toys.Plain)
    optimizer = partial(torch.optim.SGD, momentum=0.5)
    train(model, data, tmp_path / 'run', epochs=1, **options, optimizer=optimizer)
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert config['optimizer'] == {
        'class_path': 'torch.optim.SGD',
        'init_args': {'maximize': False, 'foreach': None, 'differentiable': False}
        | {'fused': None, 'momentum': 0.5},
    }
    state = torch.load(tmp_path / 'run' / 'checkpoints/last.ckpt', weights_only=True)
    groups = state['optimizer_states'][0]['param_groups']
    assert {group['momentum'] for group in groups} == {0.5}


def test_fit_is_called_once_and_kept(tmp_path, data, options, monkeypatch):
    toys.Fitted.num_fits = 0
    run, _ = everything(toys.Fitted, data, tmp_path, options, monkeypatch)
    assert toys.Fitted.num_fits == 2  # One for each of two runs.
    with Store(data) as store:
        shares = store.labels[store.rows('train')].mean(axis=0)
    torch.testing.assert_close(run.model.shares.double(), torch.tensor(shares))


def test_what_was_fitted_is_where_training_starts(tmp_path, data, options):
    rate = {**options, 'learning_rate': 1e-12}
    train(toys.Fitted, data, tmp_path / 'run', epochs=1, **rate)
    found = weights(tmp_path / 'run')
    expected = found['shares'].clamp(0.01, 0.99).logit()
    torch.testing.assert_close(found['lin.bias'], expected)


def test_a_model_without_parameters_has_no_epochs(tmp_path, data, options):
    result = train(toys.Counting, data, tmp_path / 'run', epochs=3, **options)
    assert result['best_epoch'] == 0
    assert not (tmp_path / 'run' / 'checkpoints' / 'last.ckpt').exists()
    again = evaluate(tmp_path / 'run', trust=True)
    assert again['metrics'] == pytest.approx(result['metrics'], nan_ok=True)
    run = load_run(tmp_path / 'run', trust=True)
    with Store(data) as store:
        shares = store.labels[store.rows('train')].mean(axis=0)
    found = run.predict({'text': np.ones((1, 5))})
    assert found.probs[0] == pytest.approx(shares, abs=1e-6)


def test_rates_of_its_own(tmp_path, data, options):
    model = toys.Rates({'text': 5}, 3)
    groups = parameter_groups(model, 0.1, 0.5)
    assert [(g['lr'], g['weight_decay'], len(g['params'])) for g in groups] == [
        (1.0, 0.5, 1),
        (0.1, 0.0, 1),
    ]
    train(toys.Rates, data, tmp_path / 'run', epochs=1, **options)
    state = torch.load(tmp_path / 'run' / 'checkpoints/last.ckpt', weights_only=True)
    groups = state['optimizer_states'][0]['param_groups']
    assert [group['lr'] for group in groups] == pytest.approx([0.2, 0.02])
    with pytest.raises(InputError, match='each trainable parameter once'):
        train(toys.LessRates, data, tmp_path / 'less', epochs=1, **options)


def test_a_decision_of_its_own(tmp_path, data, options, monkeypatch):
    run, result = everything(toys.Deciding, data, tmp_path, options, monkeypatch)
    assert result['threshold'] is None
    assert (run.predict([{'text': np.ones((2, 5))}] * 3).pred.sum(axis=1) == 1).all()
    table = np.loadtxt(tmp_path / 'p.csv', delimiter=',', skiprows=1, usecols=[4, 5, 6])
    assert (table.sum(axis=1) == 1).all()
    with Store(data) as store:
        y = store.labels[store.rows('test')]
        pred = table[store.rows('test')]
    assert result['metrics']['acc_subset'] == pytest.approx(
        (y == pred).all(axis=1).mean(), abs=1e-6
    )
    best = [float(v) for v in column(tmp_path / 'whole', 'valid/f1_micro')]
    again = evaluate(tmp_path / 'whole', split='valid', threshold=0.9, trust=True)
    assert again['metrics']['f1_micro'] == pytest.approx(max(best), abs=1e-6)


def column(folder, name):
    head, *rows = [r.split(',') for r in (folder / 'metrics.csv').read_text().split()]
    return [row[head.index(name)] for row in rows]


def test_labels_are_there_in_training_only(tmp_path, data, options, monkeypatch):
    everything(toys.Forced, data, tmp_path, options, monkeypatch)


@pytest.mark.parametrize('loss', ['bce', 'weighted', 'focal', 'asymmetric'])
def test_another_loss(loss, tmp_path, data, model, options, monkeypatch):
    plain = tmp_path / 'plain'
    train(model, data, plain, epochs=3, **options)
    (tmp_path / 'other').mkdir()
    run, _ = everything(
        model, data, tmp_path / 'other', {**options, 'loss': loss}, monkeypatch
    )
    same = all(
        value.equal(weights(tmp_path / 'other' / 'whole').get(name, value))
        for name, value in weights(plain).items()
    )
    assert same == (loss == 'bce')
    if loss == 'weighted':
        with Store(data) as store:
            y = store.labels[store.rows('train')]
        expected = (len(y) - y.sum(axis=0)) / y.sum(axis=0)
        assert run.model.criterion.pos_weight.numpy() == pytest.approx(expected)


def test_a_loss_with_choices(tmp_path, data, options):
    model = partial(HHMPN, hidden_channels=8, criterion=partial(Focal, gamma=3.0))
    train(model, data, tmp_path / 'run', epochs=1, **options)
    assert load_run(tmp_path / 'run').model.criterion.gamma == 3


def test_a_model_with_a_loss_of_its_own_takes_no_other(tmp_path, data, options):
    with pytest.raises(InputError, match=r'models\.CARAT has a loss of its own'):
        train(CARAT, data, tmp_path / 'run', loss='focal', **options)
    assert not (tmp_path / 'run').exists()


def test_another_run_is_where_training_starts(tmp_path, data, model, options):
    first, second = tmp_path / 'first', tmp_path / 'second'
    train(model, data, first, epochs=1, **options)
    still = {**options, 'learning_rate': 1e-12, 'seed': 5}
    with warnings.catch_warnings():
        warnings.simplefilter('error', InputWarning)
        warnings.filterwarnings('ignore', message='no label of any')
        train(model, data, second, init=first, epochs=1, **still)
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value, atol=1e-6, rtol=0)
    wider = partial(model, aux_weight=0.5, num_steps=3)
    with pytest.warns(InputWarning, match=r'has no rounds\.2\.'):
        train(wider, data, tmp_path / 'third', init=first, epochs=1, **still)
    with pytest.raises(InputError, match='has no weights of this CARAT'):
        train(CARAT, data, tmp_path / 'fourth', init=first, epochs=1, **still)
    with pytest.raises(InputError, match='cannot read'):
        train(model, data, tmp_path / 'fifth', init='nowhere', **still)


def test_init_wins_over_fit(tmp_path, data, options):
    train(toys.Fitted, data, tmp_path / 'first', epochs=2, **options)
    still = {**options, 'learning_rate': 1e-12}
    train(toys.Fitted, data, tmp_path / 'b', init=tmp_path / 'first', epochs=1, **still)
    found = weights(tmp_path / 'b')['lin.bias']
    torch.testing.assert_close(found, weights(tmp_path / 'first')['lin.bias'])


def test_vectors_and_relations_of_labels(tmp_path, data, options, monkeypatch):
    with Store(data) as store:
        names = list(store.label_names)
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=4) for name in [*names, 'unused']}
    np.savez(tmp_path / 'v.npz', **vectors)
    order = names[::-1]
    weight = {name: rng.integers(0, 3, size=3) for name in order}
    np.savez(tmp_path / 'r.npz', **weight)
    more = {
        'label_vectors': tmp_path / 'v.npz',
        'label_relations': tmp_path / 'r.npz',
    }
    run, _ = everything(toys.Vectors, data, tmp_path, {**options, **more}, monkeypatch)
    expected = np.stack([vectors[name] for name in names])
    assert run.model.vectors.numpy() == pytest.approx(expected, abs=1e-6)
    table = [[weight[a][order.index(b)] for b in names] for a in names]
    assert run.model.relations.tolist() == table
    edges = {(i, k) for i in range(3) for k in range(3) if table[i][k]}
    assert set(zip(*run.reading.label_graph.tolist(), strict=True)) == edges
    model = partial(HHMPN, hidden_channels=8, num_steps=1)
    with pytest.raises(InputError, match='HHMPN reads no label vectors'):
        train(model, data, tmp_path / 'h', **options, **more)
    only = {'label_relations': tmp_path / 'r.npz'}
    train(model, data, tmp_path / 'h', epochs=1, **options, **only)
    alpha = None
    run = load_run(tmp_path / 'h')
    with Store(data) as store:
        batch = run.samples(store).batch([0])
    alpha = run.model(batch, return_attention=True).attention[0]
    edge_index, _ = alpha['modality', 'l2l', 'modality']
    first = edge_index[:, (edge_index < 3).all(dim=0)]
    assert set(zip(*first.tolist(), strict=True)) == edges
    prior = partial(model, label_graph='prior')
    with pytest.raises(InputError, match="takes no 'prior' one"):
        train(prior, data, tmp_path / 'both', epochs=1, **options, **only)


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({'a': [1.0], 'b': [1.0]}, "there is no label 'happiness'"),
        (
            {'happiness': [1.0], 'sadness': [1.0, 2.0], 'surprise': [1.0]},
            'have one length',
        ),
        (
            {'happiness': [[1.0]], 'sadness': [1.0], 'surprise': [1.0]},
            'is a row of numbers',
        ),
        (
            {'happiness': [np.nan], 'sadness': [1.0], 'surprise': [1.0]},
            'not finite',
        ),
    ],
)
def test_other_vectors_are_refused(arrays, message, tmp_path, data, options):
    np.savez(tmp_path / 'v.npz', **{name: np.array(v) for name, v in arrays.items()})
    with pytest.raises(InputError, match=message):
        train(
            *(toys.Vectors, data, tmp_path / 'run'),
            label_vectors=tmp_path / 'v.npz',
            **options,
        )
    assert not (tmp_path / 'run').exists()


def test_from_the_command_line(tmp_path, data, capsys):
    words = ['train', '--model', 'HHMPN', '--model.hidden_channels', '4']
    words += ['--data', str(data), '--out', str(tmp_path / 'run'), '--epochs', '1']
    words += ['--optimizer.momentum', '0.25', '--optimizer', 'torch.optim.SGD']
    words += ['--schedule', 'torch.optim.lr_scheduler.StepLR', '--schedule.step_size=2']
    words += ['--loss', 'weighted', '--clip_by', 'value']
    assert main(words) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert config['optimizer']['class_path'] == 'torch.optim.SGD'
    assert config['optimizer']['init_args']['momentum'] == 0.25
    assert 'lr' not in config['optimizer']['init_args']
    assert config['schedule']['init_args']['step_size'] == 2
    assert type(load_run(tmp_path / 'run').model.criterion) is WeightedBCE
    again = ['train', '--recipe', str(tmp_path / 'run' / 'config.yaml')]
    assert main([*again, '--out', str(tmp_path / 'again')]) == 0
    results = [
        json.loads((tmp_path / name / 'metrics.json').read_text())['metrics']
        for name in ('run', 'again')
    ]
    assert results[0] == results[1]
    capsys.readouterr()
    words[8] = str(tmp_path / 'other')
    assert main([*words[:9], '--optimizer', 'torch.optim.SGD', '--optimizer.lr=3']) == 2
    assert "'lr' from 'learning_rate'" in capsys.readouterr().err
    assert main([*words[:9], '--optimizer', 'os.system']) == 2


def test_other_arrays_of_the_store(tmp_path, data, options, monkeypatch):
    path = tmp_path / 'b.h5'
    with Store(data) as old:
        hint = np.where(old.labels > 0, 1.0, -1.0).astype(np.float32)
        specs = {m: old.specs[m] for m in old.modalities}
        names = list(old.label_names)
        with StoreWriter(path, specs, names, intensities=True) as writer:
            for i in range(len(old)):
                items = {m: old.read(m, i) for m in old.modalities}
                writer.add(
                    old.ids[i],
                    {m: x for m, x in items.items() if len(x)},
                    labels=old.labels[i],
                    split=old.split[i],
                    intensities=old.labels[i] * 2.0,
                )
            writer.extra('hint', hint)
    _, result = everything(toys.Helped, path, tmp_path, options, monkeypatch)
    assert result['metrics']['f1_micro'] == 1
    with pytest.raises(InputError, match='hint'):
        train(toys.Helped, data, tmp_path / 'without', epochs=1, **options)
