from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hetero_mmer.datasets import synthesize
from hetero_mmer.models import HHMPN
from hetero_mmer.training import train

NO_SKIP = 'HETERO_MMER_NO_SKIP'


class NoSkip:
    """Makes every skip a failure, of tests and of whole files; xfail is none."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self):
        return fail_if_skipped((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self):
        return fail_if_skipped((yield))


def fail_if_skipped(report):
    if report.skipped and not hasattr(report, 'wasxfail'):
        where = report.longrepr
        reason = where[2] if isinstance(where, tuple) else where
        report.outcome = 'failed'
        report.longrepr = f'{NO_SKIP}=1 allows no skip, but {report.nodeid}: {reason}'
    return report


def pytest_configure(config):
    if os.environ.get(NO_SKIP) == '1':
        config.pluginmanager.register(NoSkip())


def pytest_collection_modifyitems(config, items):
    """Does not select tests that need a GPU where there is none."""
    gpu = [item for item in items if item.get_closest_marker('gpu')]
    if not gpu:
        return
    import torch

    if not torch.cuda.is_available():
        config.hook.pytest_deselected(items=gpu)
        items[:] = [item for item in items if item not in gpu]


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder ``shared`` beside the checkout, with real files of public data."""
    folder = Path(__file__).parents[1].parent / 'shared'
    if not folder.is_dir():
        pytest.skip(f'needs real data in {folder}, which is not there')
    return folder


@pytest.fixture(scope='session')
def write_meld():
    """Writes dialogues in MELD's layout, whose words tell their emotions."""
    said = {
        'joy': 'great wonderful yes love',
        'anger': 'stop never hate leave',
        'sadness': 'sorry lost alone cry',
        'neutral': 'what the is you',
    }

    def write(path, num_dialogues, *, seed=0, labels=True, speakers='ABCDE'):
        rng = np.random.default_rng(seed)
        names = ['Utterance', 'Speaker', 'Dialogue_ID', 'Utterance_ID']
        names += ['Season', 'Episode', 'StartTime', 'EndTime']
        rows = []
        for dialogue in range(num_dialogues):
            clock = 0.0
            for number in range(int(rng.integers(1, 4))):
                emotion = str(rng.choice(list(said)))
                words = rng.choice([*said[emotion].split(), 'oh', 'well'], 5)
                start = clock + float(rng.uniform(0, 2))
                clock = start + float(rng.uniform(1, 4))
                who = str(rng.choice(list(speakers)))
                times = [f'0:00:{time:06.3f}' for time in (start, clock)]
                cells = [' '.join(words), who, dialogue, number, 1, 1, *times]
                rows.append([*cells, emotion] if labels else cells)
        with open(path, 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows([[*names, *['Emotion'] * labels], *rows])
        return path

    return write


@pytest.fixture(params=['sparse', 'sparse-scatter', 'messages', 'messages-scatter'])
def kernel(request, monkeypatch):
    """How layers compute on explicit edges, and whether PyG uses torch-scatter."""
    import torch_geometric.typing

    from hetero_mmer.nn.conv import route

    name, _, scatter = request.param.partition('-')
    if scatter:
        pytest.importorskip('torch_scatter', reason='torch-scatter is not installed')
    monkeypatch.setattr(torch_geometric.typing, 'WITH_TORCH_SCATTER', bool(scatter))
    if name == 'messages':
        monkeypatch.setattr(route, '_has_sparse_products', lambda *args: False)
    return request.param


@pytest.fixture
def limit():
    """Lets no file grow beyond a size, as on a full disk."""
    resource = pytest.importorskip('resource', reason='needs limits of the system')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield set_limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope='session')
def data(tmp_path_factory) -> Path:
    """A small store: 3 labels, 48 train, 12 valid and 20 test samples."""
    path = tmp_path_factory.mktemp('data') / 'small.h5'
    with synthesize(
        path,
        num_samples=80,
        modalities={'text': 5, 'audio': 4},
        num_labels=3,
        lengths=(1, 4),
    ):
        return path


@pytest.fixture(scope='session')
def model():
    """A model that is made and trained in no time, with something random in it."""
    return partial(HHMPN, hidden_channels=8, num_steps=2, dropout=0.3)


@pytest.fixture(scope='session')
def options():
    """Options under which training has three batches and changes much."""
    return {'batch_size': 16, 'learning_rate': 0.02, 'device': 'cpu'}


@pytest.fixture(scope='session')
def finished(tmp_path_factory, data, model, options) -> Path:
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp('runs') / 'finished'
    train(model, data, folder, epochs=4, **options)
    return folder
