"""Numbers that float32 cannot compute with never become predictions."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.loader import StoreDataset
from hetero_mmer.run import load_run, predict
from hetero_mmer.run.score import predicted
from hetero_mmer.store import Store
from hetero_mmer.training import train
from hetero_mmer.training.multilabel_module import MultilabelModule


@pytest.fixture
def spoilt(data, tmp_path):
    """A function that copies the store with one large value in some sample."""

    def spoil(row, value):
        path = tmp_path / f'{row}.h5'
        path.write_bytes(data.read_bytes())
        with Store(path) as store:
            ptr = store.ptr['audio']
            row = next(i for i in range(row, -1, -1) if ptr[i] < ptr[i + 1])
            name, first = str(store.ids[row]), int(ptr[row])
        with h5py.File(path, 'r+') as file:
            file['features/audio/values'][first, 2] = value
            for bound in ('minimum', 'maximum'):
                values = file['features/audio/values'][()]
                file[f'features/audio/{bound}'][()] = getattr(np, bound[:3])(values, 0)
        return path, name

    return spoil


@pytest.mark.parametrize('value', [1e30, -5e17])
def test_predict_writes_nothing(finished, spoilt, value, tmp_path, capsys):
    path, name = spoilt(70, value)
    output = tmp_path / 'out.csv'
    assert main(['predict', str(finished), str(path), '--output', str(output)]) == 2
    message = capsys.readouterr().err
    assert f"sample '{name}', column 2" in message
    assert "'audio'" in message
    assert f'{value:.4g}' in message
    assert not output.exists()


@pytest.mark.parametrize('split', ['valid', 'test'])
def test_no_run_begins(data, spoilt, model, options, split, tmp_path):
    with Store(data) as store:
        row = int(store.rows(split)[-1])
    path, name = spoilt(row, 1e25)
    with pytest.raises(InputError, match=f"'{name}'"):
        train(model, path, tmp_path / 'run', epochs=1, **options)
    assert not (tmp_path / 'run').exists()


def test_validate_finds_it(spoilt, capsys):
    path, name = spoilt(33, 4e12)
    assert main(['data', 'validate', str(path)]) == 2
    assert f"4e+12 in sample '{name}', column 2" in capsys.readouterr().out


def test_probabilities_that_are_not_finite_are_not_written(
    finished, data, tmp_path, monkeypatch
):
    """Whatever the cause, here one that lies in the model."""
    run = load_run(finished)
    forward = run.model.forward

    def spoil(batch):
        out = forward(batch)
        probs = out.probs.clone()
        wrong = [i for i, name in enumerate(batch.sample_id) if name in chosen]
        probs[wrong, 1] = math.inf
        return out._replace(probs=probs)

    monkeypatch.setattr(run.model, 'forward', spoil)
    with Store(data) as store:
        names = store.ids.tolist()
    chosen = {names[i] for i in (4, 40, 41, 79)}
    with pytest.raises(InputError, match='HHMPN gives 4 of 80 samples') as error:
        predict(run, data, tmp_path / 'out.csv', batch_size=7, device='cpu')
    assert f"'{names[4]}', '{names[40]}', '{names[41]}' and 1 others" in str(
        error.value
    )
    assert not (tmp_path / 'out.csv').exists()
    chosen = set()
    with Store(data) as store:
        samples = StoreDataset(store, [3, 5])
        assert predicted(run.model, samples, 1, torch.device('cpu')).probs.shape == (
            2,
            3,
        )


@pytest.mark.parametrize('look_every', [None, 1, 64])
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_loss_is_looked_at_in_every_step(
    data, model, options, tmp_path, monkeypatch, value, look_every
):
    """On a CPU at once, on a GPU later, but before anything is kept."""
    steps = []
    original, look = MultilabelModule._step, MultilabelModule._check_losses

    def spoil(self, batch, stage):
        out, parts = original(self, batch, stage)
        if stage == 'train':
            steps.append(list(batch.sample_id))
            if len(steps) == 5:
                parts = {**parts, 'total': parts['total'] + value}
        return out, parts

    def later(self):
        if len(self._losses) == look_every or self.trainer.validating:
            look(self)

    monkeypatch.setattr(MultilabelModule, '_step', spoil)
    if look_every:
        monkeypatch.setattr(MultilabelModule, '_check_losses', later)
    run = tmp_path / 'run'
    with pytest.raises(InputError, match='diverged in epoch 2') as error:
        train(model, data, run, epochs=4, **options)
    some = ', '.join(f"'{name}'" for name in steps[4][:3])
    assert f'the loss is {value} at step 2 (samples {some} and 13 others)' in str(
        error.value
    )
    assert len(steps) == (6 if look_every == 64 else 5)
    history = (run / 'metrics.csv').read_text().splitlines()
    assert len(history) == 2  # The header and the epoch before.
