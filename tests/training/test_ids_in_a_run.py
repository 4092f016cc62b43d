"""From a store of ids to a run and back."""

from __future__ import annotations

import csv
import json
import re
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Module

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.fusion import LatentSpace
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.store import ModalitySpec, StoreWriter
from hetero_mmer.training import train

SIZE = 12
MODELS = {
    'HHMPN': partial(HHMPN, hidden_channels=8, num_steps=2, dropout=0.0),
    'CARAT': partial(
        CARAT,
        hidden_channels=8,
        num_layers=1,
        heads=2,
        dropout=0.0,
        space=partial(LatentSpace, latent_channels=4),
        contrast=partial(ContrastiveMemory, queue_size=20),
    ),
}


class FeaturesOnly(Module):
    """A model that knows nothing of ids."""

    class Output(NamedTuple):
        probs: Tensor

    def __init__(self, in_channels, num_labels) -> None:
        super().__init__()
        self.lin = Linear(1, num_labels)

    def forward(self, batch):
        raise AssertionError('it is refused before')

    def loss(self, out, y):
        raise AssertionError('it is refused before')


def write(path, size=SIZE, *, ids=True, labelled=True, num_samples=240):
    """Words 0 to 2 tell the first label, 3 to 5 the second; the others are noise."""
    rng = np.random.default_rng(0)
    words = ModalitySpec(1, num_embeddings=size if ids else None)
    specs = {'words': words, 'audio': ModalitySpec(2)}
    splits = np.repeat(['train', 'valid', 'test'], num_samples // 3)
    with StoreWriter(path, specs, ['joy', 'fear'], labelled=labelled) as writer:
        for i, split in enumerate(splits):
            y = rng.integers(0, 2, 2)
            told = [3 * k + rng.integers(3) for k in np.flatnonzero(y)]
            tokens = rng.permutation([*told, *rng.integers(6, SIZE, 2)])
            features = {'words': tokens if ids else tokens[:, None].astype(float)}
            if i % 4:
                features['audio'] = rng.normal(size=(2, 2))
            if i % 9 == 7 and i % 4:  # A sample without words.
                del features['words']
            writer.add(f'song-{i}', features, y if labelled else None, split=split)
    return path


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp('ids') / 'songs.h5')


@pytest.fixture(scope='module', params=MODELS)
def finished(request, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs') / 'run'
    options = {'batch_size': 16, 'learning_rate': 0.02, 'device': 'cpu'}
    train(MODELS[request.param], data, folder, epochs=12, **options)
    return folder


def test_a_run_remembers_its_vocabulary(finished, data):
    about = json.loads((finished / 'model.json').read_text())
    assert about['modalities']['words']['num_embeddings'] == SIZE
    assert about['modalities']['audio']['num_embeddings'] is None
    assert 'num_embeddings' not in about['model']['init_args']
    run = load_run(finished)
    assert run.num_embeddings == {'words': SIZE}
    assert run.model.num_embeddings == {'words': SIZE}
    before = json.loads((finished / 'metrics.json').read_text())['metrics']
    assert evaluate(finished)['metrics'] == pytest.approx(before, nan_ok=True)
    if isinstance(run.model, HHMPN):  # So small a CARAT learns from no features.
        assert before['f1_micro'] > 0.8  # To say yes to everything gives 0.67.


def test_a_run_predicts_new_samples(finished, tmp_path):
    new = write(tmp_path / 'new.h5', labelled=False, num_samples=6)
    out = predict(finished, new, tmp_path / 'out.csv')
    with open(out, newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['sample_id'] for row in rows] == [f'song-{i}' for i in range(6)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'size': SIZE + 1}, "0 to 11 for modality 'words' (got ids from 0 to 12"),
        ({'ids': False}, "expects ids from 0 to 11 for modality 'words' (got features"),
    ],
)
def test_stores_with_another_vocabulary_are_refused(
    finished, tmp_path, options, message
):
    other = write(tmp_path / 'other.h5', num_samples=6, **options)
    with pytest.raises(InputError, match=re.escape(message)):
        predict(finished, other, tmp_path / 'out.csv')


def test_a_run_on_features_refuses_ids(tmp_path, data):
    floats = write(tmp_path / 'floats.h5', ids=False)
    train(MODELS['HHMPN'], floats, tmp_path / 'run', epochs=1, device='cpu')
    with pytest.raises(InputError, match=r'expects features .*got ids from 0 to 11'):
        evaluate(tmp_path / 'run', data=data)


def test_a_model_that_reads_features_only_is_refused(tmp_path, data, monkeypatch):
    spec = {'class_path': 'own.FeaturesOnly', 'init_args': {}}
    monkeypatch.setattr('hetero_mmer.training.begin.to_spec', lambda model: spec)
    for place in ('run.build', 'training.fit'):
        monkeypatch.setattr(
            f'hetero_mmer.{place}.from_spec', lambda s, **_: FeaturesOnly
        )
    with pytest.raises(
        InputError, match=r"'words' are ids, but own\.FeaturesOnly reads features only"
    ):
        train(FeaturesOnly, data, tmp_path / 'run', device='cpu')
    assert not (tmp_path / 'run').exists()


def test_the_vocabulary_is_a_fact_of_the_data(tmp_path, data, capsys):
    model = partial(HHMPN, num_embeddings={'words': 99})
    with pytest.raises(InputError, match="'num_embeddings' of a model comes from the"):
        train(model, data, tmp_path / 'run')
    words = ['train', '--model', 'HHMPN', '--data', str(data), '--out', str(tmp_path)]
    assert main([*words, '--model.num_embeddings', '{words: 99}']) == 2
    assert "model HHMPN has no option 'num_embeddings'" in capsys.readouterr().err
    assert main(['train', '--model', 'HHMPN', '--help']) == 0
    assert 'num_embeddings' not in capsys.readouterr().out


def test_from_the_command_line(tmp_path, data):
    """A run repeats itself from its config.yaml, which does not name a vocabulary."""
    small = ['--model.hidden_channels', '8', '--epochs', '1', '--device', 'cpu']
    first, again = tmp_path / 'first', tmp_path / 'again'
    words = ['train', '--model', 'HHMPN', '--data', str(data), '--out', str(first)]
    assert main([*words, *small]) == 0
    assert main(['train', '--recipe', f'{first}/config.yaml', '--out', str(again)]) == 0
    weights = [load_run(folder).model.state_dict() for folder in (first, again)]
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    assert main(['data', 'describe', str(data)]) == 0
