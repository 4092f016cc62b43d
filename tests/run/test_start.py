from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from hetero_mmer.datasets import synthesize
from hetero_mmer.errors import InputError
from hetero_mmer.metrics import MultilabelMetrics
from hetero_mmer.models import HHMPN
from hetero_mmer.run import files
from hetero_mmer.run.checkpoint import recorded
from hetero_mmer.run.start import MAY_DIFFER, check_resumed, start_of
from hetero_mmer.store import ModalitySpec, StoreWriter
from hetero_mmer.training import MultilabelModule, recorder, resume, train
from hetero_mmer.training.recorder import Recorder


def stop(monkeypatch, epoch):
    """Ends a training in the middle of an epoch."""
    original = MultilabelModule.training_step

    def step(self, data, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, 1):
            raise KeyboardInterrupt
        return original(self, data, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)


def stopped(folder, epoch, model, data, options, **more):
    with pytest.MonkeyPatch.context() as patch:
        stop(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, folder, epochs=3, **{**options, **more})
    return folder


@pytest.fixture(scope='module', params=[0, 1])
def unfinished(request, tmp_path_factory, data, model, options):
    """Runs that were stopped before and after their first checkpoint."""
    folder = tmp_path_factory.mktemp('unfinished') / 'run'
    stopped(folder, request.param, model, data, options)
    assert (folder / 'checkpoints/last.ckpt').exists() == bool(request.param)
    assert (folder / 'checkpoints/start.yaml').exists() != bool(request.param)
    return folder


def edit(folder, change):
    path = folder / 'config.yaml'
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))


def edits(**options):
    return lambda config: config.update(options)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (edits(seed=7), "'seed' 0, but its config.yaml has 7"),
        (edits(batch_size=8), "'batch_size' 16, .* 8 now"),
        (edits(learning_rate='1e-3'), "'learning_rate' 0.02, .* 1e-3 now"),
        (edits(epochs=4), "'epochs' 3, .* 4 now"),
        (edits(epochs=3.0), r"'epochs' 3, .* 3\.0 now"),
        (edits(seed=False), "'seed' 0, .* False now"),
        (edits(standardize=0), "'standardize' False, .* 0 now"),
        (edits(batch_size='16'), "'batch_size' 16, .* '16' now"),
        (edits(num_workers=-1), r"'num_workers' is not negative \(got -1\)"),
        (edits(num_workers='x'), r"'num_workers' in .*config\.yaml' is a whole number"),
        (edits(num_workers=1.0), r"'num_workers' in .* \(got 1\.0\)"),
        (edits(num_workers=10**6), "'num_workers' is at most 1024"),
        (edits(device=['cpu']), "'device' in .* is one of"),
        (edits(data=3), "'data' in .* is text"),
        (edits(root=[]), "'root' in .* is text"),
        (edits(model='HHMPN'), r'config\.yaml. is names with values'),
        (
            lambda c: c['model'].update(class_path='os.system'),
            r"config\.yaml' would run 'os\.system'",
        ),
        (
            lambda c: c['model']['init_args'].update(f2l={'class_path': 'a.B'}),
            r"config\.yaml' would run 'a\.B'",
        ),
        (
            lambda c: c['model']['init_args'].update(num_steps=True),
            r"'model\.num_steps' 2, .* True now",
        ),
        (edits(modalities=['text']), r"'modalities' None, .* \['text'\] now"),
        (edits(monitor='map'), "'monitor' f1_micro, .* map now"),
        (edits(precision='bf16'), "'precision' fp32, .* bf16 now"),
        (lambda c: c.pop('batch_size'), "'batch_size' 16, .* 64 now"),
        (
            lambda c: c['model']['init_args'].update(dropout=0.1),
            r"'model\.dropout' 0\.3, .* 0\.1 now",
        ),
        (
            lambda c: c['model']['init_args'].pop('num_steps'),
            r"'model\.num_steps' 2, .* nothing now",
        ),
        (
            lambda c: c['model'].update(class_path='CARAT', init_args={}),
            r"'model\.class_path' hetero_mmer\.models\.HHMPN, .* CARAT now",
        ),
    ],
)
def test_an_option_that_changed_is_refused_by_name(
    change, message, unfinished, tmp_path
):
    folder = tmp_path / 'run'
    shutil.copytree(unfinished, folder)
    edit(folder, change)
    before = {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}
    with pytest.raises(InputError, match=message):
        resume(folder)
    assert {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()} == before


def test_data_that_changed_are_told_before_what_they_would_break(
    unfinished, tmp_path, data
):
    folder, other = tmp_path / 'run', tmp_path / 'other.h5'
    with synthesize(other, num_samples=60, modalities={'text': 5}, num_labels=4):
        pass
    shutil.copytree(unfinished, folder)
    edit(folder, edits(data=str(other)))
    with pytest.raises(InputError, match=r'the data of the run .* have changed'):
        resume(folder)


def test_where_things_lie_may_change(tmp_path, finished, data, model, options):
    assert set(MAY_DIFFER) == {'data', 'root', 'device', 'num_workers'}
    folder = stopped(tmp_path / 'run', 2, model, data, options)
    moved = tmp_path / 'moved.h5'
    shutil.copy(data, moved)
    change = edits(data=str(moved), root=str(tmp_path), device='auto', num_workers=1)
    edit(folder, change)
    resume(folder)
    whole = tmp_path / 'whole'
    train(model, data, whole, epochs=3, **options)
    for name in ('model.safetensors', 'predictions_test.csv'):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_of_an_older_version_goes_on(tmp_path, data, model, options):
    folder = stopped(tmp_path / 'run', 2, model, data, options)
    path = folder / 'checkpoints' / 'last.ckpt'
    state = torch.load(path, weights_only=True)
    del state['callbacks']['Recorder']['options']
    torch.save(state, path)
    edit(folder, lambda config: config.pop('monitor'))
    resume(folder)
    early = stopped(tmp_path / 'early', 0, model, data, options)
    (early / 'checkpoints' / 'start.yaml').unlink()
    resume(early)
    expected = (folder / 'model.safetensors').read_bytes()
    assert (early / 'model.safetensors').read_bytes() == expected


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (edits(epochs=12.0), r"'epochs' in .*config\.yaml' is a whole number .*12\.0"),
        (edits(seed=False), "'seed' in .* is a whole number .*False"),
        (edits(learning_rate=float('nan')), "'learning_rate' is above 0"),
        (edits(weight_decay=float('nan')), "'weight_decay' is not negative"),
        (edits(warmup='x'), "'warmup' in .* is a number"),
        (edits(precision='64-true'), "'precision' in .* is one of"),
    ],
)
def test_a_run_that_kept_no_options_is_checked_as_well(
    change, message, tmp_path, data, model, options
):
    folder = stopped(tmp_path / 'run', 0, model, data, options)
    (folder / 'checkpoints' / 'start.yaml').unlink()
    edit(folder, change)
    with pytest.raises(InputError, match=message):
        resume(folder)


@pytest.mark.parametrize('name', ['32-true', '32', 32])
def test_lightnings_names_of_older_runs_go_on(name, tmp_path, data, model, options):
    folder = stopped(tmp_path / 'run', 0, model, data, options)
    edit(folder, edits(precision=name))
    assert resume(folder)['num_samples'] == 20


def test_a_damaged_start_is_told(tmp_path, data, model, options):
    folder = stopped(tmp_path / 'run', 0, model, data, options)
    for text, message in (
        ('[]', r"start\.yaml' is names with values"),
        ('sha256: 3\noptions: {}', r"'sha256' in .*start\.yaml' is text"),
        ('options: {}', r"no 'sha256' in .*start\.yaml'"),
    ):
        (folder / 'checkpoints' / 'start.yaml').write_text(text)
        with pytest.raises(InputError, match=message):
            resume(folder)


def test_a_damaged_record_in_a_checkpoint_is_told(tmp_path, data, model, options):
    folder = stopped(tmp_path / 'run', 1, model, data, options)
    path = folder / files.CHECKPOINT
    state = torch.load(path, weights_only=True)
    kept = state['callbacks']['Recorder']
    for change, message in (
        ({'rows': 3}, "'rows' in the checkpoint is a list"),
        ({'rows': [{'seconds': 'x'}]}, r"'rows\[0\]\.seconds'"),
        ({'best_epoch': 2}, r"'best_epoch' .* is one of 1 epochs \(got 2\)"),
        ({'best_epoch': -1}, "'best_epoch' in the checkpoint is a whole number"),
        ({'sha256': None}, "'sha256' in the checkpoint is text"),
        ({'options': []}, "'options' in the checkpoint"),
        ({'more': 1}, "unknown key 'more'"),
    ):
        state['callbacks']['Recorder'] = {**kept, **change}
        torch.save(state, path)
        with pytest.raises(InputError, match=message):
            resume(folder)


@pytest.mark.parametrize('monitor', ['last', 'f1_micro'])
def test_a_checkpoint_that_does_not_fit_is_told(
    monitor, tmp_path, data, model, options
):
    folder = stopped(tmp_path / 'run', 1, model, data, options, monitor=monitor)
    path = folder / files.CHECKPOINT
    state = torch.load(path, weights_only=True)
    name = next(iter(state['state_dict']))
    (adam,) = state['optimizer_states']
    odd_states = [
        {i: {**one, 'exp_avg': value} for i, one in adam['state'].items()}
        for value in (None, torch.zeros(3, 7, 1))
    ]
    for key, value in (
        ('state_dict', None),
        ('state_dict', {**state['state_dict'], name: torch.zeros(1)}),
        ('state_dict', {**state['state_dict'], name: 'x'}),
        ('optimizer_states', None),
        *(('optimizer_states', [{**adam, 'state': s}]) for s in odd_states),
        ('lr_schedulers', [{'x': 1}]),
        ('loops', []),
        ('pytorch-lightning_version', 3),
    ):
        torch.save({**state, key: value}, path)
        with pytest.raises(InputError, match=r"last\.ckpt' is damaged, or none of"):
            resume(folder)
    torch.save(state, path)
    resume(folder)


def test_options_that_are_younger_than_the_run_have_their_defaults(tmp_path):
    before, now = {'seed': 1}, {'seed': 1, 'new': 5}
    kept = start_of(before, 'a')
    check_resumed(tmp_path, start_of(now, 'a'), {**kept, 'best_epoch': 0}, {'new': 5})
    with pytest.raises(InputError, match=r"'new' 4, .* 5 now"):
        check_resumed(
            tmp_path, start_of(now, 'a'), {**kept, 'best_epoch': 0}, {'new': 4}
        )


def test_options_that_python_alone_knows_are_kept_as_files_give_them(tmp_path):
    with StoreWriter(tmp_path / 'a.h5', {'t': ModalitySpec(2)}, ['x', 'y']) as w:
        for i in range(6):
            split = ['train', 'valid', 'test'][i % 3]
            w.add(f's{i}', {'t': np.ones((1, 2)) * i}, [i % 2, 1], split=split)
    options = {'modalities': ('t',), 'gradient_clip': float('inf'), 'device': 'cpu'}
    folder = stopped(
        *(tmp_path / 'run', 1, HHMPN, tmp_path / 'a.h5', options),
        batch_size=1,
        learning_rate=1e-3,
    )
    resume(folder)


def test_best_weights_that_are_gone_are_told_at_once(
    tmp_path, data, model, options, monkeypatch
):
    # The first epoch is the best: the checkpoint has the weights of the last one.
    monkeypatch.setattr(Recorder, '_score', lambda self, logged: -float(len(self.rows)))
    folder = stopped(tmp_path / 'run', 2, model, data, options)
    (folder / 'model.safetensors').unlink()
    with pytest.raises(InputError, match=r'model\.safetensors.* are missing'):
        resume(folder)


def test_a_key_that_is_given_twice_is_refused(unfinished, tmp_path):
    folder = tmp_path / 'run'
    shutil.copytree(unfinished, folder)
    with (folder / 'config.yaml').open('a') as file:
        file.write('seed: 0\n')
    with pytest.raises(InputError, match=r"'seed' is given twice in .*config\.yaml"):
        resume(folder)


@pytest.mark.parametrize('place', [1, 2])
def test_a_kill_leaves_no_weights_of_another_epoch(
    place, tmp_path, data, model, options, monkeypatch
):
    """Killed between the files of an epoch, resumed where no other one is better."""
    folder, calls = tmp_path / 'run', []
    save = recorder.save_weights

    def killed(*args):
        calls.append(args)
        if len(calls) == place:
            raise KeyboardInterrupt
        save(*args)

    with monkeypatch.context() as patch:
        patch.setattr(recorder, 'save_weights', killed)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, folder, epochs=9, monitor='map', seed=1, **options)
    state = torch.load(folder / files.CHECKPOINT, weights_only=True)
    epoch = len(recorded(state)['rows'])
    assert recorded(state)['best_epoch'] == epoch
    monkeypatch.setattr(Recorder, '_score', lambda self, logged: -2.0)
    assert resume(folder)['best_epoch'] == epoch
    for name, value in load_file(folder / files.WEIGHTS).items():
        assert value.equal(state['state_dict'][f'model.{name}']), name


def test_a_tuned_run_of_an_older_version_goes_on_choosing_at_a_half(
    tmp_path, data, model, options, monkeypatch
):
    folder = tmp_path / 'run'
    chosen = {'epochs': 4, 'threshold': 'tuned', **options}
    seen = []
    update = MultilabelMetrics.compute

    def compute(self):
        seen.append(self.threshold)
        return update(self)

    monkeypatch.setattr(MultilabelMetrics, 'compute', compute)
    for epoch in (1, 2):  # Twice, as what was chosen has to last.
        with monkeypatch.context() as patch:
            original = MultilabelModule.training_step

            def step(self, batch, i, stop=epoch, original=original):
                if self.current_epoch == stop:
                    raise KeyboardInterrupt
                return original(self, batch, i)

            patch.setattr(MultilabelModule, 'training_step', step)
            with pytest.raises(KeyboardInterrupt):
                train(model, data, folder, **chosen) if epoch == 1 else resume(folder)
        if epoch == 1:
            assert set(seen) == {'tuned'}
            state = torch.load(folder / files.CHECKPOINT, weights_only=True)
            kept = recorded(state)
            del kept['options'], kept['monitored_at']
            torch.save(state, folder / files.CHECKPOINT)
            seen.clear()
    assert resume(folder)['threshold'] != 0.5
    assert set(seen) == {0.5}
