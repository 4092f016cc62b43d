from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from hetero_mmer.models import HHMPN
from hetero_mmer.sources import synthesize
from hetero_mmer.training import train


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
