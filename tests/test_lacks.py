"""What a machine has too little of ends a command in a sentence and leaves no ruins."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.files.output import WriteError, replacing, writing
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.store.fitted import write_encoders

resource = pytest.importorskip('resource', reason='needs limits of the system')


def command(*words, **options):
    return subprocess.run(
        [sys.executable, '-m', 'hetero_mmer', *map(str, words)],
        **{'capture_output': True, 'text': True, **options},
    )


def deep(*args):
    return deep(*args)


@pytest.mark.parametrize(
    ('lack', 'message'),
    [
        (lambda words: np.empty(10**15), 'not enough memory (Unable to allocate'),
        (lambda words: torch.empty(10**15), 'not enough memory ([enforce fail'),
        (lambda words: [0] * (sys.maxsize // 16), 'not enough memory\n'),
        (deep, 'nested too deeply (maximum recursion depth'),
    ],
)
def test_memory_and_depth(lack, message, monkeypatch, capsys):
    monkeypatch.setattr('hetero_mmer.cli.data_list.data_list', lack)
    assert main(['data', 'list']) == 2
    err = capsys.readouterr().err
    assert err.startswith('hetero-mmer: error: ')
    assert message in err
    assert err.count('\n') == 1


def test_memory_of_a_gpu(monkeypatch, capsys):
    def lack(words):
        raise torch.OutOfMemoryError('CUDA out of memory.\nTried to allocate 2 GiB')

    monkeypatch.setattr('hetero_mmer.cli.data_list.data_list', lack)
    assert main(['data', 'list']) == 2
    assert 'smaller batches need less' in capsys.readouterr().err


def test_other_errors_are_not_hidden(monkeypatch):
    def mistake(words):
        raise RuntimeError('a mistake in the code')

    monkeypatch.setattr('hetero_mmer.cli.data_list.data_list', mistake)
    with pytest.raises(RuntimeError, match='a mistake'):
        main(['data', 'list'])


@pytest.mark.parametrize('words', ['--help', '--version', 'data list', 'train --help'])
def test_a_pipe_that_nobody_reads(words):
    read, write = os.pipe()
    os.close(read)
    done = command(*words.split(), capture_output=False, stdout=write, stderr=-1)
    os.close(write)
    assert not done.stderr
    # The help of a command is printed by argparse, which looks at no error.
    assert done.returncode == (0 if words.endswith(' --help') else 141)


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
@pytest.mark.parametrize('words', ['--help', '--version', 'data list'])
def test_output_to_a_full_disk(words):
    with open('/dev/full', 'w') as full:
        done = command(*words.split(), capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 2
    assert done.stderr == (
        "hetero-mmer: error: cannot write 'standard output': No space left on device\n"
    )


def test_without_output():
    code = 'import os, runpy, sys; os.close(1); os.close(2); os.execv(sys.executable, '
    for words, status in ((['data', 'list'], 0), (['data', 'describe', 'no.h5'], 2)):
        line = [sys.executable, '-m', 'hetero_mmer', *words]
        done = subprocess.run([sys.executable, '-c', f'{code}{line!r})'])
        assert done.returncode == status


def test_a_file_that_cannot_be_written_is_named(tmp_path, limit):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    limit(1000)
    with (
        pytest.raises(WriteError, match=r"^cannot write '.*a\.txt': File too large$"),
        replacing(path) as temporary,
    ):
        temporary.write_bytes(bytes(5000))
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / 'file').touch()
    path = tmp_path / 'file' / 'a.txt'
    with pytest.raises(WriteError, match=r"'.*a\.txt': .*") as caught, replacing(path):
        pass
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)


def test_errors_that_are_none_of_writing_stay():
    for error in (RuntimeError('a mistake'), ValueError('bad'), KeyError('a')):
        with pytest.raises(type(error)) as caught, writing('a.txt'):
            raise error
        assert caught.value is error


@pytest.mark.parametrize('size', [0, 500, 5_000, 60_000, 200_000, 1_000_000])
def test_a_store(size, tmp_path):
    """HDF5 crashes the process that tries to close what it could not write."""
    code = f"""
import resource
import numpy as np
from hetero_mmer.store import ModalitySpec, StoreWriter
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, hard))
try:
    with StoreWriter('a.h5', {{'t': ModalitySpec(500)}}, ['joy'], timed=['t']) as w:
        for i in range(40):
            x = np.random.rand(20, 500)
            w.add(f's{{i}}', {{'t': x}}, [1], times={{'t': np.ones((20, 2))}})
except (OSError, ValueError) as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith("cannot write 'a.h5': ")
    assert done.stdout.count('\n') == 1
    assert list(tmp_path.iterdir()) == []


def test_encoders(tmp_path):
    code = """
import resource
import numpy as np
from pathlib import Path
from hetero_mmer.files.output import replacing
from hetero_mmer.store.fitted import write_encoders
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
try:
    with replacing(Path('encoders.h5')) as temporary:
        write_encoders(temporary, {}, {'t': np.ones(50_000)})
except OSError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == "cannot write 'encoders.h5': File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_encoders_are_whole(tmp_path):
    for values in (np.ones(5), np.zeros(7)):  # The second replaces the first.
        write_encoders(tmp_path / 'e.h5', {}, {'t': values})
        with h5py.File(tmp_path / 'e.h5') as file:
            np.testing.assert_array_equal(file['fill/t'][()], values)


def test_the_store_that_was_there_stays(tmp_path, limit):
    def write(value, rows):
        with StoreWriter(tmp_path / 'a.h5', {'t': ModalitySpec(50)}, ['joy']) as writer:
            writer.add('a', {'t': np.full((rows, 50), value)}, [1])

    write(1.0, 1)
    limit(100_000)
    with pytest.raises(WriteError):
        write(2.0, 9000)
    with Store(tmp_path / 'a.h5') as store:
        np.testing.assert_array_equal(store.values('t')[:], np.ones((1, 50)))
    assert [p.name for p in tmp_path.iterdir()] == ['a.h5']


def test_converted_data_and_their_report(tmp_path, limit, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('t').mkdir()
    rows = ''.join(f'c{i},{i % 2}\n' for i in range(40))
    Path('table.csv').write_text(f'id,joy\n{rows}')
    for i in range(40):
        np.save(f't/c{i}.npy', np.ones((9, 9)))
    words = ['data', 'convert', 'csv', 'table.csv', '--features', '{t: t}', '--output']
    before = sorted(tmp_path.rglob('*'))
    for size in (300, 3000, 9000):
        limit(size)
        assert main([*words, 'own.h5']) == 2
        assert capsys.readouterr().err == (
            "hetero-mmer: error: cannot write 'own.h5': File too large\n"
        )
        assert sorted(tmp_path.rglob('*')) == before
    limit(resource.RLIM_INFINITY)
    assert main([*words, 'own.h5']) == 0
