from __future__ import annotations

import sys

import pytest

from hetero_mmer.cli import main
from hetero_mmer.cli.track import track
from hetero_mmer.datasets import DATA_SETS, FORMATS, fetch_data_set
from hetero_mmer.typing import untracked


@pytest.mark.parametrize(
    ('track', 'seconds', 'total', 'told'),
    [
        (untracked, 0, 3, ''),
        (track, 30, 3, ''),
        (track, 0, 3, 'Reading: 0 of 3\nReading: 1 of 3\nReading: 2 of 3\n'),
        (track, 0, None, 'Reading: 0\nReading: 1\nReading: 2\n'),
    ],
)
def test_track_yields_all(track, seconds, total, told, capsys, monkeypatch):
    monkeypatch.setattr('hetero_mmer.cli.track.NOW_AND_THEN', seconds)
    assert list(track('abc', 'Reading', total=total)) == list('abc')
    output = capsys.readouterr()
    assert output.err == told
    assert not output.out


def test_track_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    monkeypatch.setenv('TERM', 'xterm')
    assert list(track('abc', 'Reading', total=3)) == list('abc')
    assert 'Reading' in capsys.readouterr().err


def test_only_the_command_line_tells_how_a_conversion_goes(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr('hetero_mmer.cli.track.NOW_AND_THEN', 0)
    (tmp_path / 'table.csv').write_text('id,text,joy\na,oh,1\nb,no,0\n')
    (tmp_path / 'a.npy').touch()
    arff = '@relation r\n@attribute x numeric\n@attribute joy {0,1}\n@data\n1,1\n2,0\n'
    (tmp_path / 'a.arff').write_text(arff)
    sources, output = [tmp_path / 'a.arff'], tmp_path / 'a.h5'
    FORMATS['arff'](sources, output, labels=-1).close()
    assert not capsys.readouterr().err
    words = ['data', 'convert', 'arff', str(sources[0]), '--output', str(output)]
    assert main([*words, '--labels', '-1']) == 0
    assert 'Converting: 1 of 2' in capsys.readouterr().err


@pytest.mark.parametrize('name', [n for n, d in DATA_SETS.items() if d.fetch])
def test_fetch_passes_on_what_tells_how_it_goes(name, tmp_path, monkeypatch):
    got = []

    def fetch(output, *, track):
        got.append(track)

    monkeypatch.setitem(vars(DATA_SETS[name]), 'fetch', fetch)
    fetch_data_set(name, tmp_path, track=track)
    assert got == [track]
