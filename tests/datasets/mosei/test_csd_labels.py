from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.mosei.cmu_mosei import convert
from hetero_mmer.datasets.mosei.facts import LABEL_NAMES
from hetero_mmer.datasets.mosei.label_join import read_labels
from hetero_mmer.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[2] / 'io'))
from csd_toy import NAMES, as_json, segments_of, words_of, write_csd

#: No order that is in use.
ORDER = (4, 0, 6, 2, 5, 1, 3)
SHUFFLED = [NAMES[i] for i in ORDER]


def write_files(folder, metadata, *, order=ORDER, change=lambda labels: labels):
    labels, words = {}, {}
    for k, video in enumerate(('a', 'b')):
        y, spans = segments_of(k)
        labels[video] = change(y[:, list(order)]), spans
        words[video] = words_of(k)
    write_csd(folder / 'l.csd', 'All Labels', labels, metadata)
    write_csd(folder / 'w.csd', 'glove_vectors', words)
    write_csd(folder / 'v.csd', 'FACET 4.2', words)
    return folder


def expected():
    return np.vstack([segments_of(k)[0][:, 1:] for k in (0, 1)])


def strings(values):
    return np.array(values, dtype=h5py.string_dtype())


SAID = {
    'json': {'dimension names': as_json(SHUFFLED)},
    'nested': {'dimension names': as_json([[SHUFFLED]])},
    'one list each': {'dimension names': as_json([[name] for name in SHUFFLED])},
    'plain strings': {'dimension names': strings(SHUFFLED)},
    'bytes': {'dimension names': np.array([n.encode() for n in SHUFFLED])},
    'commas': {'dimension names': strings([', '.join(SHUFFLED)])},
    'lines': {'dimension names': strings(['\n'.join(SHUFFLED)])},
    'index: name': {'dimension names': as_json(dict(enumerate(SHUFFLED)))},
    'name: index': {'dimension names': as_json({n: i for i, n in enumerate(SHUFFLED)})},
    'another key': {'Dimension_Names': as_json(SHUFFLED)},
    'no key that is known': {'columns of labels': as_json(SHUFFLED)},
    'other words': {
        'dimension names': as_json(
            [
                'Surprised ',
                'SENTIMENT',
                'fearful',
                'Sadness',
                'Disgusted',
                'joy',
                'angry',
            ]
        )
    },
    'with scales': {
        'dimension names': as_json(
            [
                *('surprise [0,3]', 'sentiment (-3 to 3)', 'fear_score', 'emotion_sad'),
                *('disgust intensity', 'Happiness score', 'anger(0-3)'),
            ]
        )
    },
}


@pytest.mark.parametrize('said', SAID.values(), ids=SAID)
def test_columns_are_what_the_file_calls_them(said, tmp_path):
    folder = write_files(tmp_path, said)
    store = convert([folder], tmp_path / 'a.h5')
    np.testing.assert_array_equal(store.labels, expected() > 0)
    wanted = np.repeat([-1.0, 0.0], 13)
    np.testing.assert_array_equal(store.extra('sentiment'), wanted)
    assert any('surprise, sentiment, fear, sadness' in n for n in store.attrs['notes'])
    emotions = read_labels(folder / 'l.csd').by_time
    found = np.vstack([values[:, 1:] for _, values in emotions.values()])
    np.testing.assert_array_equal(found, expected())


def test_without_names_the_order_is_that_of_the_sdk_and_told(tmp_path, capsys):
    folder = write_files(tmp_path, {'dimension names': as_json(None)}, order=range(7))
    words = ['data', 'convert', 'cmu-mosei', str(folder), '--output']
    assert main([*words, str(tmp_path / 'a.h5')]) == 0
    shown = capsys.readouterr().out
    assert f'sentiment, {", ".join(LABEL_NAMES)}, in the SDK' in shown


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ([*SHUFFLED[:-1], 'boredom'], r"\['boredom'\] are none of them"),
        ([*SHUFFLED[:-1], 'fear'], "'fear' is there twice"),
        (SHUFFLED[:-1], 'there are 6'),
        ([*SHUFFLED, 'valence'], r"\['valence'\] are none of them"),
        ([f'dim{i}' for i in range(7)], 'are none of them'),
    ],
)
def test_names_that_are_not_understood_are_refused(names, message, tmp_path):
    folder = write_files(tmp_path, {'dimension names': as_json(names)})
    with pytest.raises(InputError, match=message):
        convert([folder], tmp_path / 'a.h5')
    with pytest.raises(InputError, match=message):
        read_labels(folder / 'l.csd')
    assert not (tmp_path / 'a.h5').exists()


def test_an_emotion_below_zero_is_no_emotion(tmp_path):
    folder = write_files(tmp_path, None)  # Sentiment is the second, and nobody says so.
    with pytest.raises(InputError, match=r"not in the SDK's order .* column 2"):
        convert([folder], tmp_path / 'a.h5')


def test_values_out_of_range_are_told(tmp_path):
    said = {'dimension names': as_json(SHUFFLED)}
    folder = write_files(tmp_path, said, change=lambda labels: labels * 50)
    store = convert([folder], tmp_path / 'a.h5')
    warnings = [n for n in store.attrs['notes'] if n.startswith('WARNING')]
    assert len(warnings) >= 4  # Four of the emotions are present somewhere.
    assert any("'happiness' (column 6 of 'l.csd')" in n for n in warnings)
