"""Runs on a full disk, and what a run writes on any."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import pytest
import yaml
from tensorboard.summary.writer.record_writer import RecordWriter

from hetero_mmer.cli import main
from hetero_mmer.datasets import synthesize
from hetero_mmer.errors import InputError, Stopped
from hetero_mmer.files.output import WriteError
from hetero_mmer.run import evaluate, files, predict
from hetero_mmer.training import MultilabelModule, checkpoint, resume, train

resource = pytest.importorskip('resource', reason='needs limits of the system')

#: What a run that goes on must give as one that was never stopped does.
SAME = (files.WEIGHTS, files.PREDICTIONS)


def sizes(folder):
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.mark.parametrize(
    ('name', 'time'),
    [
        *((files.START, 1), (files.CONFIG, 1), (files.MODEL, 1)),
        *((files.PREDICTIONS, 1), (files.METRICS, 1)),
        *((files.HISTORY, 2), (files.CHECKPOINT, 2), (files.WEIGHTS, 2)),
        *((files.CHECKPOINT, 1), (files.WEIGHTS, 1)),
    ],
)
def test_a_full_disk_at_each_file(
    name, time, finished, tmp_path, data, model, options, monkeypatch
):
    """Whichever file is the first that does not fit, the run goes on once it does."""
    folder, written = tmp_path / 'run', []
    original = os.fsync

    def full(descriptor):
        path = os.readlink(f'/proc/self/fd/{descriptor}')
        if f'/.{os.path.basename(name)}.' in path:
            written.append(path)
            if len(written) == time:
                raise OSError(errno.ENOSPC, 'disk full')
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(WriteError, match=f"^cannot write '.*{name}': No space"):
            train(model, data, folder, epochs=4, **options)
    assert not list(tmp_path.rglob('*.tmp'))
    goes_on(folder, finished, data, model, options)


@pytest.mark.parametrize('count', [0, 5, 30])
def test_a_full_disk_in_the_middle_of_events(
    count, finished, tmp_path, data, model, options, monkeypatch
):
    folder, written = tmp_path / 'run', []
    original = RecordWriter.write

    def write(self, block):
        if len(written) == count:
            raise OSError(errno.ENOSPC, 'disk full')
        written.append(block)
        original(self, block)

    with monkeypatch.context() as patch:
        patch.setattr(RecordWriter, 'write', write)
        with pytest.raises(WriteError, match=r'^cannot write .*tfevents.*No space'):
            train(model, data, folder, epochs=4, **options)
    goes_on(folder, finished, data, model, options)


def goes_on(folder, finished, data, model, options):
    """A run that a full disk stopped, to the same end as one that was not."""
    if folder.exists():
        resume(folder)
    else:  # It had not begun.
        train(model, data, folder, epochs=4, **options)
    for same in SAME:
        assert (folder / same).read_bytes() == (finished / same).read_bytes(), same


@pytest.mark.parametrize('share', [0.5, 0.9])
def test_a_limit_of_the_system(share, finished, tmp_path, data, model, options, limit):
    folder = tmp_path / 'run'
    size = int(share * max(sizes(finished).values()))
    limit(size)
    with pytest.raises(WriteError, match=r'File too large'):
        train(model, data, folder, epochs=4, **options)
    assert max(sizes(folder).values()) <= size
    limit(resource.RLIM_INFINITY)
    goes_on(folder, finished, data, model, options)


def test_the_command_says_how_to_go_on(tmp_path, data, limit, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ['train', '--model', 'HHMPN', '--model.hidden_channels', '8', '--epochs=2']
    words += ['--data', str(data), '--device', 'cpu', '--out', 'a run']
    limit(9000)
    assert main(words) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1] == (
        "hetero-mmer: error: cannot write 'a run/checkpoints/last.ckpt': File too "
        "large; once that is mended, `hetero-mmer train --resume 'a run'` goes on"
    )
    limit(resource.RLIM_INFINITY)
    assert main(['train', '--resume', 'a run']) == 0
    out = capsys.readouterr().out
    limit(10)
    assert main(['predict', 'a run', str(data), '--output', 'out.csv']) == 2
    assert capsys.readouterr().err == (
        "hetero-mmer: error: cannot write 'out.csv': File too large\n"
    )
    assert 'The run lies in' in out
    assert not (tmp_path / 'out.csv').exists()


@pytest.mark.parametrize('mask', [0o022, 0o027, 0o002])
def test_files_have_the_mode_of_any_other(mask, tmp_path, model, options):
    before = os.umask(mask)
    try:
        with synthesize(tmp_path / 'a.h5', num_samples=30, modalities={'text': 3}):
            pass
        train(model, tmp_path / 'a.h5', tmp_path / 'run', epochs=1, **options)
        predict(tmp_path / 'run', tmp_path / 'a.h5', tmp_path / 'out.csv')
        (tmp_path / 'any').touch()
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob('*')
        if path.is_file()
    }
    assert set(modes.values()) == {0o666 & ~mask}, modes


def test_nothing_passes_through_the_folder_for_temporary_files(
    tmp_path, data, model, options, monkeypatch
):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'none'))
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'none'))
    with pytest.raises(FileNotFoundError):
        tempfile.mkstemp()
    train(model, data, tmp_path / 'run', epochs=2, **options)
    predict(tmp_path / 'run', data, tmp_path / 'out.csv')


def end_at(monkeypatch, epoch, number):
    original = MultilabelModule.training_step

    def step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, 0):
            signal.raise_signal(number)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)


@pytest.mark.parametrize('epoch', [0, 2])
def test_sigterm_comes_out_of_training(
    epoch, finished, tmp_path, data, model, options, monkeypatch
):
    """Lightning takes the signal, and would end the process with status 0."""
    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        end_at(patch, epoch, signal.SIGTERM)
        with pytest.raises(Stopped) as stop:
            train(model, data, tmp_path / 'run', epochs=4, **options)
    assert stop.value.status == 143
    assert isinstance(stop.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) is handler
    resume(tmp_path / 'run')
    for same in SAME:
        expected = (finished / same).read_bytes()
        assert (tmp_path / 'run' / same).read_bytes() == expected, same


def test_the_command_tells_of_sigterm(tmp_path, data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    end_at(monkeypatch, 0, signal.SIGTERM)
    words = ['train', '--model', 'HHMPN', '--model.hidden_channels', '8', '--epochs=2']
    words += ['--data', str(data), '--device', 'cpu', '--out', 'run']
    assert main(words) == 143
    assert capsys.readouterr().err.endswith(
        '\nhetero-mmer: stopped by SIGTERM; `hetero-mmer train --resume run` goes on\n'
    )


#: Resumes a run, and is stopped while a part of torch is imported.
STOPPED = """
import sys
from signal import SIGTERM
from hetero_mmer.cli import main
from hetero_mmer.errors import Stopped
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == 'torch._meta_registrations':
            raise Stopped(SIGTERM)
sys.meta_path.insert(0, Stop())
sys.exit(main(['train', '--resume', 'run', *sys.argv[1:]]))
"""


@pytest.mark.parametrize('trust', [[], ['--trust']])
def test_a_run_that_is_stopped_while_torch_is_imported(trust, finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'run')
    (tmp_path / 'run' / files.METRICS).unlink()
    words = [sys.executable, '-c', STOPPED, *trust]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    command = ' '.join(['hetero-mmer train --resume run', *trust])
    assert done.stderr == f'hetero-mmer: stopped by SIGTERM; `{command}` goes on\n'
    assert done.returncode == 143


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_stopped_while_a_checkpoint_is_written(
    number, finished, tmp_path, data, model, options, monkeypatch
):
    """PyTorch then has an error of its own, as its file has no end."""

    class Stopping(io.FileIO):
        writes = 0

        def write(self, content):
            self.writes += 1
            if self.writes == 3:
                raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)
            return super().write(content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, 'open', Stopping, raising=False)
        with pytest.raises(KeyboardInterrupt) as stop:
            train(model, data, tmp_path / 'run', epochs=4, **options)
    if number == signal.SIGHUP:
        assert stop.value.status == 129
    assert not list(tmp_path.rglob('*.tmp'))
    resume(tmp_path / 'run')
    for same in SAME:
        expected = (finished / same).read_bytes()
        assert (tmp_path / 'run' / same).read_bytes() == expected, same


@pytest.mark.parametrize('epoch', [0, 2])
def test_data_that_were_moved(
    epoch, finished, tmp_path, data, model, options, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(data, 'before.h5')
    with monkeypatch.context() as patch:
        end_at(patch, epoch, signal.SIGTERM)
        with pytest.raises(Stopped):
            train(model, 'before.h5', 'run', epochs=4, **options)
    os.rename('before.h5', 'now.h5')
    assert main(['train', '--resume', 'run']) == 2
    err = capsys.readouterr().err
    assert re.search(r'before\.h5.* `hetero-mmer train --resume run --data PATH`', err)
    with synthesize('other.h5', num_samples=80, modalities={'text': 5, 'audio': 4}):
        pass
    config = (tmp_path / 'run' / 'config.yaml').read_text()
    assert main(['train', '--resume', 'run', '--data', 'other.h5']) == 2
    assert 'have changed since it started' in capsys.readouterr().err
    assert (tmp_path / 'run' / 'config.yaml').read_text() == config
    with monkeypatch.context() as patch:  # Stopped again, with the new place kept.
        end_at(patch, 3, signal.SIGTERM)
        assert main(['train', '--resume', 'run', '--data', 'now.h5']) == 143
    kept = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert kept.pop('data') == str(tmp_path / 'now.h5')
    before = yaml.safe_load(config)
    del before['data']
    assert kept == before
    resume('run')
    for same in SAME:
        expected = (finished / same).read_bytes()
        assert (tmp_path / 'run' / same).read_bytes() == expected, same
    assert evaluate('run')['data'] == str(tmp_path / 'now.h5')
    os.rename('now.h5', 'later.h5')
    with pytest.raises(InputError, match=r'now\.h5.* name them with `data=`'):
        evaluate('run')
    assert (
        evaluate('run', data='later.h5')['metrics']
        == evaluate('run', data='later.h5', batch_size=7)['metrics']
    )
