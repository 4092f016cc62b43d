"""Intensities in files of any format, and from which one on a label is present."""

from __future__ import annotations

import json
import math
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS
from hetero_mmer.datasets.intensity import choose_above, is_above
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.run import evaluate
from hetero_mmer.store import Store, read_like

sys.path.insert(0, str(Path(__file__).parents[1] / 'io'))
from csd_toy import words_of, write_csd

EMOTIONS = ('happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear')
WIDTHS = {'text': 4, 'vision': 3, 'audio': 2}
SIZE = 12


def intensities(seed=0, low=0):
    """Thirds from 0 to 3, as annotators' means are."""
    return np.random.default_rng(seed).integers(low, 10, (SIZE, 6)) / 3


def own(folder, y):
    np.savez(folder / 'text.npz', **{f's{i}': np.ones((2, 3)) for i in range(SIZE)})
    rows = [f's{i},{",".join(map(str, row))}' for i, row in enumerate(y.tolist())]
    (folder / 'a.csv').write_text('\n'.join([f'id,{",".join(EMOTIONS)}', *rows]))
    return 'csv', folder / 'a.csv', {'features': {'text': str(folder / 'text.npz')}}


def csd(folder, y):
    spans = np.stack([np.arange(SIZE) * 3.0, np.arange(SIZE) * 3.0 + 3], axis=1)
    y = np.hstack([np.zeros((SIZE, 1)), y])
    words = words_of(0)
    write_csd(folder / 'l.csd', 'All Labels', {'a': (y, spans)})
    write_csd(folder / 'w.csd', 'glove_vectors', {'a': words})
    write_csd(folder / 'v.csd', 'FACET 4.2', {'a': words})
    return 'cmu-mosei', folder, {}


def part(y):
    return {key: np.ones((len(y), 5, width)) for key, width in WIDTHS.items()}


def table(folder, y, columns, keys):
    lines = [','.join([*columns, *EMOTIONS])]
    lines += [','.join(map(str, [*k, *row])) for k, row in zip(keys, y, strict=True)]
    (folder / 'labels.csv').write_text('\n'.join(lines))
    return str(folder / 'labels.csv')


def mult(folder, y):
    ids = [[f'v{i}', '0.0', '1.5'] for i in range(SIZE)]
    data = {'train': part(y) | {'id': np.array(ids)}}
    (folder / 'a.pkl').write_bytes(pickle.dumps(data))
    labels = table(folder, y, ['video_id', 'start', 'end'], ids)
    return 'mult-pkl', folder / 'a.pkl', {'labels': labels}


def mmsa(folder, y):
    data = {'train': part(y) | {'id': [f'v{i}$_$0' for i in range(SIZE)]}}
    (folder / 'a.pkl').write_bytes(pickle.dumps(data))
    keys = [[f'v{i}', '0'] for i in range(SIZE)]
    labels = table(folder, y, ['video_id', 'clip_id'], keys)
    return 'mmsa-pkl', folder / 'a.pkl', {'labels': labels}


def pt(folder, y):
    ids = dict(zip(EMOTIONS, range(6), strict=True))
    arrays = {
        f'src-{m}': np.ones((SIZE, 5, w))
        for m, w in {'text': 4, 'visual': 3, 'audio': 2}.items()
    }
    data = {'train': {**arrays, 'tgt': y.tolist()}, 'dict': {'tgt': ids}}
    torch.save(data, folder / 'a.pt')
    return 'mosei-pt', folder / 'a.pt', {}


#: Formats that took 0 before anyone could choose, and those that must be told.
USUAL = (csd, mult, mmsa)
TOLD = (own, pt)


def run(case, folder, y, name='a.h5', **options):
    format_, source, more = case(folder, y)
    return FORMATS[format_]([source], folder / name, **more, **options)


def expected(y, above):
    """By a loop, on thirds that no rounding brings near a threshold."""
    return [[int(value > above + 1e-4) for value in row] for row in y]


@pytest.mark.parametrize('above', [0, 1, 2 / 3, 0.5, 2.9])
@pytest.mark.parametrize('case', [*USUAL, *TOLD])
def test_labels_are_those_above_the_number(case, above, tmp_path):
    y = intensities()
    store = run(case, tmp_path, y, positive_above=above)
    assert store.label_names == EMOTIONS
    assert store.labels.tolist() == expected(y, above)
    np.testing.assert_array_equal(store.intensities, y.astype(np.float32))
    assert store.attrs['positive_above'] == above
    note = f'a label is present where its intensity is above {above:g}'
    assert note in store.attrs['notes']


@pytest.mark.parametrize('case', USUAL)
def test_the_usual_number_is_zero(case, tmp_path):
    y = intensities()
    store = run(case, tmp_path, y)
    assert store.labels.tolist() == expected(y, 0)
    assert store.attrs['positive_above'] == 0


@pytest.mark.parametrize('case', TOLD)
def test_intensities_are_not_guessed(case, tmp_path):
    with pytest.raises(InputError, match=r'intensities.*`positive_above=0`') as error:
        run(case, tmp_path, intensities())
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'a.h5').exists()


@pytest.mark.parametrize('above', [math.nan, math.inf, -math.inf, True])
@pytest.mark.parametrize('case', [*USUAL, *TOLD])
def test_the_number_is_finite(case, above, tmp_path):
    with pytest.raises(InputError, match="'positive_above' is a finite number"):
        run(case, tmp_path, intensities(), positive_above=above)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('case', [*USUAL, *TOLD])
def test_intensities_are_finite(case, bad, tmp_path):
    y = intensities()
    y[4, 2] = bad
    if case in TOLD or (case is not csd and not math.isnan(bad)):
        with pytest.raises(InputError, match='finite'):
            run(case, tmp_path, y, positive_above=0)
        assert not (tmp_path / 'a.h5').exists()
        return
    store = run(case, tmp_path, y, positive_above=0)
    assert len(store.dropped) == 1
    assert store.labels.tolist() == expected(np.delete(y, 4, axis=0), 0)


@pytest.mark.parametrize('case', [*USUAL, *TOLD])
def test_a_number_that_tells_nothing_apart_is_told(case, tmp_path):
    y = intensities(low=1)
    y[:, 0] = y[:, 0] / 9
    notes = run(case, tmp_path, y, positive_above=0).attrs['notes']
    assert sum('in each sample' in note for note in notes) == 6
    notes = run(case, tmp_path, y, positive_above=1).attrs['notes']
    assert [n.split("'")[1] for n in notes if 'in no sample' in n] == ['happiness']
    assert not any('in each sample' in note for note in notes)


@pytest.mark.parametrize('case', [mult, mmsa, *TOLD])
def test_intensities_below_zero_are_told(case, tmp_path):
    y = intensities()
    y[3, 1] = -2
    store = run(case, tmp_path, y, positive_above=0)
    told = [n for n in store.attrs['notes'] if 'is below 0' in n]
    assert [n.split("'")[1] for n in told] == ['sadness']
    assert told[0].startswith('WARNING')
    assert store.labels.tolist() == expected(y, 0)


@pytest.mark.parametrize('case', [*USUAL, own])
def test_new_samples_are_as_others(case, tmp_path):
    y = intensities()
    run(case, tmp_path, y, positive_above=1)
    like = tmp_path / 'a.h5'
    assert read_like(like).positive_above == 1
    new = run(case, tmp_path, y, 'b.h5', like=like)
    assert new.labels.tolist() == expected(y, 1)
    assert new.attrs['positive_above'] == 1
    with pytest.raises(InputError, match=r"above 1 \(got 'positive_above' 0\)"):
        run(case, tmp_path, y, 'c.h5', like=like, positive_above=0)


def test_new_samples_of_zeros_and_ones(tmp_path):
    y = intensities()
    run(own, tmp_path, y, positive_above=0.5)
    _, source, options = own(tmp_path, (y > 0.5).astype(int))
    text = source.read_text()
    for form in (text, text.replace(',1', ',TRUE').replace(',0', ',FALSE')):
        source.write_text(form)
        new = FORMATS['csv'](
            [source], tmp_path / 'b.h5', like=tmp_path / 'a.h5', **options
        )
        assert new.labels.tolist() == expected(y, 0.5)
        assert new.intensities is None


def test_a_number_without_intensities_is_refused(tmp_path):
    """MulT's IEMOCAP has labels of its own, and unlabelled samples have none."""
    y = intensities()
    data = part(y) | {'labels': np.zeros((SIZE, 4, 2), int)}
    (tmp_path / 'iemocap.pkl').write_bytes(pickle.dumps({'train': data}))
    with pytest.raises(InputError, match="'positive_above' is for the intensities"):
        FORMATS['mult-pkl'](
            [tmp_path / 'iemocap.pkl'], tmp_path / 'b.h5', positive_above=1
        )
    run(mmsa, tmp_path, y)
    with pytest.raises(InputError, match="'positive_above' is for the intensities"):
        FORMATS['mmsa-pkl'](
            [tmp_path / 'a.pkl'],
            tmp_path / 'b.h5',
            like=tmp_path / 'a.h5',
            positive_above=1,
        )


def test_a_run_remembers_the_number(tmp_path):
    from hetero_mmer import training
    from hetero_mmer.models import HHMPN

    run(own, tmp_path, intensities(), positive_above=0.5)
    training.train(
        HHMPN, data=tmp_path / 'a.h5', out=tmp_path / 'run', epochs=1, batch_size=4
    )
    assert read_like(tmp_path / 'run').positive_above == 0.5
    run(own, tmp_path, intensities(), 'b.h5', positive_above=1)
    with pytest.warns(InputWarning, match=r'above 0\.5, and those of .* are above 1'):
        evaluate(tmp_path / 'run', data=tmp_path / 'b.h5')
    with warnings.catch_warnings():
        warnings.simplefilter('error', InputWarning)
        evaluate(tmp_path / 'run')
    about = json.loads((tmp_path / 'run' / 'model.json').read_text())
    del about['data']['positive_above']  # As runs of an earlier release.
    (tmp_path / 'run' / 'model.json').write_text(json.dumps(about))
    assert read_like(tmp_path / 'run').positive_above is None


def test_values_that_were_float32_are_compared_as_such():
    thirds = np.arange(10, dtype=np.float32) / np.float32(3)
    for above in (0, 1 / 3, 2 / 3, 0.1, 1, 2.5):
        by_loop = [round(float(x) * 3) > above * 3 + 1e-9 for x in thirds]
        assert is_above(thirds, above).tolist() == by_loop
        assert is_above(thirds.astype(float), above).tolist() == by_loop
    assert is_above([0.1 + 1e-12, 1e-300, 1e300], 0.1).tolist() == [True, False, True]
    assert is_above([1e-300], 0).tolist() == [True]


def test_a_choice_of_nothing():
    assert choose_above(None, None) is None
    assert choose_above(None, None, 0) == 0


def test_the_command(tmp_path, capsys):
    _, source, options = own(tmp_path, intensities())
    words = ['data', 'convert', 'csv', str(source), '--output', str(tmp_path / 'a.h5')]
    words += ['--features', json.dumps(options['features'])]
    assert main(words) == 2
    assert '--positive_above 0' in capsys.readouterr().err
    for bad in ('nan', 'inf', 'x', 'true'):
        assert main([*words, '--positive_above', bad]) == 2
        assert capsys.readouterr().err.count('\n') == 1
    assert main([*words, '--positive_above', '1']) == 0
    assert 'above 1' in capsys.readouterr().out
    with Store(tmp_path / 'a.h5') as store:
        assert store.labels.tolist() == expected(intensities(), 1)
