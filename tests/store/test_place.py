from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.store.fitted import write_encoders
from hetero_mmer.store.place import check_report_path, check_store_path, write_report


def write(path, value=1.0):
    with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy']) as w:
        w.add('a', {'text': np.full((3, 2), value)}, [1], split='train')
    return path


def test_a_store_replaces_a_store_or_nothing(tmp_path):
    write(tmp_path / 'a')
    before = Store(tmp_path / 'a').sha256()
    write(tmp_path / 'a', 2.0)
    assert Store(tmp_path / 'a').sha256() != before
    (tmp_path / 'empty').touch()
    write(tmp_path / 'empty')
    assert len(Store(tmp_path / 'empty')) == 1


@pytest.mark.parametrize('kind', ['text', 'hdf5', 'cut', 'dangling'])
def test_a_store_replaces_nothing_else(kind, tmp_path):
    path = tmp_path / 'precious.h5'
    if kind == 'text':
        path.write_text('id,joy\n')
    elif kind == 'hdf5':
        with h5py.File(path, 'w') as file:
            file['COVAREP/data'] = np.arange(5)
    elif kind == 'cut':
        path.write_bytes(write(tmp_path / 'other.h5').read_bytes()[:-500])
    else:  # Nothing is behind it, so nothing is lost.
        path.symlink_to(tmp_path / 'nothing')
        write(path)
        return
    before = path.read_bytes()
    names = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(InputError, match=r"precious\.h5' .* is no store"):
        write(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize('name', ['encoders.h5', 'Encoders.H5'])
@pytest.mark.parametrize('is_there', [False, True])
def test_the_encoders_of_a_run_are_no_store(name, is_there, tmp_path):
    run = tmp_path / 'run'
    run.mkdir()
    fitted = {'text': Fitted('tf-idf', ('word',), {'idf': np.ones(1)})}
    if is_there:
        write_encoders(run / name, fitted, {})
    (run / 'model.json').touch()
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(InputError, match=r'is a file of the run in .*run'):
        write(run / name)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    write(run / 'mine.h5')
    write(tmp_path / name)  # Elsewhere it is a name like any other.


def test_a_device_is_no_place_for_a_store():
    with pytest.raises(InputError, match='is no store'):
        check_store_path(Path('/dev/null'))


def test_a_report_replaces_reports_of_its_store_alone(tmp_path):
    store = Store(write(tmp_path / 'own.h5'))
    path = write_report(store)
    assert path == tmp_path / 'own.report.md'
    first = path.read_text()
    assert write_report(store).read_text() == first
    for text in ('# own.h5\n\nmy notes\n', '# own.hdf5\n\n## Kept\n', '\xff'):
        path.write_bytes(text.encode('latin-1'))
        with pytest.raises(InputError, match=r"own\.report\.md', which is there"):
            check_report_path(store.path)
        with pytest.raises(InputError):
            write_report(store)
        assert path.read_bytes() == text.encode('latin-1')
    path.write_text('')
    assert write_report(store).read_text() == first


def test_a_report_in_the_way_stops_a_conversion_before_it_starts(tmp_path, capsys):
    (tmp_path / 'own.report.md').write_text('# Results\n')
    words = ['missing.csv', '--output', str(tmp_path / 'own.h5')]
    assert main(['data', 'convert', 'csv', *words]) == 2
    assert 'own.report.md' in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ['own.report.md']


KILLED = """
import sys, time
import numpy as np
from hetero_mmer.store import ModalitySpec, StoreWriter
with StoreWriter(sys.argv[1], {'text': ModalitySpec(2)}, ['joy']) as w:
    w.add('a', {'text': np.ones((3, 2))}, [1], split='train')
    print('writing', flush=True)
    time.sleep(60)
"""


def test_one_process_writes_a_store_and_what_it_left_is_swept(tmp_path):
    path = write(tmp_path / 'a.h5')
    before = Store(path).sha256()
    words = [sys.executable, '-c', KILLED, str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == 'writing\n'
        with pytest.raises(InputError, match='another process'):
            write(path, 2.0)
        assert len(list(tmp_path.glob('.a.h5.*.tmp'))) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(tmp_path.glob('.a.h5.*.tmp'))) == 1
    assert Store(path).sha256() == before
    write(path, 2.0)
    assert list(tmp_path.iterdir()) == [path]
