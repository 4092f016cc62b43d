"""What needs no torch is told before it is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hetero_mmer.datasets import synthesize

#: Runs each command line and says what was imported by then.
EACH = """
import json, sys
from hetero_mmer.cli import main
heavy = {'torch', 'torch_geometric', 'pytorch_lightning', 'torchmetrics', 'scipy'}
for words in json.load(sys.stdin):
    status = main(words)
    print('ended', status, sorted(heavy & set(sys.modules)), flush=True)
"""


def run(code, folder, text=''):
    done = subprocess.run(
        [sys.executable, '-c', code],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert 'Traceback' not in done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.fixture
def folder(tmp_path):
    with synthesize(
        *(tmp_path / 'a.h5',), num_samples=9, modalities={'text': 2}, num_labels=2
    ):
        pass
    (tmp_path / 'begun').mkdir()
    (tmp_path / 'begun' / 'config.yaml').write_text('model: HHMPN\ndata: none.h5')
    (tmp_path / 'file').touch()
    (tmp_path / 'bad.yaml').write_text('epoch: 3')
    (tmp_path / 'own.yaml').write_text('model: no_pkg.Model\ndata: a.h5\nout: run')
    (tmp_path / 'typo.yaml').write_text('model: HHMPM\ndata: a.h5\nout: run')
    (tmp_path / 'bad.h5').write_text('no HDF5')
    return tmp_path


ERRORS = {
    'train --model HHMPM --data a.h5 --out run': "did you mean 'HHMPN'?",
    'train --model hetero_mmer.models.HHMPM --out run': "did you mean 'HHMPN'?",
    'train --model no_pkg.Model --data a.h5 --out run': "No module named 'no_pkg'",
    'train --recipe typo.yaml': "did you mean 'HHMPN'?",
    'train --recipe own.yaml': "'own.yaml' would run 'no_pkg.Model', but",
    'train --recipe own.yaml --trust': "No module named 'no_pkg'",
    'train --recipe hhmpn_mosi': "did you mean 'hhmpn_mosei'?",
    'train --recipe bad.yaml': "unknown option 'epoch'",
    'train --recipe hhmpn_mosei': 'missing arguments: data, out',
    'train': 'missing arguments: model, data, out',
    'train --model HHMPN --epoch 3': "did you mean '--epochs'?",
    'train --model HHMPN --data a.h5 --out run --epochs many': 'is a whole number',
    'train --model HHMPN --data a.h5 --out run --epochs 0': 'at least 1',
    'train --model HHMPN --data a.h5 --out run --device cuda:1': "or 'cuda' or 'mps'",
    'train --model HHMPN --data a.h5 --out run --device gpu': "or 'cuda' or 'mps'",
    'train --model HHMPN --data a.h5 --out begun': 'is not empty',
    'train --model HHMPN --data a.h5 --out file': 'is a file',
    'train --model HHMPN --data none.h5 --out run': "no store 'none.h5'",
    'train --model HHMPN --data none.h5 --out run --model.num_steps 2': 'no store',
    'train --model HHMPN --data bad.h5 --out run': 'not HDF5',
    'train --model HHMPN --data a.h5 --out run --modalities [txt]': "['text'] (got",
    'train --model HHMPN --data music_emotion --out run': "'music_emotions'?",
    'train --resume nowhere': "no run in 'nowhere'",
    'train --resume begun': '--data PATH` goes on',
    'train --resume begun --data other.h5': "/other.h5'",
    'train --resume begun --epochs 3': "'--epochs' with --resume",
    'evaluate': 'missing arguments: run',
    'evaluate nowhere': "no run in 'nowhere'",
    'evaluate begun': 'has not finished',
    'evaluate nowhere --splitt test': "did you mean '--split'?",
    'evaluate nowhere --threshold best': "'--threshold' is a number",
    'predict nowhere a.h5 --output b.csv': "no run in 'nowhere'",
    'predict nowhere a.h5 --output file --batch 3': "did you mean '--batch_size'?",
    'predict nowhere a.h5 --output bad.yaml': 'holds no predictions',
    'data convert cvs a --output b': "did you mean 'csv'?",
    'data describe none.h5': "no store 'none.h5'",
    'data validate bda.h5': "no store 'bda.h5'; did you mean 'bad.h5'?",
    'data validate bad.h5': 'it is not HDF5 (',
    'data convert csv bad.yml --output b.h5': "did you mean 'bad.yaml'?",
    'evaluate begn': "did you mean 'begun'?",
    'data validate bad.h5 --rot x': "did you mean '--root'?",
    'data split a.h5 --output bad.yaml': 'is no split file',
    'data split a.h5 --folds 50 --output b.csv': '9 samples are too few',
}
HELPS = [
    *('train', 'train --recipe hhmpn_mosei', 'evaluate', 'predict', 'data convert'),
    *(
        'data split',
        'data convert csv',
        'data list',
        'data describe',
        'data validate',
        'data fetch',
    ),
]


def test_errors(folder):
    before = sorted(folder.rglob('*'))
    out, err = run(EACH, folder, json.dumps([words.split() for words in ERRORS]))
    assert len(err) == len(ERRORS)
    for (words, message), line in zip(ERRORS.items(), err, strict=True):
        assert line.startswith('hetero-mmer: error: '), words
        assert message in line, words
    assert out == ['ended 2 []'] * len(ERRORS)
    assert sorted(folder.rglob('*')) == before


def test_an_absent_device(folder):
    # What PyTorch itself would say, which is imported here alone.
    import torch

    there = {'cuda': torch.cuda.is_available()}
    there['mps'] = torch.backends.mps.is_available()
    absent = [name for name, is_there in there.items() if not is_there]
    words = [
        f'train --model HHMPN --data a.h5 --out run --device {name}' for name in absent
    ]
    out, err = run(EACH, folder, json.dumps([line.split() for line in words]))
    for name, line in zip(absent, err, strict=True):
        assert f"no device '{name}'" in line
    if sys.platform == 'linux' and 'mps' in absent:
        assert out[absent.index('mps')] == 'ended 2 []'


def test_help(folder):
    words = [[*command.split(), '--help'] for command in HELPS]
    out, err = run(EACH, folder, json.dumps(words))
    assert [line for line in out if line.startswith('ended ')] == ['ended 0 []'] * len(
        HELPS
    )
    assert sum(line.startswith('usage: ') for line in out) == len(HELPS)
    assert '--patience' in '\n'.join(out)
    assert not err


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    from functools import partial

    from hetero_mmer.models import HHMPN
    from hetero_mmer.training import train

    folder = tmp_path_factory.mktemp('finished')
    with synthesize(folder / 'a.h5', num_samples=30, modalities={'text': 2}):
        pass
    model = partial(HHMPN, hidden_channels=4, num_steps=1)
    train(model, folder / 'a.h5', folder / 'run', epochs=1, device='cpu')
    return folder


def test_models_are_used_without_what_trains_them(finished):
    code = """
import sys
from hetero_mmer.run import load_run, predict
load_run('run').predict({'text': [[1.0, 2.0]]})
predict('run', 'a.h5', 'b.csv')
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""
    out, err = run(code, finished)
    names = set(out[-1].split())
    assert {'torch', 'torch_geometric'} <= names
    assert not names & {
        *('pytorch_lightning', 'lightning', 'lightning_fabric', 'torchmetrics'),
        'tensorboard',
    }
    assert not err


def test_data_that_do_not_fit_a_run(finished):
    with synthesize(finished / 'other.h5', num_samples=9, modalities={'audio': 2}):
        pass
    words = [
        ['predict', 'run', 'other.h5', '--output', 'c.csv'],
        ['evaluate', 'run', '--data', 'other.h5'],
    ]
    out, err = run(EACH, finished, json.dumps(words))
    assert out == ['ended 2 []'] * 2
    assert len(err) == 2
    assert all("needs modality 'text'" in line for line in err)


def test_public_names_are_there():
    from hetero_mmer import models, training

    for module in (training, models):
        assert all(getattr(module, name) for name in module.__all__)
        assert not hasattr(module, 'Nothing')
    assert set(dir(models)) == set(models.__all__) == {'CARAT', 'HHMPN'}
