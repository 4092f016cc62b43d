from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS, resolve_data
from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter


def options_of(name):
    parameters = inspect.signature(FORMATS[name]).parameters
    return [p for p in parameters if p not in ('sources', 'output', 'progress')]


@pytest.mark.parametrize(
    ('name', 'option'),
    [(name, o) for name in FORMATS for o in ('sources', *options_of(name))],
)
def test_no_format_writes_over_what_it_is_given(name, option, tmp_path):
    """Whatever option names a file, and even where that file is a store."""
    path, link = tmp_path / 'precious', tmp_path / 'link.h5'
    with StoreWriter(path, {'text': ModalitySpec(1)}, ['joy']) as w:
        w.add('a', {'text': [[1.0]]}, [1])
    link.symlink_to(path)
    before = path.read_bytes()
    arguments = {'sources': [tmp_path / 'missing'], option: [{'any': str(path)}]}
    with pytest.raises(InputError, match=r'one of the sources, .*precious'):
        FORMATS[name](output=link, **arguments)
    assert path.read_bytes() == before
    assert link.is_symlink()


@pytest.mark.parametrize('name', FORMATS)
def test_no_format_writes_over_another_file(name, tmp_path):
    path = tmp_path / 'thesis.pdf'
    path.write_bytes(b'%PDF-1.7')
    with pytest.raises(InputError, match=r'thesis\.pdf. .*no store'):
        FORMATS[name]([tmp_path / 'missing'], path)
    assert path.read_bytes() == b'%PDF-1.7'


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A table with an archive and a folder of arrays, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 't.csv').write_text('id,joy\na,1\nb,0\nc,1\n')
    np.savez('audio.npz', **{i: np.ones((2, 3)) for i in 'abc'})
    (tmp_path / 'text').mkdir()
    for i in 'abc':
        np.save(f'text/{i}.npy', np.ones((2, 4)))
    (tmp_path / 'twin.csv').hardlink_to('t.csv')
    (tmp_path / 'link').symlink_to('audio.npz')
    return tmp_path


FEATURES = '--features={text: text, audio: audio.npz}'


@pytest.mark.parametrize(
    'output',
    [
        *('t.csv', './t.csv', 'twin.csv', 'audio.npz', 'link', 'text/../audio.npz'),
        *('text/b.npy', 'text'),
    ],
)
def test_the_command_spares_its_sources(output, own, capsys):
    files = [p for p in own.rglob('*') if p.is_file()]
    before = {p: p.read_bytes() for p in files}
    words = ['data', 'convert', 'csv', 't.csv', FEATURES]
    assert main([*words, '--output', output]) == 2
    assert capsys.readouterr().err.count('\n') == 1
    assert {p: p.read_bytes() for p in own.rglob('*') if p.is_file()} == before
    assert main([*words, '--output', 'own.h5']) == 0
    assert main([*words, '--output', 'own.h5']) == 0  # A store and its report may go.


def test_a_modality_that_is_given_twice_is_no_silent_choice(own, capsys):
    words = ['data', 'convert', 'csv', 't.csv', '--output', 'own.h5']
    assert main([*words, '--features', '{text: text, text: audio.npz}']) == 2
    error = capsys.readouterr().err
    assert "the key 'text' is given twice in '--features'" in error
    assert error.count('\n') == 1
    assert not (own / 'own.h5').exists()


def test_processes_that_need_the_synthetic_store_make_it_once(tmp_path):
    code = (
        'import sys; from hetero_mmer.datasets import resolve_data; '
        "print(resolve_data('synthetic', sys.argv[1]))"
    )
    words = [sys.executable, '-c', code, str(tmp_path)]
    several = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    path = resolve_data('synthetic', tmp_path)
    assert len(Store(path)) == 1000
    assert list(tmp_path.iterdir()) == [path]
