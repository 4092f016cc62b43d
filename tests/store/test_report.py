from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, NoSampleError, Store, StoreWriter, report
from hetero_mmer.store.place import write_report, write_report_of_none

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


def test_most_samples_are_dropped(tmp_path):
    def write(num_kept):
        with StoreWriter(tmp_path / 'a.h5', SPECS, ['joy']) as writer:
            for i in range(num_kept):
                writer.add(str(i), {'text': np.ones((1, 2))}, [1])
            writer.drop('x', 'too short')
            for i in range(2):
                writer.drop(f'y{i}', f"no 'text-{i}' from {i}.5 s")
        return Store(tmp_path / 'a.h5').attrs.get('notes', [])

    assert write(3) == []
    assert write(2) == [
        "WARNING: most samples are dropped, 3 of 5, 2 of them like 'y0': no "
        "'text-0' from 0.5 s"
    ]
    assert write(2)[0] in report(tmp_path / 'a.h5')


def test_no_sample_is_left(tmp_path):
    writer = StoreWriter(tmp_path / 'a.h5', SPECS, ['joy'])
    writer.note('Splits are official.')
    writer.drop('a|b', 'too short')
    writer.drop('c', 'no labels')
    message = r"2 dropped, 1 of them like 'a\|b'"
    with pytest.raises(NoSampleError, match=message) as error, writer:
        pass
    text = error.value.report
    assert text.startswith('# a.h5\n\n* Splits are official.\n\n## Kept\n')
    assert text.endswith('| a\\|b | too short |\n| c | no labels |\n')


def test_the_report_of_none_spares_that_of_an_older_store(path):
    before = write_report(Store(path)).read_bytes()
    other = write_report_of_none(path, '# data.h5\n\n## Kept\n\nnone\n')
    assert other.name == 'data.dropped.report.md'
    assert path.with_suffix('.report.md').read_bytes() == before
    assert len(Store(path)) == 4
    assert write_report_of_none(path, '# data.h5\n\n## Kept\n\n2\n') == other
    path.unlink()
    again = write_report_of_none(path, '# data.h5\n\n## Kept\n\n2\n')
    assert again == path.with_suffix('.report.md')
    assert again.read_text().endswith('2\n')
