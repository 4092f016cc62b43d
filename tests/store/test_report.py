from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.store import ModalitySpec, Store, StoreWriter, report
from hetero_mmer.typing import InputError

SPECS = {'text': ModalitySpec(2, columns=('pitch', 'energy')), 'audio': ModalitySpec(3)}
ROWS = {
    'a': np.array([[1.0, 2], [np.nan, -np.inf]]),
    'b': np.array([[5.0, 4], [3, np.inf], [np.nan, 0]]),
    'c': np.array([[100.0, -7]]),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'data.h5'
    with StoreWriter(path, SPECS, ['joy'], clean='zero') as writer:
        for name, rows in ROWS.items():
            split = 'test' if name == 'c' else 'train'
            writer.add(name, {'text': rows}, [1], split=split)
        writer.add('d', {'audio': np.ones((1, 3))}, [0], split='test')
        writer.drop('e|f', 'no label for it')
        writer.note('Splits are official.')
    return path


def test_moments_are_those_of_the_train_split(path):
    finite = np.vstack([ROWS['a'], ROWS['b']])
    finite[~np.isfinite(finite)] = np.nan
    with Store(path) as store:
        mean, std = store.moments('text')
        np.testing.assert_allclose(mean, np.nanmean(finite, axis=0))
        np.testing.assert_allclose(std, np.nanstd(finite, axis=0))
        # Nothing that is known of 'audio' lies in train.
        np.testing.assert_array_equal(store.moments('audio')[0], [0, 0, 0])
        np.testing.assert_array_equal(store.moments('audio')[1], [1, 1, 1])


@pytest.mark.parametrize('split', ['', 'train'])
def test_moments_of_large_values_in_many_blocks(tmp_path, monkeypatch, split):
    """Each block has another mean, size and number of values that are not finite."""
    monkeypatch.setattr('hetero_mmer.store.column._BUFFER_BYTES', 80)
    rng = np.random.default_rng(0)
    x = rng.normal(1e4, 1, size=(500, 2)).astype(np.float32)
    x[:, 1] += np.arange(500) ** 2 / 100
    x[rng.random((500, 2)) < 0.2] = np.nan
    specs = {'text': ModalitySpec(2)}
    with StoreWriter(tmp_path / 'a.h5', specs, ['joy'], clean='zero') as writer:
        for i, rows in enumerate(np.split(x, [1, 7, 8, 90, 91, 93, 300])):
            writer.add(str(i), {'text': rows}, [1], split=split)
    with Store(tmp_path / 'a.h5') as store:
        mean, std = store.moments('text')
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, np.nanmean(exact, axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, np.nanstd(exact, axis=0), rtol=1e-9)


def test_names_what_was_kept_dropped_and_cleaned(path):
    text = report(path)
    assert '* Splits are official.' in text
    assert '| train | 2 | 2 | 0 |' in text
    assert '| test | 2 | 1 | 1 |' in text
    assert r'| e\|f | no label for it |' in text
    assert 'became `zero`' in text
    assert '| text | pitch: 2, energy: 2 |' in text
    assert '| a | text | 2 |' in text
    assert '| b | text | 2 |' in text
    assert '| c |' not in text


def test_names_command_no_terminal_that_shows_the_report(tmp_path):
    bad = 'a\x1b[2J\nb\u202e|\r喜'
    with StoreWriter(tmp_path / 'a.h5', SPECS, ['joy'], clean='zero') as writer:
        writer.add(bad, {'text': [[1, np.nan]]}, [1])
        writer.drop(bad, bad)
        writer.note(bad)
    text = report(tmp_path / 'a.h5')
    assert not {*'\x1b\r\u202e'} & {*text}
    shown = r'a\x1b[2J\nb\u202e|\r喜'
    assert f'* {shown}\n' in text
    cell = shown.replace('|', r'\|')
    assert f'| {cell} | {cell} |\n' in text
    assert f'| {cell} | text | 1 |\n' in text


def test_strict_writer_drops_nothing(tmp_path):
    def write():
        with StoreWriter(tmp_path / 'a.h5', SPECS, ['joy'], strict=True) as writer:
            writer.add('a', {'text': np.ones((1, 2))}, [1])
            writer.drop('b', 'too short')

    with pytest.raises(InputError, match="'b' is: too short"):
        write()
    assert not list(tmp_path.iterdir())
