"""Files that the SDK has aligned already."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hetero_mmer.datasets.mosei.cmu_mosei import convert
from hetero_mmer.errors import InputError
from hetero_mmer.io.csd import CsdFile

sys.path.insert(0, str(Path(__file__).parent))
from csd_toy import NAMES, as_json, by_segment, segments_of, words_of, write_csd

VIDEOS = ('x', 'y[cut]')


def write_aligned(folder, numbers, *, overlap=0.0, aligned_labels=True):
    """Segments with these numbers; returns the rows that each of them has."""
    labels, words, rows = {}, {}, {}
    for k, video in enumerate(VIDEOS):
        segments = segments_of(k, overlap=overlap)
        if aligned_labels:
            for i in numbers:
                labels[f'{video}[{i}]'] = tuple(part[i : i + 1] for part in segments)
        else:
            labels[video] = segments
        entries = by_segment(video, words_of(k), segments, numbers)
        words |= entries
        rows |= {name: features for name, (features, _) in entries.items()}
    about = {'dimension names': as_json(NAMES)}
    write_csd(folder / 'l.csd', 'All Labels', labels, about)
    write_csd(folder / 'w.csd', 'glove_vectors', words)
    write_csd(folder / 'v.csd', 'COVAREP', words)
    return rows


@pytest.mark.parametrize('mode', ['word-aligned', 'unaligned'])
@pytest.mark.parametrize('overlap', [0.0, 1.0])
@pytest.mark.parametrize('aligned_labels', [True, False])
def test_entries_are_the_segments_of_their_numbers(
    mode, overlap, aligned_labels, tmp_path
):
    numbers = [0, 1, 2, 4, 9, 10, 11, 12]  # 3 and 5 to 8 are gone.
    rows = write_aligned(
        tmp_path, numbers, overlap=overlap, aligned_labels=aligned_labels
    )
    store = convert([tmp_path], tmp_path / 'a.h5', mode=mode)
    assert sorted(store.ids) == sorted(rows)
    assert len(store) == 16
    for k, name in enumerate(store.ids):
        number = int(name.rstrip(']').rpartition('[')[2])
        assert store.groups[k] == name.rpartition('[')[0]
        assert store.labels[k].tolist() == [(number >> b) & 1 for b in range(6)]
        for modality in ('text', 'audio'):
            np.testing.assert_array_equal(store.read(modality, k), rows[name])


def test_entries_come_in_the_order_of_their_numbers(tmp_path):
    write_aligned(tmp_path, [11, 2, 10, 1])
    with CsdFile(tmp_path / 'w.csd') as file:
        assert set(file.videos) == set(VIDEOS)
        assert file.read('x').features[:, 0].tolist() == [
            *(3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
            *(30.0, 31.0, 32.0, 33.0, 34.0, 35.0),
        ]


def test_aligned_and_other_features_do_not_go_together(tmp_path):
    write_aligned(tmp_path, range(13))
    write_csd(tmp_path / 'v.csd', 'COVAREP', {'x': words_of(0), 'y[cut]': words_of(1)})
    with pytest.raises(InputError, match='was aligned by the SDK'):
        convert([tmp_path], tmp_path / 'a.h5')
    assert not (tmp_path / 'a.h5').exists()


def test_entries_that_belong_to_other_segments_are_refused(tmp_path):
    write_aligned(tmp_path, range(13))
    moved = {}
    for k, video in enumerate(VIDEOS):
        segments = segments_of(k)
        entries = by_segment(video, words_of(k), segments, range(1, 13))
        for i in range(1, 13):
            moved[f'{video}[{i - 1}]'] = entries[f'{video}[{i}]']
    write_csd(tmp_path / 'w.csd', 'glove_vectors', moved)
    with pytest.raises(InputError, match='outside of'):
        convert([tmp_path], tmp_path / 'a.h5')


def test_options_that_can_do_nothing_are_refused(tmp_path):
    write_aligned(tmp_path, range(13))
    with pytest.raises(InputError, match="'collapse' and 'impute'"):
        convert([tmp_path], tmp_path / 'a.h5', collapse='max')
    store = convert([tmp_path], tmp_path / 'a.h5', sequence_length=2)
    assert {len(store.read('text', i)) for i in range(len(store))} == {2}


def test_entries_of_words_are_gathered_by_segment(tmp_path):
    labels, words, frames = {}, {}, {}
    for k, video in enumerate(VIDEOS):
        labels[video] = segments_of(k)
        features, spans = words_of(k)
        for i in range(len(features)):
            words[f'{video}[{i}]'] = features[i : i + 1], spans[i : i + 1]
            half = np.array([[0, 0.5], [0.5, 1]]) + spans[i, 0]
            frames[f'{video}[{i}]'] = (
                np.vstack([features[i] - 1, features[i] + 3]),
                half,
            )
    write_csd(
        tmp_path / 'l.csd', 'All Labels', labels, {'dimension names': as_json(NAMES)}
    )
    write_csd(tmp_path / 'w.csd', 'glove_vectors', words)
    write_csd(tmp_path / 'v.csd', 'COVAREP', frames)
    store = convert([tmp_path], tmp_path / 'a.h5')
    assert len(store) == 26
    for k, name in enumerate(store.ids):
        number = int(name.rstrip(']').rpartition('[')[2])
        first = 1000.0 * VIDEOS.index(store.groups[k]) + 3 * number
        expected = first + np.arange(3)
        assert store.read('text', k)[:, 0].tolist() == expected.tolist()
        assert store.read('audio', k)[:, 0].tolist() == (expected + 1).tolist()
    with pytest.raises(InputError, match='aligned to words by the SDK'):
        convert([tmp_path], tmp_path / 'b.h5', mode='unaligned')


@pytest.mark.parametrize('name', ['l.csd', 'w.csd'])
def test_times_in_another_unit_are_refused(name, tmp_path):
    roots = {'l.csd': 'All Labels', 'w.csd': 'glove_vectors', 'v.csd': 'COVAREP'}
    for file, root in roots.items():
        make = segments_of if file == 'l.csd' else words_of
        factor = 1000 if file == name else 1
        videos = {v: make(k) for k, v in enumerate(VIDEOS)}
        videos = {v: (x, factor * spans) for v, (x, spans) in videos.items()}
        about = {'dimension names': as_json(NAMES)} if file == 'l.csd' else None
        write_csd(tmp_path / file, root, videos, about)
    with pytest.raises(InputError, match='different units'):
        convert([tmp_path], tmp_path / 'a.h5')


def test_labels_may_cover_the_start_of_a_long_video(tmp_path):
    words = words_of(0, num_segments=200)  # Ten minutes, of which six seconds count.
    labels = segments_of(0, num_segments=2)
    about = {'dimension names': as_json(NAMES)}
    write_csd(tmp_path / 'l.csd', 'All Labels', {'x': labels, 'y': labels}, about)
    write_csd(tmp_path / 'w.csd', 'glove_vectors', {'x': words, 'y': words})
    store = convert([tmp_path], tmp_path / 'a.h5')
    assert len(store) == 4
    assert store.read('text', 1)[:, 0].tolist() == [3.0, 4.0, 5.0]
