from __future__ import annotations

import csv
import shutil
import time
from collections import Counter

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter

from hetero_mmer.run.events import Events
from hetero_mmer.training import MultilabelModule, resume, train
from hetero_mmer.training.recorder import Recorder


def scalars(folder):
    events = EventAccumulator(str(folder), size_guidance={'scalars': 0})
    events.Reload()
    names = events.Tags()['scalars']
    return {n: [(e.step, e.value) for e in events.Scalars(n)] for n in names}


def points(folder):
    """How often each point stands in the files, whatever a reader makes of them."""
    found = Counter()
    for file in folder.glob('*tfevents*'):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found[value.tag, event.step] += 1
    return found


def copying(monkeypatch, owner, name, call, source, target):
    """After some call, copies a folder as a kill at this moment would leave it."""
    original, calls = getattr(owner, name), []

    def method(self, *args, **kwargs):
        value = original(self, *args, **kwargs)
        calls.append(name)
        if len(calls) == call:
            shutil.copytree(source, target)
        return value

    monkeypatch.setattr(owner, name, method)


def slow(monkeypatch):
    """A disk that is slower than whoever writes to it."""
    original = RecordWriter.write

    def write(self, data):
        time.sleep(0.02)
        original(self, data)

    monkeypatch.setattr(RecordWriter, 'write', write)


@pytest.mark.parametrize(
    ('owner', 'name', 'call'),
    [
        (Events, 'begin', 1),
        (MultilabelModule, 'training_step', 2),
        (MultilabelModule, 'on_validation_epoch_end', 1),
        (Events, 'add', 1),  # Its checkpoint is not written yet.
        (Recorder, 'on_train_epoch_end', 1),
        (MultilabelModule, 'training_step', 5),
        (Events, 'add', 2),
        (Events, 'add', 3),
        (Recorder, 'on_train_epoch_end', 3),
    ],
)
def test_each_epoch_is_there_once_after_a_kill(
    owner, name, call, tmp_path, data, model, options, monkeypatch
):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    with monkeypatch.context() as patch:
        copying(patch, owner, name, call, whole, killed)
        train(model, data, whole, epochs=3, **options)
    expected = scalars(whole / 'tensorboard')
    with open(whole / 'metrics.csv', newline='') as file:
        table = [float(row['valid/f1_micro']) for row in csv.DictReader(file)]
    found = expected['valid/f1_micro']
    assert [value for _, value in found] == pytest.approx(table)
    assert [step for step, _ in found] == [2, 5, 8]  # Three steps in each epoch.
    resume(killed)
    assert scalars(killed / 'tensorboard') == expected
    assert set(points(killed / 'tensorboard').values()) == {1}


def test_what_older_versions_wrote_is_written_anew(tmp_path, monkeypatch):
    """Doubled, cut in the middle of a record, and with points of a lost epoch."""
    rows = [{'epoch': i + 1, 'seconds': 2.0, 'train/total': i / 2} for i in range(3)]
    many = {f'valid/{i}': 0.5 for i in range(20)}
    for number in (0, 1):
        with SummaryWriter(str(tmp_path)) as writer:
            for step in range(12):
                writer.add_scalar('train/total', 9 + number, step)
    cut = next(tmp_path.glob('*tfevents*'))
    cut.write_bytes(cut.read_bytes()[:-7])
    (tmp_path / 'notes').touch()
    events = Events(tmp_path)
    events.begin(rows[:2], 8)
    events.add(rows[2], 12)
    with monkeypatch.context() as patch:
        slow(patch)
        events.add({'epoch': 4, 'seconds': 1.0, **many}, 16)
    assert {(name, 15) for name in many} <= set(points(tmp_path))  # On disk at once.
    events.close()
    found = scalars(tmp_path)
    assert found['epoch'] == [(3, 0.0), (7, 1.0), (11, 2.0), (15, 3.0)]
    assert found['train/total'] == [(3, 0.0), (7, 0.5), (11, 1.0)]
    assert set(points(tmp_path).values()) == {1}
    assert (tmp_path / 'notes').exists()
