from __future__ import annotations

import csv
import json
import logging
import math
import random
import shutil
import sys
import warnings
from functools import partial

import h5py
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from sklearn.metrics import f1_score, jaccard_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch_geometric.nn import GATv2Conv

from hetero_mmer.cli import main
from hetero_mmer.cli.progress import ProgressLine
from hetero_mmer.datasets import synthesize
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.models import HHMPN
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.spec import from_spec
from hetero_mmer.store import Store
from hetero_mmer.training import MultilabelModule, resume, train


def rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def history(folder):
    """The table of epochs without the time they took."""
    return [
        {name: value for name, value in row.items() if name != 'seconds'}
        for row in rows(folder / 'metrics.csv')
    ]


def interrupt_at(monkeypatch, epoch, batch):
    """Presses Ctrl-C in a certain batch."""
    original = MultilabelModule.training_step

    def step(self, data, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, batch):
            raise KeyboardInterrupt
        return original(self, data, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)


def test_folder_is_complete(finished):
    names = {str(p.relative_to(finished)) for p in finished.rglob('*') if p.is_file()}
    events = {name for name in names if name.startswith('tensorboard/events')}
    assert events
    assert names - events - {'tensorboard/hparams.yaml'} == {
        'config.yaml',
        'metrics.json',
        'metrics.csv',
        'predictions_test.csv',
        'model.safetensors',
        'model.json',
        'checkpoints/last.ckpt',
    }


def test_metrics_are_those_of_the_predictions(finished):
    result = json.loads((finished / 'metrics.json').read_text())
    assert list(result) == [
        *('model', 'data', 'seed', 'split', 'threshold', 'best_epoch', 'monitor'),
        *('metrics', 'notes', 'num_samples', 'seconds', 'versions'),
    ]
    assert result['model'] == 'hetero_mmer.models.HHMPN'
    assert (result['split'], result['threshold'], result['seed']) == ('test', 0.5, 0)
    assert torch.__version__.startswith(result['versions']['torch'])
    names = json.loads((finished / 'model.json').read_text())['label_names']
    table = rows(finished / 'predictions_test.csv')
    assert len(table) == 20
    pred = np.array([[float(row[name]) > 0.5 for name in names] for row in table])
    y = np.array([[int(row[f'{name}_true']) for name in names] for row in table])
    metrics = result['metrics']
    zero = {'zero_division': 0.0}
    expected = f1_score(y, pred, average='micro', **zero)
    assert metrics['f1_micro'] == pytest.approx(expected, abs=1e-6)
    expected = jaccard_score(y, pred, average='samples', **zero)
    assert metrics['acc_jaccard'] == pytest.approx(expected, abs=1e-6)
    assert {f'wa_{name}' for name in names} < metrics.keys()


def test_predictions_name_the_test_samples_in_order(finished, data):
    with h5py.File(data) as file:
        ids, split = file['ids'].asstr()[()], file['split'].asstr()[()]
        labels = file['labels'][()]
    table = rows(finished / 'predictions_test.csv')
    assert [row['sample_id'] for row in table] == list(ids[split == 'test'])
    names = [name[:-5] for name in table[0] if name.endswith('_true')]
    y = [[int(row[f'{name}_true']) for name in names] for row in table]
    assert y == labels[split == 'test'].tolist()


def test_first_best_epoch_is_kept(finished):
    result = json.loads((finished / 'metrics.json').read_text())
    valid = [float(row['valid/f1_micro']) for row in history(finished)]
    assert len(valid) == 4
    assert result['best_epoch'] == 1 + valid.index(max(valid))
    again = evaluate(finished, split='valid', threshold=0.5)['metrics']
    assert again['f1_micro'] == pytest.approx(max(valid), abs=1e-6)


@pytest.mark.parametrize('threshold', [0.25, 0.5])
def test_epoch_is_chosen_at_the_threshold(threshold, tmp_path, data, model, options):
    out = tmp_path / 'run'
    result = train(model, data, out, epochs=3, threshold=threshold, **options)
    valid = [float(row['valid/f1_micro']) for row in history(out)]
    assert result['best_epoch'] == 1 + valid.index(max(valid))
    again = evaluate(out, split='valid')
    assert again['threshold'] == threshold
    assert again['metrics']['f1_micro'] == pytest.approx(max(valid), abs=1e-6)


def test_samples_without_items_may_be_left_out(tmp_path, data, model, options):
    out = tmp_path / 'run'
    only = {'modalities': ['text'], 'skip_empty': True}
    result = train(model, data, out, epochs=1, **only, **options)
    with Store(data) as store:
        there = np.diff(store.ptr['text']) > 0
        counts = {s: int(there[store.rows(s)].sum()) for s in ('valid', 'test')}
        ids = store.ids.tolist()
    assert 0 < counts['test'] < 20
    assert result['num_samples'] == counts['test']
    assert (
        f"{20 - counts['test']} of 20 test samples have no item in ['text'] and are "
        'left out'
    ) in result['notes']
    assert evaluate(out, split='valid')['num_samples'] == counts['valid']
    first = ids[int(np.argmin(there))]
    message = rf"{(~there).sum()} of 80 samples .* the first is '{first}'.*are empty"
    with pytest.warns(InputWarning, match=message):
        predict(out, data, tmp_path / 'p.csv')
    with open(tmp_path / 'p.csv', newline='') as file:
        table = list(csv.reader(file))[1:]
    assert [row[0] for row in table] == ids
    assert [all(row[1:]) for row in table] == there.tolist()
    assert [not any(row[1:]) for row in table] == (~there).tolist()


def test_evaluate_leaves_out_samples_where_asked(tmp_path, data, model, options):
    whole = tmp_path / 'whole.h5'
    widths = {'text': 5, 'audio': 4}
    synthesize(
        whole, num_samples=60, modalities=widths, num_labels=3, missing=0
    ).close()
    out = tmp_path / 'run'
    train(model, whole, out, epochs=1, modalities=['text'], **options)
    with pytest.raises(InputError, match='skip_empty'):
        evaluate(out, data=data)
    assert 0 < evaluate(out, data=data, skip_empty=True)['num_samples'] < 20


def test_history_holds_loss_parts_and_metrics(finished):
    for i, row in enumerate(history(finished)):
        assert int(row['epoch']) == i + 1
        total, out, aux = (float(row[f'train/{k}']) for k in ('total', 'out', 'aux'))
        assert total == pytest.approx(out + 0.2 * aux, rel=1e-4)
        assert 0 <= float(row['valid/hamming_loss']) <= 1
        assert float(row['valid/total']) > 0


def test_tensorboard_holds_every_epoch(finished):
    events = EventAccumulator(str(finished / 'tensorboard'))
    events.Reload()
    values = [event.value for event in events.Scalars('valid/f1_micro')]
    expected = [float(row['valid/f1_micro']) for row in history(finished)]
    assert values == pytest.approx(expected, abs=1e-6)


def test_checkpoint_holds_no_objects(finished):
    state = torch.load(finished / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert state['epoch'] == 3


def test_config_repeats_the_run(finished, tmp_path):
    config = yaml.safe_load((finished / 'config.yaml').read_text())
    model = from_spec(config.pop('model'))
    result = train(model, out=tmp_path / 'again', **config)
    before = json.loads((finished / 'metrics.json').read_text())
    assert result['metrics'] == pytest.approx(before['metrics'], nan_ok=True)
    assert result['best_epoch'] == before['best_epoch']
    assert history(tmp_path / 'again') == history(finished)
    for name in ('model.safetensors', 'predictions_test.csv'):
        ours = (tmp_path / 'again' / name).read_bytes()
        assert ours == (finished / name).read_bytes(), name


@pytest.mark.parametrize('model', ['HHMPN', 'CARAT'])
def test_bfloat16_trains_on_a_cpu_and_repeats(model, tmp_path, data, options):
    spec = {'class_path': model, 'init_args': {'hidden_channels': 8}}
    out, formats = tmp_path / 'run', set()

    def look(module, _, x):
        if isinstance(module, torch.nn.Linear) and module.training:
            formats.add(x.dtype)

    handle = torch.nn.modules.module.register_module_forward_hook(look)
    try:
        made = from_spec(spec)
        result = train(made, data, out, epochs=1, precision='bf16', **options)
    finally:
        handle.remove()
    assert formats == {torch.bfloat16}
    state = torch.load(out / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert torch.bfloat16 not in {x.dtype for x in state['state_dict'].values()}
    assert all(math.isfinite(result['metrics'][n]) for n in ('f1_micro', 'map'))
    assert math.isfinite(float(history(out)[0]['train/total']))
    words = ['--recipe', str(out / 'config.yaml'), '--out', str(tmp_path / 'again')]
    assert main(['train', *words]) == 0
    config = (tmp_path / 'again' / 'config.yaml').read_text()
    assert yaml.safe_load(config)['precision'] == 'bf16'
    assert history(tmp_path / 'again') == history(out)


def test_seed_matters(finished, tmp_path, data, model, options):
    train(model, data, tmp_path / 'other', seed=1, epochs=1, **options)
    assert history(tmp_path / 'other')[0] != history(finished)[0]


@pytest.mark.parametrize('when', [(0, 1), (2, 0), (3, 2)])
def test_resumed_run_equals_uninterrupted_one(
    when, tmp_path, data, model, options, monkeypatch
):
    options = {
        **options,
        'epochs': 4,
        'optimizer': 'adamw',
        'weight_decay': 0.1,
        'warmup': 0.2,
        'schedule': 'linear',
        'accumulate': 2,
    }
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    expected = train(model, data, whole, **options)
    with monkeypatch.context() as patch:
        interrupt_at(patch, *when)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, parts, **options)
    assert len(history(parts)) == when[0] if when[0] else not any(parts.glob('*.csv'))
    with pytest.raises(InputError, match=r'has not finished; `resume\(.*\)` goes on'):
        load_run(parts)
    result = resume(parts)
    assert result['metrics'] == pytest.approx(expected['metrics'], nan_ok=True, abs=0)
    assert result['best_epoch'] == expected['best_epoch']
    assert history(parts) == history(whole)
    for name in ('model.safetensors', 'predictions_test.csv'):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    last = [
        torch.load(run / 'checkpoints' / 'last.ckpt', weights_only=True)['state_dict']
        for run in (whole, parts)
    ]
    for name, value in last[0].items():
        assert value.equal(last[1][name]), name


def test_resume_of_a_run_stopped_by_patience_trains_no_more(
    tmp_path, data, model, options
):
    folder = tmp_path / 'run'
    train(model, data, folder, epochs=30, patience=1, **options)
    before = history(folder)
    valid = [float(row['valid/f1_micro']) for row in before]
    assert len(valid) == valid.index(max(valid)) + 2 < 30
    (folder / 'metrics.json').unlink()  # As if stopped just before the end.
    resume(folder)
    assert history(folder) == before


@pytest.mark.parametrize('name', ["'32'", '32-true'])
def test_resume_knows_the_names_of_precision_in_older_runs(
    finished, tmp_path, data, model, options, monkeypatch, name
):
    folder = tmp_path / 'run'
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1, 0)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, folder, epochs=4, **options)
    config = (folder / 'config.yaml').read_text()
    assert 'precision: fp32\n' in config
    old = config.replace('precision: fp32', f'precision: {name}')
    (folder / 'config.yaml').write_text(old)
    resume(folder)
    assert history(folder) == history(finished)


def test_resume_refuses(finished, tmp_path, data):
    with pytest.raises(InputError, match='has finished'):
        resume(finished)
    with pytest.raises(InputError, match='no run'):
        resume(tmp_path)
    other = tmp_path / 'other'
    shutil.copytree(finished, other)
    (other / 'metrics.json').unlink()
    changed = tmp_path / 'changed.h5'
    shutil.copy(data, changed)
    with h5py.File(changed, 'r+') as file:
        file['labels'][0] = 1 - file['labels'][0]
    config = yaml.safe_load((other / 'config.yaml').read_text())
    (other / 'config.yaml').write_text(yaml.safe_dump(config | {'data': str(changed)}))
    with pytest.raises(InputError, match='have changed'):
        resume(other)


def test_training_does_not_see_the_test_split(finished, tmp_path, data, model, options):
    changed = tmp_path / 'changed.h5'
    shutil.copy(data, changed)
    with h5py.File(changed, 'r+') as file:
        test = file['split'].asstr()[()] == 'test'
        labels = file['labels'][()]
        labels[test] = 1 - labels[test]
        file['labels'][()] = labels
    result = train(model, changed, tmp_path / 'run', epochs=4, **options)
    ours = (tmp_path / 'run' / 'model.safetensors').read_bytes()
    assert ours == (finished / 'model.safetensors').read_bytes()
    before = json.loads((finished / 'metrics.json').read_text())
    wrong = before['metrics']['hamming_loss']
    assert result['metrics']['hamming_loss'] == pytest.approx(1 - wrong, abs=1e-6)


@pytest.mark.parametrize('threshold', ['tuned', 'per-label', 0.3])
def test_thresholds_come_from_valid(threshold, tmp_path, data, model, options):
    run = tmp_path / 'run'
    result = train(model, data, run, epochs=1, threshold=threshold, **options)
    about = json.loads((run / 'model.json').read_text())
    assert result['threshold'] == about['thresholds'].get(threshold, threshold)
    assert evaluate(run)['metrics'] == pytest.approx(result['metrics'], nan_ok=True)
    if threshold == 'tuned':
        valid = [
            evaluate(run, split='valid', threshold=t)['metrics']['f1_micro']
            for t in ('tuned', *np.linspace(0, 1, 21))
        ]
        assert valid[0] == max(valid)


def test_some_modalities_and_the_prior_graph(tmp_path, options):
    folder, data = tmp_path / 'run', tmp_path / 'data.h5'
    widths = {'text': 5, 'audio': 4}
    synthesize(data, num_samples=60, modalities=widths, num_labels=3, missing=0).close()
    model = partial(HHMPN, hidden_channels=8, num_steps=1, label_graph='prior')
    train(model, data, folder, modalities=['text'], epochs=1, **options)
    run = load_run(folder)
    assert run.in_channels == {'text': 5}
    assert run.left_out == ['audio']
    with h5py.File(data) as file:
        y = file['labels'][()][file['split'].asstr()[()] == 'train'].astype(float)
    edges = {  # By its definition: often enough together, or the same.
        (k, i)
        for k in range(3)
        for i in range(3)
        if k == i
        or (y[:, k] @ y[:, i]) / math.sqrt(y[:, k].sum() * y[:, i].sum()) >= 0.2
    }
    assert set(zip(*run.model.prior.label_graph().tolist(), strict=True)) == edges
    before = json.loads((folder / 'metrics.json').read_text())['metrics']
    assert evaluate(folder)['metrics'] == pytest.approx(before, nan_ok=True)


def test_foreign_layers_come_back(tmp_path, data, options):
    model = partial(
        HHMPN,
        hidden_channels=8,
        num_steps=1,
        f2l=partial(GATv2Conv, heads=1),
        l2l=False,
    )
    train(model, data, tmp_path / 'run', epochs=1, **options)
    run = load_run(tmp_path / 'run')
    convs = [m for m in run.model.modules() if isinstance(m, GATv2Conv)]
    assert len(convs) == 1
    saved = load_file(tmp_path / 'run' / 'model.safetensors')
    state = run.model.state_dict()
    for name, value in saved.items():  # A weight with several names has one here.
        assert value.equal(state[name]), name
    assert any('convs' in name and 'att' in name for name in saved)


def test_other_processes_load_the_same(finished, tmp_path, data, model, options):
    train(model, data, tmp_path / 'run', epochs=4, num_workers=1, **options)
    assert history(tmp_path / 'run') == history(finished)


def test_global_state_stays(tmp_path, data, model, options):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    expected = draw()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    level = logging.getLogger('pytorch_lightning').level
    filters = list(warnings.filters)
    train(model, data, tmp_path / 'run', epochs=1, **options)
    assert draw() == expected
    assert logging.getLogger('pytorch_lightning').level == level
    assert warnings.filters == filters


def test_training_is_silent(tmp_path, data, model, options, capfd, recwarn):
    train(model, data, tmp_path / 'run', epochs=1, threshold='tuned', **options)
    assert capfd.readouterr() == ('', '')
    assert not recwarn.list


def test_progress_is_one_line(tmp_path, data, model, options, capfd, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    train(
        model, data, tmp_path / 'run', epochs=2, callbacks=[ProgressLine()], **options
    )
    out, err = capfd.readouterr()
    assert not out
    assert 'epoch 2/2' in err
    assert 'valid f1_micro' in err


def test_progress_ends_with_an_interruption(
    tmp_path, data, model, options, monkeypatch
):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    stopped = []
    original = ProgressLine.on_exception

    def on_exception(self, *args):
        original(self, *args)
        stopped.append(self.bar.live.is_started)

    monkeypatch.setattr(ProgressLine, 'on_exception', on_exception)
    interrupt_at(monkeypatch, 1, 0)
    with pytest.raises(KeyboardInterrupt):
        train(
            model,
            data,
            tmp_path / 'run',
            epochs=2,
            callbacks=[ProgressLine()],
            **options,
        )
    assert stopped == [False]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'epochs': 0}, "'epochs' is at least 1"),
        ({'learning_rate': 0.0}, "'learning_rate' is above 0"),
        ({'weight_decay': -1.0}, 'not negative'),
        ({'warmup': 2.0}, r'in \[0, 1\]'),
        ({'threshold': 'best'}, "'tuned' or 'per-label'"),
        ({'threshold': 1.5}, r'in \[0, 1\]'),
        ({'optimizer': 'sgd'}, "'adam', 'adamw'"),
        ({'model': partial(HHMPN, label_graph='full')}, "'complete', 'prior'"),
        ({'modalities': ['text', 'smell']}, 'smell'),
        ({'modalities': ['text']}, r"have no item in \['text'\]"),
        ({'device': 'tpu'}, "'device' is one of"),
        ({'precision': 'bf16-mixed'}, "'fp32', 'fp16', 'bf16'"),
        ({'precision': 'fp16'}, r"fp32 or bf16 on a CPU \(got 'fp16'\)"),
        ({'data': 'synthtic'}, "did you mean 'synthetic'"),
        ({'data': 'none.h5'}, 'no store'),
        ({'model': lambda widths, labels: None}, 'cannot be imported by name'),
        ({'model': partial(HHMPN, hidden=3)}, "cannot make a .*'hidden'"),
        ({'model': dict}, 'cannot make a builtins.dict'),
    ],
)
def test_bad_input_leaves_nothing(change, message, tmp_path, data, model, options):
    arguments = {'model': model, 'data': data, **options, **change}
    with pytest.raises(InputError, match=message):
        train(out=tmp_path / 'run', **arguments)
    assert not any(tmp_path.iterdir())


def test_folder_that_holds_something_is_refused(tmp_path, data, model):
    (tmp_path / 'mine.txt').write_text('')
    with pytest.raises(InputError, match=r'not empty.*`resume\('):
        train(model, data, tmp_path)
    with pytest.raises(InputError, match='is a file'):
        train(model, data, tmp_path / 'mine.txt')
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']


@pytest.mark.parametrize('value', [np.nan, -np.inf])
def test_features_that_are_not_finite_are_refused(value, tmp_path, data, model):
    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    with h5py.File(bad, 'r+') as file:
        file['features/audio/values'][:2, 0] = value
        del file['features/audio/non_finite']
    with pytest.raises(InputError, match=r"'audio'.* 2 values.*`clean='zero'`"):
        train(model, bad, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_divergence_is_told(tmp_path, data, model, monkeypatch):
    original = MultilabelModule.training_step

    def step(self, batch, batch_idx):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.fill_(math.nan)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)
    with pytest.raises(InputError, match='diverged in epoch 1'):
        train(model, data, tmp_path / 'run', epochs=1, device='cpu')


def test_prior_graph_comes_from_training_labels_alone(data, tmp_path, options):
    changed = tmp_path / 'changed.h5'
    shutil.copy(data, changed)
    with h5py.File(changed, 'r+') as file:
        held_out = file['split'].asstr()[()] != 'train'
        file['labels'][...] = np.where(held_out[:, None], 1, file['labels'][()])
    graphs = []
    for path in (data, changed):
        model = partial(HHMPN, hidden_channels=4, num_steps=1, label_graph='prior')
        train(model, path, tmp_path / path.stem, epochs=1, **options)
        graphs.append(load_run(tmp_path / path.stem).model.prior.label_graph())
    assert graphs[0].equal(graphs[1])
