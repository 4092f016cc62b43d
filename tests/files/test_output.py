from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.files.output import claim, lock_of, refuse_sources, replacing, sweep

HOLD = """
import sys, time
from pathlib import Path
from hetero_mmer.files.output import claim
with claim(Path(sys.argv[1])):
    {more}
    print('held', flush=True)
    time.sleep(60)
"""
#: A child that outlives its parent, as a worker that loads data may.
FORK = """import os
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)"""


def holding(path, more=''):
    words = [sys.executable, '-c', HOLD.format(more=more), str(path)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def take(path):
    with claim(path):
        return True


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_claim_dies_with_its_process(tmp_path):
    path = tmp_path / 'a.h5'
    process = holding(path)
    try:
        assert process.stdout.readline() == 'held\n'
        with pytest.raises(InputError, match=r"another process .*a\.h5' now"):
            take(path)
        assert take(tmp_path / 'b.h5')
    finally:
        kill(process)
    assert lock_of(path).exists()
    assert take(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_forked_process_does_not_keep_the_claim(tmp_path):
    path = tmp_path / 'a.h5'
    process = holding(path, FORK)
    child = int(process.stdout.readline())
    try:
        assert process.stdout.readline() == 'held\n'
        with pytest.raises(InputError):
            take(path)
        kill(process)
        os.kill(child, 0)  # It lives.
        for _ in range(100):  # It may not have had its turn since the fork.
            with contextlib.suppress(InputError):
                assert take(path)
                break
            time.sleep(0.1)
        else:
            raise AssertionError('the child keeps the claim')
    finally:
        kill(process)
        os.kill(child, signal.SIGKILL)


def test_a_claim_waits_where_asked(tmp_path):
    path = tmp_path / 'a.h5'
    process = holding(path)
    try:
        process.stdout.readline()
        timer = threading.Timer(0.3, process.send_signal, [signal.SIGKILL])
        timer.start()
        with claim(path, wait=True):
            assert process.wait(timeout=10) == -signal.SIGKILL  # Not before it died.
        timer.join()
    finally:
        kill(process)


def test_threads_exclude_each_other_and_one_may_claim_again(tmp_path):
    path, found = tmp_path / 'a.h5', []

    def other():
        try:
            take(path)
        except InputError as error:
            found.append(str(error))

    with claim(path):
        with claim(path):
            pass
        assert lock_of(path).exists()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(found) == 1
    other()
    assert len(found) == 1


def test_leftovers_of_this_name_alone_are_swept(tmp_path):
    mine = ['.a.h5.0123abcd.tmp', f'.a.h5.{"0f" * 16}.tmp']
    others = [
        *('.b.h5.0123abcd.tmp', 'a.h5.0123abcd.tmp', '.a.h5.notes.tmp', '.a.h5.tmp'),
        *('.a_h5.0123abcd.tmp', '.a.h5.0123abcd.tmp.bak', '.xa.h5.0123abcd.tmp'),
    ]
    for name in (*mine, *others):
        (tmp_path / name).touch()
    assert take(tmp_path / 'a.h5')
    assert {p.name for p in tmp_path.iterdir()} == set(others)
    sweep(tmp_path / 'none' / 'a.h5')


def test_what_a_kill_leaves_of_a_file_is_swept(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    more = (
        'from hetero_mmer.files.output import replacing\n'
        "    stack = replacing(Path(sys.argv[1])); stack.__enter__().write_text('new')"
    )
    process = holding(path, more)
    process.stdout.readline()
    assert len(list(tmp_path.glob('.a.txt.*.tmp'))) == 1
    kill(process)
    with claim(path), replacing(path) as temporary:
        temporary.write_text('newer')
    assert path.read_text() == 'newer'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_called_like_a_lock_stays(tmp_path):
    lock_of(tmp_path / 'a').write_text('mine')
    assert take(tmp_path / 'a')
    assert lock_of(tmp_path / 'a').read_text() == 'mine'


@pytest.mark.parametrize('number', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_it_goes_on_and_sweeps_nothing(number, tmp_path, monkeypatch):
    import fcntl

    def flock(*arguments):
        raise OSError(number, 'none here')

    monkeypatch.setattr(fcntl, 'flock', flock)
    other = tmp_path / '.a.h5.0123abcd.tmp'
    other.touch()
    with pytest.warns(InputWarning, match='no locks'):
        assert take(tmp_path / 'a.h5')
    assert other.exists()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'):
        take(tmp_path / 'file' / 'a')


def test_a_source_is_no_output(tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    source = tmp_path / 'in' / 'data.h5'
    source.write_text('precious')
    (tmp_path / 'soft').symlink_to(source)
    (tmp_path / 'hard').hardlink_to(source)
    (tmp_path / 'folder').symlink_to(tmp_path / 'in')
    (tmp_path / 'other').write_text('precious')
    monkeypatch.chdir(tmp_path)
    inside = Path('folder/../in/data.h5')
    for output in (source, Path('soft'), Path('hard'), Path('folder/data.h5'), inside):
        for arguments in (
            [['x', str(source)]],
            [{'text': {'file': 'in/data.h5'}}],
            [('none', 3, None), {'like': Path('in/data.h5')}],
        ):
            with pytest.raises(InputError, match='one of the sources'):
                refuse_sources(output, arguments)
    refuse_sources(Path('other'), [['in/data.h5', 'a\0b', 'x' * 5000], {'n': 1}])
    refuse_sources(Path('new'), [['new']])
