from __future__ import annotations

from hetero_mmer.errors import did_you_mean, did_you_mean_path


def test_did_you_mean():
    assert did_you_mean('epoch', ['epochs', 'seed']) == "; did you mean 'epochs'?"
    assert did_you_mean('hhmpn', ['HHMPN']) == "; did you mean 'HHMPN'?"
    assert did_you_mean('xyz', ['epochs']) == ''


def test_did_you_mean_path(tmp_path):
    for name in ('music.h5', 'music.csv', 'emotions.arff', 'runs'):
        (tmp_path / name).touch()

    def told(name, **end):
        return did_you_mean_path(tmp_path / name, **end).replace(str(tmp_path), '.')

    assert told('musik.h5', end='.h5') == "; did you mean './music.h5'?"
    assert told('emotions.h5', end='.h5') == ''
    assert told('emotions.arf') == "; did you mean './emotions.arff'?"
    assert told('run') == "; did you mean './runs'?"
    assert told('no/such/folder.h5') == told('a\0b') == told('x' * 5000) == ''
