"""Errors of processes that load data are told as those of this one are."""

from __future__ import annotations

import os
import signal

import h5py
import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.loader.workers import as_if_here
from hetero_mmer.store import ModalitySpec, Store, StoreWriter


class Broken(torch.utils.data.Dataset):
    """Graphs, and an error at one of them."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 8

    def __getitem__(self, i):
        if i == 5 and callable(self.error):
            self.error()
        if i == 5:
            raise self.error
        return build_graph({'text': np.full((2, 3), i)}, [1, 0])


class NoSentence(Exception):
    pass


def chained():
    try:
        raise KeyError('first')
    except KeyError as error:
        raise InputError('InputError: it is the second') from error


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (InputError("'a.h5' is damaged (a: b)"), "'a.h5' is damaged (a: b)"),
        (InputError('one\ntwo'), 'one two'),
        (InputError(''), 'InputError'),
        (OSError('no space left'), 'no space left'),
        (
            FileNotFoundError(2, 'No such file', 'a.h5'),
            "[Errno 2] No such file: 'a.h5'",
        ),
        (ValueError('x'), 'x'),
        (MemoryError(), 'MemoryError'),
        (NoSentence(), 'NoSentence'),
        (chained, 'InputError: it is the second'),
    ],
)
def test_an_error_keeps_its_words(error, message):
    loader = StoreLoader(Broken(error), 2, num_workers=1)
    expected = InputError if callable(error) else type(error)
    found = []
    with pytest.raises(expected) as caught:
        found.extend(loader)
    assert len(found) == 2
    assert str(caught.value) == message


def test_a_key_keeps_its_words():
    with pytest.raises(KeyError, match=r"^.?'audio'.?$"):
        list(StoreLoader(Broken(KeyError('audio')), 2, num_workers=1))


@pytest.mark.parametrize(
    'end', [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)]
)
def test_a_worker_that_dies_is_told(end):
    with pytest.raises(InputError, match=r'was ended \(\S') as caught, as_if_here():
        list(StoreLoader(Broken(end), 2, num_workers=1))
    assert "'num_workers'" in str(caught.value)
    assert '\n' not in str(caught.value)


def test_other_errors_stay_as_they_are():
    for error in (RuntimeError('x'), ValueError(), InputError('y'), KeyError(3)):
        with pytest.raises(type(error)) as caught, as_if_here():
            raise error
        assert caught.value is error


@pytest.fixture
def damaged(tmp_path):
    """A store with a value that no model computes with, in the train split."""
    path = tmp_path / 'a.h5'
    with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy', 'fear']) as writer:
        for i in range(8):
            split = ('train', 'train', 'valid', 'test')[i % 4]
            writer.add(f's{i}', {'text': np.ones((2, 2))}, [i % 2, 1], split=split)
    with h5py.File(path, 'r+') as file:
        file['features/text/values'][3] = np.nan
    return path


def test_batches_are_the_same_with_workers(damaged):
    with Store(damaged) as store:
        rows = [2, 3, 6, 7]
        one, two = (
            list(StoreLoader(StoreDataset(store, rows), 2, num_workers=n))
            for n in (0, 1)
        )
        for a, b in zip(one, two, strict=True):
            assert torch.equal(a['text'].x, b['text'].x)


def test_the_command_tells_one_sentence(damaged, tmp_path, capsys):
    told = []
    for n in (0, 1):
        words = ['train', '--model', 'HHMPN', '--data', str(damaged), '--epochs', '1']
        words += ['--out', str(tmp_path / f'run{n}'), '--num_workers', str(n)]
        assert main(words) == 2
        told.append(capsys.readouterr().err.splitlines()[-1])
    assert told[0] == told[1]
    assert 'worker' not in told[1]
