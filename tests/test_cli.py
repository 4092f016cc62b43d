from __future__ import annotations

import contextlib
import csv
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from hetero_mmer.cli import main
from hetero_mmer.datasets import DATA_SETS, synthesize
from hetero_mmer.store import ModalitySpec, StoreWriter
from hetero_mmer.training import MultilabelModule

SMALL = [
    *('--model', 'HHMPN', '--model.hidden_channels', '8', '--model.num_steps=1'),
    *('--batch_size', '16', '--device', 'cpu'),
]

OWN_MODEL = '''
from __future__ import annotations
from collections.abc import Callable
from typing import NamedTuple
import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch_geometric.data import HeteroData

class Output(NamedTuple):
    probs: Tensor

class MyModel(Module):
    """Reads how many items there are.

    Args:
        in_channels: Widths.
        num_labels: Labels.
        bias: Whether there is a bias.
        layer: What reads.
    """
    def __init__(self, in_channels: dict[str, int], num_labels: int, *,
                 bias: bool = True,
                 layer: Callable[[int, int], Module] = Linear) -> None:
        super().__init__()
        assert bias is False
        self.names = list(in_channels)
        self.lin = layer(len(in_channels), num_labels)

    def forward(self, data: HeteroData) -> Output:
        counts = [torch.diff(data[m].ptr).float() for m in self.names]
        return Output(self.lin(torch.stack(counts, dim=1)).sigmoid())

    def loss(self, out: Output, y: Tensor) -> dict[str, Tensor]:
        return {'total': torch.nn.functional.binary_cross_entropy(out.probs, y)}
'''


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp('data') / 'small.h5'
    widths = {'text': 5, 'audio': 4}
    synthesize(path, num_samples=60, modalities=widths, num_labels=3, lengths=(1, 4))
    return path


@pytest.fixture(scope='module')
def finished(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp('runs') / 'finished'
    words = ['train', *SMALL, '--data', str(data), '--out', str(folder)]
    assert main([*words, '--epochs', '2']) == 0
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))


@pytest.fixture
def fails(capsys):
    """Runs words that must fail in one sentence, and returns it."""

    def run(*words):
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith('hetero-mmer: error: ')
        assert err.count('\n') == 1
        assert len(err) < 500
        return err

    return run


def table(text):
    """Rows of a table that was printed, as a dict."""
    cells = re.findall(r'│ (\S+) +│ ([^│]*?) *│', text)
    return dict(cells)


def test_help_answers_without_heavy_imports():
    code = (
        'import sys; from hetero_mmer.cli import main; main(["--help"]); '
        'print(sorted({"torch", "jsonargparse", "numpy", "rich"} & set(sys.modules)))'
    )
    start = time.perf_counter()
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert time.perf_counter() - start < 1
    assert run.stdout.startswith('usage: hetero-mmer COMMAND')
    assert run.stdout.splitlines()[-1] == '[]'


def test_a_store_is_described_without_torch(data):
    code = (
        'import sys; from hetero_mmer.cli import main; '
        f'main(["data", "describe", {str(data)!r}]); '
        'print(sorted({"torch", "torch_geometric", "scipy"} & set(sys.modules)))'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == '[]'


def test_help_and_version(capsys):
    assert main(['--version']) == 0
    assert re.fullmatch(r'hetero-mmer \d+\.\d+\.\d+\S*\n', capsys.readouterr().out)
    for words in ([], ['data']):
        assert main(words) == 2
        assert main([*words, '--help']) == 0
        assert capsys.readouterr().out.count('data validate') == 2


@pytest.mark.parametrize(
    'command',
    [
        *('train', 'evaluate', 'predict', 'data list', 'data convert', 'data fetch'),
        *('data describe', 'data validate', 'data split', 'recipes'),
    ],
)
def test_help_of_a_command(command, capsys):
    assert main([*command.split(), '--help']) == 0
    out = capsys.readouterr().out
    assert out.startswith(f'usage: hetero-mmer {command}')
    assert 'known subclasses' not in out
    assert len(out) < 9000


def test_help_of_train_explains_each_option(capsys):
    main(['train', '--help'])
    out = ' '.join(capsys.readouterr().out.split())
    assert 'Epochs without improvement after which training stops' in out
    assert '`hetero-mmer recipes` lists them' in out
    assert '--in_channels' not in out
    for words in (['--model.help', 'HHMPN'], ['--model', 'HHMPN', '--help']):
        assert main(['train', *words]) == 0
        out = capsys.readouterr().out
        assert '--model.num_steps' in out
        assert 'known subclasses' not in out
        assert ':math:' not in out
        assert 'in_channels' not in out
        assert 'num_labels' not in out


def test_data_list(capsys, tmp_path):
    assert main(['data', 'list', '--root', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert 'synthetic' in out
    assert re.search('music.emotions', out)
    assert not list(tmp_path.iterdir())


def run_in_process(words, **env):
    """Runs words in a process whose output is a pipe, and returns it as bytes."""
    path = os.pathsep.join(sys.path)
    run = subprocess.run(
        [sys.executable, '-m', 'hetero_mmer', *map(str, words)],
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': path, **env},
    )
    assert not run.stderr
    assert run.returncode == 0
    return run.stdout


@pytest.mark.parametrize(
    'env',
    [
        {'COLUMNS': '40'},
        {'TERM': 'dumb', 'COLUMNS': '20'},
        {'NO_COLOR': '1'},
        {'FORCE_COLOR': '1', 'TTY_COMPATIBLE': '1'},
    ],
)
def test_tables_are_whole_and_plain_when_piped(env):
    extractor = ' '.join(f'word{i}' for i in range(60))
    specs = {f'modality{i}': ModalitySpec(1, extractor=extractor) for i in range(12)}
    with StoreWriter('a.h5', specs, ['joy'], source='s' * 300) as w:
        w.add('a', {m: [[1.0]] for m in specs}, [1])
    lines = run_in_process(['data', 'describe', 'a.h5'], **env).decode().splitlines()
    assert lines[2].split() == ['┃', 'store', '┃', 'a.h5', '┃']
    assert [line.count(extractor) for line in lines if 'word' in line] == [12]
    assert sum('s' * 300 in line for line in lines) == 1
    assert not any('\x1b' in line or '…' in line for line in lines)


@pytest.mark.parametrize(
    'env',
    [
        {'LC_ALL': 'C'},
        {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'},
        {'PYTHONIOENCODING': 'latin-1'},
        {'PYTHONIOENCODING': 'ascii:strict'},
    ],
)
def test_tables_in_any_locale(env):
    with StoreWriter('a.h5', {'text': ModalitySpec(1)}, ['喜悦'], source='é') as w:
        w.add('a', {'text': [[1.0]]}, [0])
    for command in ('describe', 'validate'):  # Its label never occurs.
        out = run_in_process(['data', command, 'a.h5'], **env)
        assert b'?' not in out
        assert '喜悦'.encode() in out or rb'\u559c\u60a6' in out


def test_a_terminal_has_its_width():
    """Columns that do not fit go below the others, and nothing is longer."""
    pty = pytest.importorskip('pty')
    specs = {f'modality{i}': ModalitySpec(1) for i in range(10)}
    with StoreWriter('a.h5', specs, ['joy'], source='word ' * 60) as w:
        w.add('a', {m: [[1.0]] for m in specs}, [1])
    parent, child = pty.openpty()
    run = subprocess.run(
        [sys.executable, '-m', 'hetero_mmer', 'data', 'describe', 'a.h5'],
        stdout=child,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path), 'COLUMNS': '80'},
    )
    os.close(child)
    assert run.returncode == 0
    out = b''
    with contextlib.suppress(OSError):  # How Linux tells that all was read.
        while part := os.read(parent, 1 << 16):
            out += part
    os.close(parent)
    lines = out.decode().splitlines()
    assert 60 < max(map(len, lines)) <= 80
    assert sum('items per sample' in line for line in lines) > 1
    assert ' '.join(lines).count('word') == 60


def strict_json(text):
    def refuse(name):
        raise AssertionError(f'{name} is no JSON')

    return json.loads(text, parse_constant=refuse)


def test_json_of_a_description(data, capsys):
    assert main(['data', 'describe', str(data), '--json']) == 0
    out, err = capsys.readouterr()
    assert not err
    found = strict_json(out)
    with h5py.File(data) as file:
        labels, split = file['labels'][()], file['split'][()]
        names = json.loads(file['about'][()])['label_names']
    for name in (b'train', b'valid', b'test'):
        part = name.decode()
        assert found['splits'][part] == sum(s == name for s in split)
        assert found['split_labelled'][part] == found['splits'][part]
        for i, label in enumerate(names):
            count = sum(y[i] for y, s in zip(labels, split, strict=True) if s == name)
            assert found['split_label_counts'][part][label] == count
    counts = labels.sum(axis=0).tolist()
    assert found['label_counts'] == dict(zip(names, counts, strict=True))
    assert set(found) == {
        *('path', 'num_bytes', 'num_samples', 'modalities', 'label_names', 'attrs'),
        *('label_counts', 'cardinality', 'co_occurrence', 'without_labels', 'splits'),
        *('split_labelled', 'split_label_counts', 'num_groups', 'duplicate_ids'),
        *('groups_across_splits', 'source', 'licence', 'citation', 'raw_sha256'),
        *('clean', 'dropped', 'intensities', 'extras'),
    }
    assert set(found['modalities']['text']) == {
        *('channels', 'num_embeddings', 'kind', 'extractor', 'dtype', 'num_items'),
        *('items_min', 'items_median', 'items_max', 'missing', 'minimum', 'maximum'),
        *('non_finite', 'fitted', 'segmented', 'named'),
    }


def test_json_of_a_list_and_of_findings(data, tmp_path, capsys):
    assert main(['data', 'list', '--json', '--root', str(tmp_path)]) == 0
    rows = strict_json(capsys.readouterr().out)
    assert [row['name'] for row in rows][:2] == ['synthetic', 'music_emotions']
    keys = {'name', 'description', 'num_samples', 'label_names', 'modalities'}
    assert all(set(row) == {*keys, 'licence', 'store'} for row in rows)
    assert not any(row['store'] for row in rows)
    (tmp_path / 'meld.h5').touch()
    main(['data', 'list', '--json', '--root', str(tmp_path)])
    stores = [row['store'] for row in strict_json(capsys.readouterr().out)]
    assert [store for store in stores if store] == [str(tmp_path / 'meld.h5')]

    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    with h5py.File(bad, 'r+') as file:
        file['features/audio/values'][0, 0] = np.nan
    assert main(['data', 'validate', str(bad), '--json']) == 2
    found = strict_json(capsys.readouterr().out)
    assert (found['path'], found['errors']) == (str(bad), 2)  # And its checksum.
    levels = [finding['level'] for finding in found['findings']]
    assert levels.count('error') == 2
    assert levels.count('warning') == found['warnings']
    assert all(set(one) == {'level', 'sentence'} for one in found['findings'])


def test_json_of_metrics(finished, data, tmp_path, capsys):
    """A label that always occurs has no weighted accuracy, which is null."""
    other = tmp_path / 'other.h5'
    shutil.copy(data, other)
    with h5py.File(other, 'r+') as file:
        labels = file['labels'][()]
        labels[:, 0] = 1
        file['labels'][...] = labels
    words = ['evaluate', str(finished), '--data', str(other), '--json']
    assert main([*words, '--threshold', 'per-label']) == 0
    found = strict_json(capsys.readouterr().out)
    assert set(found) == {
        *('model', 'data', 'seed', 'split', 'threshold', 'best_epoch', 'monitor'),
        *('metrics', 'num_samples', 'versions'),
    }
    about = json.loads((finished / 'model.json').read_text())
    assert set(found['threshold']) == set(about['label_names'])
    assert found['metrics'][f'wa_{about["label_names"][0]}'] is None
    assert main(['evaluate', str(finished), '--json']) == 0
    found = strict_json(capsys.readouterr().out)
    metrics = json.loads((finished / 'metrics.json').read_text())['metrics']
    assert found['metrics'] == pytest.approx(metrics)


def test_with_json_errors_go_elsewhere(fails):
    assert 'no store' in fails('data', 'describe', 'none.h5', '--json')
    assert 'no run' in fails('evaluate', 'none', '--json')


HOSTILE = '\x1b[2J\x1b]0;x\x07\x9b\u202e\u2066\x7f\rred\nline'


@pytest.fixture
def hostile():
    """A store all of whose names command a terminal."""
    specs = {'text': ModalitySpec(2, extractor=HOSTILE)}
    texts = {'source': HOSTILE, 'licence': HOSTILE, 'citation': HOSTILE}
    with StoreWriter('a.h5', specs, [HOSTILE, 'joy'], **texts) as w:
        for i, split in enumerate(['train', 'train', 'valid', 'test']):
            name = f'{HOSTILE}{i}'
            w.add(name, {'text': [[1, i], [0, 0]]}, [i % 2, 1], split=split, group=name)
        w.note(HOSTILE)
        w.drop(HOSTILE, HOSTILE)
        w.attrs[HOSTILE] = HOSTILE
        w.raw_sha256[HOSTILE] = HOSTILE
    return 'a.h5'


def assert_harmless(*texts):
    for text in texts:
        assert not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]', text)
        assert not re.search('^line', text, re.MULTILINE)
    assert any(r'\x1b[2J' in text for text in texts)


@pytest.mark.parametrize('command', ['describe', 'validate'])
@pytest.mark.parametrize('options', [[], ['--json']])
def test_names_of_a_store_command_no_terminal(command, options, hostile, capsys):
    assert main(['data', command, hostile, *options]) == 0
    out, err = capsys.readouterr()
    if options:
        found = strict_json(out)
        assert found.get('licence', HOSTILE) == HOSTILE
        out = out.replace(r'\u001b', r'\x1b')
    assert_harmless(out, err)


def test_words_and_paths_command_no_terminal(hostile, capsys):
    with h5py.File(hostile, 'r+') as file:
        file['labels'][0, 0] = 3
    for words in (
        ['data', 'describe', hostile],
        ['data', 'describe', f'{HOSTILE}.h5'],
        ['data', 'convert', HOSTILE],
        ['data', 'fetch', HOSTILE],
        ['evaluate', HOSTILE],
        ['recipes', HOSTILE],
        ['train', '--model', 'HHMPN', '--data', hostile, '--out', HOSTILE],
        [HOSTILE],
    ):
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert_harmless(err)
        assert err.count('\n') == 1
        assert not out


def test_a_run_with_hostile_names(hostile, capsys):
    run, output = f'run{HOSTILE}', f'{HOSTILE}.csv'
    small = [*SMALL, '--epochs', '1', '--threshold', 'per-label']
    for words in (
        ['train', *small, '--data', hostile, '--out', run],
        ['evaluate', run],
        ['predict', run, hostile, '--output', output],
    ):
        assert main(words) == 0
        assert_harmless(*capsys.readouterr())


def test_music_from_raw_file_to_description(shared, capsys, tmp_path):
    arff = shared / 'data' / 'music_emotions' / 'emotions.arff'
    store = str(tmp_path / 'music.h5')
    words = ['data', 'convert', 'music-emotions', str(arff), '--output', store]
    assert main([*words, '--strict']) == 0
    assert '| train | 356 | 356 | 356 |' in (tmp_path / 'music.report.md').read_text()
    assert main(['data', 'validate', store]) == 0
    assert main(['data', 'describe', store]) == 0
    out = capsys.readouterr().out
    assert 'train: 356, valid: 89, test: 148' in out
    assert 'timbre' in out
    assert 'Trohidis' in out


def test_fetch_without_a_network_says_what_to_put_where(tmp_path, monkeypatch, capsys):
    def no_network(*arguments, **options):
        raise OSError('Name or service not known')

    monkeypatch.setattr('sklearn.datasets._openml.urlopen', no_network)
    monkeypatch.setattr('hetero_mmer.io.download.urlopen', no_network)
    root = tmp_path / 'my data'
    for name, one in DATA_SETS.items():
        if name == 'synthetic':
            continue
        assert main(['data', 'fetch', name, '--root', str(root)]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.count('\n') == 1
        assert re.search(r'put \S.* from https://\S+ ', err)
        command = shlex.split(re.search('then run `(.*)`$', err)[1])
        assert command[:3] == ['hetero-mmer', 'data', 'convert']
        assert command[-2:] == ['--output', str(root / one.file_name)]
        sources = [w for w in command[4:-2] if w[:2] != '--']
        assert sources
        assert all(Path(s).is_relative_to(root / name) for s in sources)
        for source in sources:  # Each is named before, or is the folder of all.
            file = Path(source).name
            assert file == name or file in err.split(' from ')[0] or '*' in file
    assert not root.exists()


def test_the_files_that_fetch_names_are_what_its_command_reads(shared, tmp_path):
    """Puts the real file where the message says, and runs what it says."""
    data_set = DATA_SETS['music_emotions']
    store = tmp_path / data_set.file_name
    (tmp_path / data_set.name).symlink_to(shared / 'data' / 'music_emotions')
    assert main(shlex.split(data_set.command(store))[1:]) == 0
    assert main(['data', 'describe', data_set.name, '--root', str(tmp_path)]) == 0


def test_validate_counts_errors(data, tmp_path, capsys):
    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    with h5py.File(bad, 'r+') as file:
        file['features/audio/values'][0, 0] = np.nan
    assert main(['data', 'validate', str(bad)]) == 2
    out = capsys.readouterr().out
    assert re.search("^error: .*'audio'", out, re.MULTILINE)
    assert 'errors 2,' in out  # The checksum tells, too.


def test_train_shows_metrics_and_where_the_run_lies(tmp_path, data, capsys):
    words = ['train', *SMALL, '--data', str(data), '--out', 'run', '--seed', '3']
    assert main([*words, '--epochs', '1']) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r'epoch 1/1  loss \d\.\d{4}  valid f1_micro .*\n', err)
    assert 'The run lies in run' in out
    result = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    shown = table(out)
    assert shown['f1_micro'] == f'{result["metrics"]["f1_micro"]:.4f}'
    assert shown['seed'] == '3'
    assert result['seed'] == 3


def test_config_repeats_a_run(finished, tmp_path):
    words = ['train', '--recipe', str(finished / 'config.yaml'), '--out', 'again']
    assert main(words) == 0
    results = [
        json.loads((folder / 'metrics.json').read_text())
        for folder in (finished, tmp_path / 'again')
    ]
    assert results[0]['metrics'] == results[1]['metrics']
    configs = [(f / 'config.yaml').read_text() for f in (finished, tmp_path / 'again')]
    assert configs[0] == configs[1]


def test_default_then_recipe_then_option(tmp_path, data):
    recipe = {
        'model': {
            'class_path': 'HHMPN',
            'init_args': {'hidden_channels': 8, 'num_steps': 2},
        },
        'epochs': 7,
        'learning_rate': 0.01,
    }
    (tmp_path / 'mine.yaml').write_text(yaml.safe_dump(recipe))
    words = ['--epochs', '1', '--model.num_steps', '1', '--recipe', 'mine.yaml']
    words += ['--data', str(data), '--out', 'run', '--model.l2l', 'false']
    assert main(['train', *words]) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    args = config['model']['init_args']
    assert (args['hidden_channels'], args['num_steps'], args['heads']) == (8, 1, 1)
    assert args['l2l'] is False
    assert (config['epochs'], config['learning_rate'], config['seed']) == (1, 0.01, 0)


def test_named_recipe_on_own_data(data, tmp_path):
    words = ['--recipe', 'hhmpn_music_emotions', '--data', str(data), '--epochs', '1']
    words += ['--out', 'run', '--model.hidden_channels', '8']
    assert main(['train', *words]) == 0
    result = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    assert result['data'] == str(data)


@pytest.mark.parametrize(
    'layer',
    [
        ['torch_geometric.nn.GATv2Conv', '--model.f2l.heads', '1'],
        ['torch_geometric.nn.TransformerConv', '--model.f2l.beta=true'],
        ['torch_geometric.nn.SAGEConv'],
    ],
)
def test_foreign_layer(layer, data, tmp_path):
    words = ['train', *SMALL, '--data', str(data), '--out', 'run', '--epochs', '1']
    assert main([*words, '--model.f2l', *layer]) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert config['model']['init_args']['f2l']['class_path'] == layer[0]
    assert main(['evaluate', 'run']) == 0


def test_own_model_by_import_path(data, tmp_path):
    package = tmp_path / 'my_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'my_module.py').write_text(OWN_MODEL)
    words = ['train', '--model', 'my_pkg.my_module.MyModel', '--model.bias', 'false']
    words += ['--data', str(data), '--out', 'run', '--epochs', '1']
    assert main(words) == 0
    words = ['predict', 'run', str(data), '--output', 'out.csv']
    assert main([*words, '--trust']) == 0
    config = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert config['model']['class_path'] == 'my_pkg.my_module.MyModel'


@pytest.mark.parametrize(
    'words',
    [
        '--model.f2l torch.nn.Linear',
        '--model.f2l torch_geometric.nn.GCNConv',
        '--model torch.nn.Linear',
        '--model os.path',
    ],
)
def test_what_is_no_layer_or_model(words, data, tmp_path, fails):
    fails('train', *SMALL, '--data', data, '--out', 'run', *words.split())
    assert not (tmp_path / 'run').exists()


@pytest.mark.filterwarnings('error')
def test_damaged_run(finished, tmp_path, fails):
    shutil.copytree(finished, tmp_path / 'run')
    (tmp_path / 'run' / 'metrics.json').unlink()
    for damaged in (b'garbage', pickle.dumps(print, protocol=4)):  # torch warns of 4.
        (tmp_path / 'run' / 'checkpoints' / 'last.ckpt').write_bytes(damaged)
        assert 'last.ckpt' in fails('train', '--resume', 'run')
    for text, message in (
        ('model: HHMPN', "no 'data'"),
        ('model: 3\ndata: a.h5\nx: 1', "'x'"),
    ):
        (tmp_path / 'run' / 'config.yaml').write_text(text)
        assert message in fails('train', '--resume', 'run')


def test_evaluate(finished, capsys):
    assert main(['evaluate', str(finished)]) == 0
    result = json.loads((finished / 'metrics.json').read_text())
    shown = table(capsys.readouterr().out)
    assert shown['f1_micro'] == f'{result["metrics"]["f1_micro"]:.4f}'
    words = ['evaluate', str(finished), '--split', 'valid', '--threshold']
    for threshold in ('0.25', 'tuned', 'per-label'):
        assert main([*words, threshold]) == 0
    assert main([*words, '0.25']) == 0
    assert table(capsys.readouterr().out)['threshold'] == '0.25'


def test_predict(finished, data, tmp_path, capsys):
    words = ['predict', str(finished), str(data), '--output', 'out.csv']
    assert main(words) == 0
    assert capsys.readouterr().out == 'out.csv\n'
    with open(tmp_path / 'out.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert 'happiness_predicted' in rows[0]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('trian', "unknown command 'trian'; did you mean 'train'?"),
        ('data lst', "did you mean 'data list'?"),
        ('train', 'missing arguments: model, data, out'),
        ('train --model HHMNP', "did you mean 'HHMPN'?"),
        ('train --model no_pkg.Model', "No module named 'no_pkg'"),
        ('train --model HHMPN --epoch 3', "'--epoch'; did you mean '--epochs'?"),
        ('train --model HHMPN --model.num_step 3', "did you mean 'num_steps'?"),
        ('train --model HHMPN --model.in_channels 3', "no option 'in_channels'"),
        ('train --model HHMPN --model.num_steps x', "'--model.num_steps' is a whole"),
        (
            'train --model HHMPN --model.f2l torch.nn.Linea',
            "no 'Linea' in torch.nn; did you mean 'Linear'?",
        ),
        (
            'train --model HHMPN --epochs many',
            "is a whole number (got 'many')",
        ),
        (
            'train --model HHMPN --threshold best',
            "number or 'tuned' or 'per-label'",
        ),
        ('train --recipe hhmpn_mosi', "did you mean 'hhmpn_mosei'?"),
        ('train --recipe hhmpn_mosei', 'missing arguments: data, out'),
        ('train --recipe hhmpn_synthetic --model CARAT', "do not fit 'CARAT'"),
        ('train --resume nowhere', "no run in 'nowhere'"),
        ('train --resume nowhere --epochs 3', "'--epochs' with --resume"),
        ('evaluate', 'missing arguments: run'),
        ('evaluate nowhere', "no run in 'nowhere'"),
        (
            'evaluate nowhere --split dev',
            "'--split' is 'train' or 'valid' or",
        ),
        ('predict nowhere x.h5 --output y.csv', "no run in 'nowhere'"),
        ('data convert music a.arff --output b.h5', "unknown format 'music'"),
        ('data convert music-emotions none.arff --output b.h5', 'none.arff'),
        ('data convert music-emotions a.arff', 'missing arguments: output'),
        ('data convert music-emotions a --output b --stric', "mean '--strict'?"),
        ('data fetch musik_emotions', 'did you mean'),
        ('data describe none.h5', "no store 'none.h5'"),
        ('data validate none.h5 --rot x', "did you mean '--root'?"),
    ],
)
def test_bad_words(words, message, fails, tmp_path):
    assert message in fails(*words.split())
    assert not list(tmp_path.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(change):
    def apply(path):
        with h5py.File(path, 'r+') as file:
            change(file)

    return apply


def no_items(file):
    text, audio = (file[f'features/{m}'] for m in ('text', 'audio'))
    for group in (text, audio):  # The first sample gives all to the second.
        ptr = group['ptr'][()]
        ptr[1] = 0
        group['ptr'][...] = ptr


def put(name, index, value):
    def apply(file):
        file[name][index] = value

    return edit(apply)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda path: path.unlink(), 'there is no store'),
        (truncate, 'only a part of the file'),
        (lambda path: path.write_text('hello'), 'not HDF5'),
        (edit(lambda file: file.attrs.modify('format_version', 99)), 'version is 99'),
        (put('features/text/ptr', 0, 1), "ptr of 'text' starts at 1"),
        (put('features/text/ptr', -1, 9999), "ptr of 'text' ends at 9999"),
        (put('labels', (0, 0), 2), 'labels are 0 or 1'),
    ],
)
def test_bad_stores(damage, message, data, finished, tmp_path, fails):
    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    damage(bad)
    before = sorted(tmp_path.iterdir())
    assert message in fails('train', *SMALL, '--data', bad, '--out', 'run')
    assert message in fails('predict', finished, bad, '--output', 'out.csv')
    assert sorted(tmp_path.iterdir()) == before


def test_a_sample_without_items_is_refused_in_training_and_told_in_predict(
    data, finished, tmp_path, fails, capsys
):
    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    edit(no_items)(bad)
    assert 'no item' in fails('train', *SMALL, '--data', bad, '--out', 'run')
    output = tmp_path / 'out.csv'
    assert main(['predict', str(finished), str(bad), '--output', str(output)]) == 0
    assert 'hetero-mmer: warning: 1 of 60 samples' in capsys.readouterr().err
    with open(output, newline='') as file:
        cells = [any(row[1:]) for row in csv.reader(file)][1:]
    assert cells.count(False) == 1
    assert len(cells) == 60


def test_features_that_are_not_finite(data, tmp_path, fails):
    bad = tmp_path / 'bad.h5'
    shutil.copy(data, bad)
    with h5py.File(bad, 'r+') as file:
        file['features/audio/values'][:3, 1] = -np.inf
        del file['features/audio/non_finite']
    message = fails('train', *SMALL, '--data', bad, '--out', 'run')
    assert "'audio'" in message
    assert '3 values' in message
    assert '--clean' in message
    assert not (tmp_path / 'run').exists()


def test_data_of_another_model(finished, tmp_path, fails):
    for widths, message in (
        ({'text': 6, 'audio': 4}, "expects width 5 for modality 'text' (got 6"),
        ({'text': 5, 'video': 4}, "needs modality 'audio'"),
    ):
        synthesize('other.h5', num_samples=9, modalities=widths, num_labels=3)
        words = ('predict', finished, 'other.h5', '--output', 'out.csv')
        assert message in fails(*words)
        assert message in fails('evaluate', finished, '--data', 'other.h5')
    synthesize('other.h5', num_samples=9, modalities={'text': 5, 'audio': 4})
    assert 'has the labels' in fails(*words)
    assert not (tmp_path / 'out.csv').exists()


def test_folder_in_use_and_run_that_is_done(finished, data, fails):
    words = ['train', *SMALL, '--data', data]
    assert 'is not empty' in fails(*words, '--out', finished)
    assert 'has finished' in fails('train', '--resume', finished)


def test_interrupt_tells_how_to_go_on(data, tmp_path, monkeypatch, capsys):
    words = ['train', *SMALL, '--data', str(data), '--out', 'run', '--epochs', '2']
    original = MultilabelModule.training_step

    def step(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(MultilabelModule, 'training_step', step)
        assert main(words) == 130
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith('epoch 1/2 ')
    assert err[1:] == [
        'hetero-mmer: interrupted; `hetero-mmer train --resume run` goes on'
    ]
    assert main(['evaluate', 'run']) == 2
    assert main(['train', '--resume', 'run']) == 0
    assert (tmp_path / 'run' / 'metrics.json').exists()


def own_table(folder):
    (folder / 't').mkdir()
    np.save(folder / 't' / 'a.npy', np.ones((2, 3)))
    (folder / 'table.csv').write_text('id,joy\na,1\n')
    return ['data', 'convert', 'csv', 'table.csv', '--features', '{t: t}']


@pytest.mark.parametrize('before', [False, True])
def test_an_interrupted_conversion_says_what_there_is(
    before, tmp_path, monkeypatch, capsys
):
    words = [*own_table(tmp_path), '--output', 'own.h5']
    assert not before or main(words) == 0
    capsys.readouterr()
    there = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}

    def interrupted(self, *args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(StoreWriter, 'add', interrupted)
    assert main(words) == 130
    err = capsys.readouterr().err
    assert err == "hetero-mmer: interrupted; nothing was written to 'own.h5'\n"
    assert {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()} == there


def test_an_interruption_after_the_store_claims_nothing_else(
    tmp_path, monkeypatch, capsys
):
    words = [*own_table(tmp_path), '--output', 'own.h5']

    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr('hetero_mmer.store.writer._sync', interrupted)
    assert main(words) == 130
    assert 'nothing was written' in capsys.readouterr().err
    monkeypatch.setattr(
        'hetero_mmer.store.writer._sync',
        lambda path: interrupted(path) if path.is_dir() else None,
    )
    assert main(words) == 130
    assert capsys.readouterr().err == 'hetero-mmer: interrupted\n'
    assert (tmp_path / 'own.h5').exists()


def test_errors_of_our_own_are_not_hidden(data, monkeypatch):
    def step(self, batch, batch_idx):
        raise ValueError('a mistake in the code')

    monkeypatch.setattr(MultilabelModule, 'training_step', step)
    with pytest.raises(ValueError, match='a mistake'):
        main(['train', *SMALL, '--data', str(data), '--out', 'run'])


@pytest.mark.slow
@pytest.mark.parametrize(
    ('number', 'status'),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_in_a_real_process(number, status, data, tmp_path):
    command = [sys.executable, '-m', 'hetero_mmer', 'train']
    words = [*SMALL, '--data', str(data), '--out', 'run', '--epochs', '400']
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    usual = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # Under nohup, too.
    process = subprocess.Popen(
        [*command, *words], stderr=subprocess.PIPE, env=env, preexec_fn=usual
    )
    checkpoint = tmp_path / 'run' / 'checkpoints' / 'last.ckpt'
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err.decode().endswith('`hetero-mmer train --resume run` goes on\n')
    assert not list((tmp_path / 'run').rglob('*.tmp'))


@pytest.mark.slow
def test_synthetic_recipe_is_fast_and_learns(tmp_path):
    start = time.perf_counter()
    words = ['--recipe', 'hhmpn_synthetic', '--out', 'run', '--root', str(tmp_path)]
    assert main(['train', *words]) == 0
    assert time.perf_counter() - start < 120
    metrics = json.loads((tmp_path / 'run' / 'metrics.json').read_text())['metrics']
    assert metrics['f1_micro'] > 0.6
