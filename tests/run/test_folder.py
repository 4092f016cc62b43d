from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch.distributed as dist

from hetero_mmer.errors import InputError
from hetero_mmer.files.output import lock_of
from hetero_mmer.run import files
from hetero_mmer.run.folder import held
from hetero_mmer.training import resume, train

HOLD = """
import sys, time
from pathlib import Path
from hetero_mmer.run.folder import held
with held(Path(sys.argv[1]), fresh=True):
    print('held', flush=True)
    time.sleep(60)
"""


def take(path, fresh=True):
    with held(path, fresh=fresh):
        return sorted(p.name for p in path.iterdir() if p != lock_of(path / files.RUN))


def test_a_second_run_is_refused_until_the_first_dies(tmp_path, data, model, options):
    path = tmp_path / 'run'
    words = [sys.executable, '-c', HOLD, str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == 'held\n'
        with pytest.raises(InputError, match=r"another process .*run'"):
            train(model, data, path, epochs=1, **options)
        (path / 'link').symlink_to(path)
        with pytest.raises(InputError, match='another process'):
            take(path / 'link')
        (path / 'link').unlink()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    train(model, data, path, epochs=1, **options)
    assert (path / 'metrics.json').exists()
    assert not lock_of(path / files.RUN).exists()


def test_a_run_that_works_is_not_resumed(finished, tmp_path):
    path = tmp_path / 'run'
    started, end = threading.Event(), threading.Event()

    def at_work():
        with held(path, fresh=True):
            for name in ('config.yaml', 'model.json'):
                (path / name).write_bytes((finished / name).read_bytes())
            started.set()
            end.wait(20)

    thread = threading.Thread(target=at_work)
    thread.start()
    started.wait(20)
    try:
        with pytest.raises(InputError, match='another process'):
            resume(path)
    finally:
        end.set()
        thread.join()
    assert (path / 'config.yaml').exists()


def test_what_a_kill_left_before_the_run_began_is_swept(tmp_path, data, model, options):
    path = tmp_path / 'run'
    (path / 'checkpoints').mkdir(parents=True)
    (path / '.config.yaml.0123456789abcdef0123456789abcdef.tmp').write_text('model:')
    (path / 'checkpoints' / '.start.yaml.01234567.tmp').touch()
    (path / 'checkpoints' / 'start.yaml').write_text('sha256: a\n')
    lock_of(path / files.RUN).touch()
    with pytest.raises(InputError, match='no run'):
        resume(path)
    train(model, data, path, epochs=1, **options)
    assert (path / 'metrics.json').exists()
    assert not list(path.rglob('.*'))


def test_what_a_kill_left_in_a_run_is_swept_and_nothing_else(tmp_path):
    path = tmp_path / 'run'
    (path / 'checkpoints').mkdir(parents=True)
    left = [
        *('.model.safetensors.01234567.tmp', '.metrics.csv.01234567.tmp'),
        *('checkpoints/.last.ckpt.01234567.tmp', '.predictions_test.csv.abcdefab.tmp'),
    ]
    stays = ['config.yaml', 'checkpoints/start.yaml', '.notes.01234567.tmp', 'a.tmp']
    for name in (*left, *stays):
        (path / name).touch()
    take(path, fresh=False)
    found = {str(p.relative_to(path)) for p in path.rglob('*') if p.is_file()}
    assert found == set(stays)


def test_every_file_of_a_run_is_swept(finished):
    found = {p.relative_to(finished) for p in finished.rglob('*') if p.is_file()}
    known = {Path(name) for name in files.NAMES}
    assert {p for p in found if 'tfevents' not in p.name} <= known
    assert Path('encoders.h5') in known


@pytest.mark.parametrize('name', ['notes.txt', 'checkpoints/last.ckpt', '.hidden'])
def test_a_folder_in_use_is_refused_and_left_alone(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('mine')
    with pytest.raises(InputError, match='not empty'):
        take(tmp_path)
    assert (tmp_path / name).read_text() == 'mine'
    assert [p.name for p in tmp_path.rglob('*') if p.is_file()] == [name.split('/')[-1]]


def test_a_refused_run_leaves_no_folder(tmp_path, data, model, options):
    (tmp_path / 'empty').mkdir()
    for path in (tmp_path / 'new' / 'and' / 'deep', tmp_path / 'empty'):
        with pytest.raises(InputError):
            train(model, tmp_path / 'missing.h5', path, **options)
    assert [p.name for p in tmp_path.rglob('*')] == ['empty']
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='is a file'):
        take(tmp_path / 'file')


def test_the_first_of_a_group_takes_the_folder_for_all(tmp_path, monkeypatch):
    said = []

    def broadcast(box, src):
        assert src == 0
        said.append(box[0])
        box[0] = said[0]

    monkeypatch.setattr(dist, 'is_initialized', lambda: True)
    monkeypatch.setattr(dist, 'broadcast_object_list', broadcast)
    monkeypatch.setattr(dist, 'get_rank', lambda: 0)
    with held(tmp_path / 'run', fresh=True):
        monkeypatch.setattr(dist, 'get_rank', lambda: 1)
        with held(tmp_path / 'run', fresh=True):
            pass
    assert said == [None, None]
    assert not (tmp_path / 'run').exists()
    said[:] = ['it is busy']
    with pytest.raises(InputError, match='it is busy'):
        take(tmp_path / 'run')
