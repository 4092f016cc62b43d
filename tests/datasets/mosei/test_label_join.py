from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.datasets.mosei.label_join import (
    LabelTable,
    Unmatched,
    match_interval,
    read_labels,
)
from hetero_mmer.errors import InputError


@settings(max_examples=80, deadline=None)
@given(
    ends=st.lists(
        st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=0, max_size=8
    ),
    at=st.tuples(st.integers(-20, 20), st.integers(-20, 20)),
    tolerance=st.integers(0, 4),
)
def test_match_interval_agrees_with_a_loop(ends, at, tolerance):
    best = []
    for i, (a, b) in enumerate(ends):
        away = max(abs(a - at[0]), abs(b - at[1]))
        if away <= tolerance:
            best.append((away, i))
    expected = [i for away, i in sorted(best) if away == min(best)[0]]
    intervals = np.array(ends, float).reshape(-1, 2)
    assert match_interval(intervals, *at, tolerance).tolist() == expected


def test_the_sdks_own_file(shared):
    path = shared / 'data' / 'cmu_csd' / 'All_Labels.csd'
    ours = read_labels(path).by_time
    with h5py.File(path) as file:
        data = file['All Labels/data']
        assert set(ours) == set(data)
        for video, (intervals, values) in ours.items():
            np.testing.assert_array_equal(intervals, data[video]['intervals'])
            np.testing.assert_array_equal(values, data[video]['features'])
    table = read_labels(path)
    video, (intervals, values) = next(iter(ours.items()))
    for (start, end), row in zip(intervals, values, strict=True):
        # Ids of other files have a few decimals.
        found = table.of_interval(video, round(start, 3), round(end, 3), 0.01)
        np.testing.assert_array_equal(found, row)
    with pytest.raises(Unmatched, match='no labels of'):
        table.of_interval(video, intervals[0, 0] + 0.02, intervals[0, 1], 0.01)


@pytest.fixture
def write(tmp_path):
    def write(text, name='labels.csv', encoding='utf-8'):
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    return write


def test_a_table_by_clip(write):
    path = write(
        'video_id,clip_id,text,label,Fear,disgust,surprise,angry,sad,happy\r\n'
        'a,1,"well, so",0.5,0,0,0,1.5,0,2\r\n'
        '\r\n'
        'a,10,x,-1,0.33,0,0,0,0,0\r\n'
        'b,1,x,,0,0,0,0,,0\r\n',
        encoding='utf-8-sig',
    )
    table = read_labels(path)
    assert table.names == (
        'happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear',
    )  # fmt: skip
    assert table.of_clip('a', '1', 0).tolist() == [0.5, 2, 0, 1.5, 0, 0, 0]
    assert table.of_clip('a', '10', 0).tolist() == [-1, 0, 0, 0, 0, 0, 0.33]
    with pytest.raises(Unmatched, match="no clip '2' of the video 'a'"):
        table.of_clip('a', '2', 0)
    with pytest.raises(Unmatched, match='not all there'):
        table.of_clip('b', '1', 0)


def test_a_table_by_time(write):
    table = read_labels(
        write('video_id,start,end,calm,bored\na,0,1.5,1,0\na,5,6,0,2\n')
    )
    assert table.names == ('calm', 'bored')
    assert table.of_interval('a', 5.004, 6.0, 0.01)[1:].tolist() == [0, 2]
    assert np.isnan(table.of_interval('a', 0, 1.5, 0.01)[0])
    with pytest.raises(Unmatched, match="no labels of the video 'b'"):
        table.of_interval('b', 0, 1, 0.01)
    with pytest.raises(Unmatched, match="no labels of 'a' from 5 to 7 s"):
        table.of_interval('a', 5, 7, 0.01)


def test_labels_by_time_of_clips(write):
    times = write('video_id,clip_id,start,end\na,7,5,6\n', 'clips.csv')
    table = read_labels(write('video_id,start,end,calm\na,5,6,3\n'), times)
    assert table.of_clip('a', '7', 0.01)[1:].tolist() == [3]
    with pytest.raises(Unmatched, match="no clip '8'"):
        table.of_clip('a', '8', 0.01)


def test_the_same_time_twice():
    intervals = np.array([[0.0, 1.0], [0.0, 1.0], [4.0, 5.0], [4.0, 5.0]])
    values = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 3.0], [2.0, 3.0]])
    table = LabelTable(('calm',), {}, {'a': (intervals, values)}, {}, 'x.csv')
    with pytest.raises(Unmatched, match=r"'x\.csv' has 2 different labels of 'a'"):
        table.of_interval('a', 0, 1, 0.1)
    assert table.of_interval('a', 4, 5, 0.1)[1] == 3  # Only the sentiment differs.


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'not a table'),
        ('id,happy\na,1\n', "with 'video_id'"),
        ('video_id,video_id,happy\na,a,1\n', "with 'video_id'"),
        ('video_id,clip_id,text\na,1,x\n', 'one column per emotion'),
        ('video_id,clip_id,happy,joy\na,1,1,1\n', 'each of another one'),
        ('video_id,happy\na,1\n', "rows with 'clip_id', or with 'start' and 'end'"),
        ('video_id,clip_id,happy\n', "rows with 'clip_id'"),
        ('video_id,clip_id,happy\na,1,much\n', r"'happy' in row 2 .* \(got 'much'\)"),
        ('video_id,clip_id,happy\na,1,1\na,1,2\n', 'row 3 .* repeats'),
        ('video_id,clip_id,happy\na,1\n', r'3 cells, as the first \(got 2 in row 2\)'),
        ('video_id,start,end,happy\na,x,1,1\n', r"'start' in row 2 .* \(got 'x'\)"),
        ('video_id,clip_id,happy\na,\0\xff,\0"', 'video_id|cells|a number|not a table'),
        *(
            (f'video_id,clip_id,happy\na,1,{cell}\n', f"finite number .got '{cell}'")
            for cell in ('inf', '-Infinity', '1e400', '-1e999', '1_5')
        ),
        ('video_id,clip_id,happy,label\na,1,1,inf\n', "'label' in row 2 .* finite"),
        ('video_id,start,end,happy\na,0,inf,1\n', "'end' in row 2 .* finite"),
        ('video_id,clip_id,happy,by\na,1,1,me\n', "'me'.; if 'by' is no emotion, say"),
    ],
)
def test_other_tables_are_refused(write, text, message):
    with pytest.raises(InputError, match=message) as error:
        read_labels(write(text))
    assert '\n' not in str(error.value)


def test_no_text(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00video_id')
    with pytest.raises(InputError, match='not a table'):
        read_labels(tmp_path / 'a.csv')
    with pytest.raises(InputError, match='there is no file'):
        read_labels(tmp_path / 'b.csv')


def test_other_clip_tables_are_refused(write):
    labels = write('video_id,start,end,happy\na,0,1,1\n')
    with pytest.raises(InputError, match=r"has the columns \['video_id', 'clip_id'"):
        read_labels(labels, write('video_id,clip_id\na,1\n', 'clips.csv'))


def test_other_hdf5_files_are_refused(tmp_path):
    (tmp_path / 'a.csd').write_bytes(b'not HDF5')
    with pytest.raises(InputError, match='is not an HDF5 file'):
        read_labels(tmp_path / 'a.csd')
    with h5py.File(tmp_path / 'b.csd', 'w') as file:
        file['x'] = 1
    with pytest.raises(InputError, match=r"the roots of '.*' are \['x'\]"):
        read_labels(tmp_path / 'b.csd')
    with h5py.File(tmp_path / 'c.csd', 'w') as file:
        file['COVAREP/data/v/features'] = np.ones((9, 74))
        file['COVAREP/data/v/intervals'] = np.ones((9, 2))
    with pytest.raises(InputError, match=r"7 columns \(got 74 under .* 'COVAREP'"):
        read_labels(tmp_path / 'c.csd')


SIX = 'happy,sad,anger,surprise,disgust,fear'
EXTRA = f'video_id,clip_id,{SIX},duration,fold,by\na,1,1,0,0,0,0,0,9.5,3,me\n'


def test_columns_that_are_no_emotion_are_left_out_of_moseis(write):
    table = read_labels(write(EXTRA))
    assert len(table.names) == 6
    assert table.of_clip('a', '1', 0)[1:].tolist() == [1, 0, 0, 0, 0, 0]
    assert 'no label: duration, fold, by; with `emotions=`' in table.notes[0]
    more = read_labels(write(EXTRA.replace('fold', 'calm')))
    assert more.names[6:] == ('calm',)
    assert more.of_clip('a', '1', 0)[1:].tolist() == [1, 0, 0, 0, 0, 0, 3]


def test_other_labels_are_taken_and_told(write):
    table = read_labels(write('video_id,clip_id,happy,wut,zorn\na,1,0,1,2\n'))
    assert table.names == ('happiness', 'wut', 'zorn')
    assert table.notes[0].startswith(
        'WARNING: these labels are no emotion that we know'
    )
    assert 'wut, zorn; say which columns are labels with `emotions=`' in table.notes[0]
    assert not read_labels(write('video_id,clip_id,happy\na,1,0\n')).notes


def test_emotions_may_be_chosen(write, tmp_path):
    path = write(EXTRA)
    table = read_labels(path, emotions=['fear', 'Duration', 'happiness'])
    assert table.names == ('fear', 'duration', 'happiness')
    assert table.of_clip('a', '1', 0)[1:].tolist() == [0, 9.5, 1]
    assert not table.notes
    for wrong in (['joi'], ['video_id'], ['fear', 'text']):
        with pytest.raises(InputError, match=f"hold scores .got '{wrong[-1]}'"):
            read_labels(path, emotions=wrong)
    with h5py.File(tmp_path / 'a.csd', 'w') as file:
        file['All Labels/data/v/features'] = np.arange(14.0).reshape(2, 7)
        file['All Labels/data/v/intervals'] = [[0, 1], [4, 5]]
    table = read_labels(tmp_path / 'a.csd', emotions=['fear', 'sad'])
    assert table.names == ('fear', 'sadness')
    assert table.of_interval('v', 4, 5, 0.1).tolist() == [7, 13, 9]


def test_shifted_rows():
    rows = np.arange(10.0).reshape(5, 2)
    times = {'a': (np.zeros((2, 2)), rows[:2]), 'b': (np.ones((3, 2)), rows[2:])}
    clips = {('a', str(i)): row for i, row in enumerate(rows)}
    table = LabelTable(('calm',), clips, times, {}, 'x.csv')
    for by in (1, -1, 2):
        expected = [rows[(i + by) % 5].tolist() for i in range(5)]
        found = table.shifted(by)
        assert [x.tolist() for x in found.by_clip.values()] == expected
        both = [x for _, values in found.by_time.values() for x in values.tolist()]
        assert both == expected
    assert table.by_clip['a', '0'].tolist() == [0, 1]


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('end', ['\r\n', '\r'])
def test_other_text_files(tmp_path, encoding, end):
    rows = ['video_id,clip_id,text,happy', 'ä,1,"a\u2028\x85",1', 'b,2,x,0', '']
    (tmp_path / 'a.csv').write_bytes(end.join(rows).encode(encoding))
    table = read_labels(tmp_path / 'a.csv')
    assert {key: x[1] for key, x in table.by_clip.items()} == {
        ('ä', '1'): 1, ('b', '2'): 0,
    }  # fmt: skip


@pytest.mark.parametrize('word', ['scared', 'Afraid', 'fearful', 'fear (0-3)'])
def test_words_for_fear(write, word):
    path = write(f'video_id,clip_id,happy,{word}\na,1,0,2\n')
    assert read_labels(path).names == ('happiness', 'fear')
    assert read_labels(path, emotions=['fear']).of_clip('a', '1', 0)[1] == 2


def test_labels_as_in_other_samples(write):
    table = read_labels(write('video_id,clip_id,start,end,joy,calm\na,1,0,5,1,2\n'))
    other = table.labelled_as(['Calm', 'JOY'])
    assert other.names == ('Calm', 'JOY')
    assert other.of_clip('a', '1', 0)[1:].tolist() == [2, 1]
    assert other.of_interval('a', 0, 5, 0)[1:].tolist() == [2, 1]
    assert table.labelled_as(['calm']).names == table.names
    assert table.labelled_as(['joy', 'happy']).names == table.names
