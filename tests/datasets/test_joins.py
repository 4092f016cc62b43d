"""Files that name the same things differently, in each format that joins files."""

from __future__ import annotations

import json
import pickle
import unicodedata
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS
from hetero_mmer.errors import InputError

#: Videos and, of M3ED, shows.
IDS = ('Vidé_7', 'Vidé_12', 'Vidé_30')
RNG = np.random.default_rng(0)
VALUES = RNG.random((3, 2, 4)).astype('f4') + 1
LABELS = np.array([[1, 0], [0, 1], [1, 1]])


class Join(NamedTuple):
    """How to convert files of which one calls its ids as ``change`` makes them."""

    format: str
    sources: list
    options: dict


def of_archive(folder, change):
    np.savez(
        folder / 'a.npz', **{change(i): x for i, x in zip(IDS, VALUES, strict=True)}
    )
    return of_table(folder, str(folder / 'a.npz'))


def of_folder(folder, change):
    for i, x in zip(IDS, VALUES, strict=True):
        path = folder / 'arrays' / f'{change(i)}.npy'
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, x)
    return of_table(folder, str(folder / 'arrays'))


def of_table(folder, arrays):
    rows = [f'{i},{a},{b}' for i, (a, b) in zip(IDS, LABELS, strict=True)]
    (folder / 't.csv').write_text('\n'.join(['id,joy,anger', *rows]), 'utf-8')
    return Join('csv', [folder / 't.csv'], {'features': {'text': arrays}})


def split_of(ids, **columns):
    return {
        'text': VALUES,
        'vision': VALUES,
        'audio': VALUES,
        'id': ids,
        **columns,
    }


def of_clips(folder, change):
    ids = [f'{i}$_$1' for i in IDS]
    (folder / 'a.pkl').write_bytes(pickle.dumps({'train': split_of(ids)}))
    rows = [f'{change(i)},1,{a},{b}' for i, (a, b) in zip(IDS, LABELS, strict=True)]
    text = '\n'.join(['video_id,clip_id,joy,anger', *rows])
    (folder / 'l.csv').write_text(text, 'utf-8')
    return Join('mmsa-pkl', [folder / 'a.pkl'], {'labels': str(folder / 'l.csv')})


def of_names_of_clips(folder, change):
    ids = [f'v$_${i}' for i in IDS]
    (folder / 'a.pkl').write_bytes(pickle.dumps({'train': split_of(ids)}))
    rows = [f'v,{change(i)},{a},{b}' for i, (a, b) in zip(IDS, LABELS, strict=True)]
    text = '\n'.join(['video_id,clip_id,joy,anger', *rows])
    (folder / 'l.csv').write_text(text, 'utf-8')
    return Join('mmsa-pkl', [folder / 'a.pkl'], {'labels': str(folder / 'l.csv')})


def of_times_of_clips(folder, change):
    join = of_clips(folder, lambda name: name)
    rows = [f'{i},0,5,{a},{b}' for i, (a, b) in zip(IDS, LABELS, strict=True)]
    text = '\n'.join(['video_id,start,end,joy,anger', *rows])
    (folder / 'l.csv').write_text(text, 'utf-8')
    rows = [f'{change(i)},1,0,5' for i in IDS]
    text = '\n'.join(['video_id,clip_id,start,end', *rows])
    (folder / 'clips.csv').write_text(text, 'utf-8')
    return join._replace(options=join.options | {'clips': str(folder / 'clips.csv')})


def of_times(folder, change):
    ids = np.array([[i, '0.0', '5.0'] for i in IDS])
    labels = np.zeros((3, 1, 1))
    part = split_of(ids, labels=labels)
    (folder / 'a.pkl').write_bytes(pickle.dumps({'train': part}))
    rows = [f'{change(i)},0,5,{a},{b}' for i, (a, b) in zip(IDS, LABELS, strict=True)]
    text = '\n'.join(['video_id,start,end,joy,anger', *rows])
    (folder / 'l.csv').write_text(text, 'utf-8')
    return Join('mult-pkl', [folder / 'a.pkl'], {'labels': str(folder / 'l.csv')})


def of_sequences(folder, change):
    def write(root, name, rows):
        with h5py.File(folder / f'{root}.csd', 'w') as file:
            for video, values in zip(IDS, rows, strict=True):
                called = change(video) if name else video
                group = file.create_group(f'{root}/data/{called}')
                group['features'] = values
                group['intervals'] = [[k, k + 1] for k in range(len(values))]

    write('glove_vectors', True, VALUES)
    labels = np.zeros((3, 1, 7))
    labels[:, 0, 1], labels[:, 0, 3] = LABELS.T
    write('All Labels', False, labels)
    return Join('cmu-mosei', [folder], {})


def of_folds(folder, change):
    join = of_sequences(folder, lambda name: name)
    text = json.dumps({'train': [change(i) for i in IDS]})
    (folder / 'folds.json').write_text(text, 'utf-8')
    return join._replace(options={'folds': str(folder / 'folds.json')})


def of_annotation(folder, change):
    by_dialogue = {f'{i}_1': list(VALUES[k]) for k, i in enumerate(IDS)}
    utterances = {d: [f'A_{d}_1', f'B_{d}_2'] for d in by_dialogue}
    parts = [utterances, {}, {d: [0, 0] for d in by_dialogue}]
    parts += [by_dialogue] * 3 + [{}, list(by_dialogue), [], []]
    (folder / 'a.pkl').write_bytes(pickle.dumps(parts))
    shows = {}
    for (d, names), (a, b) in zip(utterances.items(), LABELS, strict=True):
        words = ','.join(['Happy'] * a + ['Anger'] * b)
        told = {'EmoAnnotation': {'final_mul_emo': words}}
        shows[d] = {d: {'Dialog': {change(n.partition('_')[2]): told for n in names}}}
    (folder / 'annotation.json').write_text(json.dumps(shows), 'utf-8')
    return Join('m3ed', [folder / 'a.pkl', folder / 'annotation.json'], {})


JOINS = {
    one.__name__: one
    for one in (
        *(of_archive, of_folder, of_clips, of_names_of_clips, of_times_of_clips),
        *(of_times, of_sequences, of_folds, of_annotation),
    )
}
joins = pytest.mark.parametrize('join', JOINS.values(), ids=JOINS)


def convert(join, output):
    return FORMATS[join.format](join.sources, output, **join.options)


def made(join, folder, change):
    (folder / 'files').mkdir()
    return join(folder / 'files', change)


def content(store):
    return {
        i: (store.labels[k].tolist(), store.read('text', k).tolist())
        for k, i in enumerate(store.ids)
    }


@joins
@pytest.mark.parametrize(
    'change', [str.upper, lambda name: unicodedata.normalize('NFD', name)]
)
def test_capitals_and_unicode_form_match(join, change, tmp_path):
    (tmp_path / 'same').mkdir()
    same = convert(made(join, tmp_path / 'same', str), tmp_path / 'same.h5')
    store = convert(made(join, tmp_path, change), tmp_path / 'a.h5')
    assert content(store) == content(same)
    assert not store.dropped
    places = [next(k for k, i in enumerate(IDS) if i in name) for name in store.ids]
    present = store.labels[:, store.labels.any(axis=0)]
    np.testing.assert_array_equal(present, LABELS[places])
    for k, place in enumerate(places):
        rows = VALUES[place].tolist()
        assert all(row in rows for row in store.read('text', k).tolist())
    told = [note for note in store.attrs['notes'] if 'taken as the same' in note]
    assert len(told) == 1
    assert not [note for note in same.attrs['notes'] if 'taken as the same' in note]


DIFFERENT = {
    'leading zeros': lambda name: name.replace('_7', '_007').replace('_1', '_01'),
    'a file extension': lambda name: f'{name}.wav',
    'a folder before it': lambda name: f'clips/{name}',
    "a '.0', as of": lambda name: f'{name}.0',
    'what stands before or after it': lambda name: f'{name}_features',
}


#: In some files an id in a folder would be another layout.
GUESSED = {
    f'{name}-{how}': (join, how)
    for name, join in JOINS.items()
    for how in DIFFERENT
    if not (how.startswith('a folder') and join in (of_sequences, of_names_of_clips))
}


@pytest.mark.parametrize(('join', 'how'), GUESSED.values(), ids=GUESSED)
def test_what_else_differs_is_guessed(join, how, tmp_path):
    change = DIFFERENT[how]
    try:
        store = convert(made(join, tmp_path, change), tmp_path / 'a.h5')
    except InputError as error:
        told = [str(error)]
    else:  # One id has no zero to lose.
        assert how == 'leading zeros'
        assert all('Vidé_30' in name for name in store.ids)
        told = [reason for _, reason in store.dropped]
    assert all(f'which differs in {how}' in sentence for sentence in told)
    assert told


DROPPING = {n: j for n, j in JOINS.items() if j not in (of_archive, of_folder)}


@pytest.mark.parametrize('join', DROPPING.values(), ids=DROPPING)
def test_no_sample_is_left(join, tmp_path, capsys):
    one = made(join, tmp_path, lambda name: f'q{name[::-1]}')
    words = ['data', 'convert', one.format, *map(str, one.sources)]
    for name, value in one.options.items():
        words += [f'--{name}', value]
    out = tmp_path / 'out' / 'a.h5'
    assert main([*words, '--output', str(out)]) == 2
    message = capsys.readouterr().err
    report = out.with_suffix('.report.md')
    dropped = 6 if join is of_annotation else 3
    assert f"got none for '{out}', " in message
    assert f", {dropped} of them like '" in message
    assert f"; '{report}' has all reasons" in message
    # Both sides: the sample, and what there is.
    assert any(i in message for i in IDS)
    assert "there are '" in message
    assert '_édiV' in message
    rows = report.read_text('utf-8').split('## Dropped')[1].strip().splitlines()[2:]
    assert len(rows) >= dropped
    assert all(any(i in row or i[::-1] in row for i in IDS) for row in rows)
    assert sorted(p.name for p in out.parent.iterdir()) == [report.name]
    # A later conversion replaces the report.
    one = join(tmp_path / 'files', str)
    assert main([*words, '--output', str(out)]) == 0
    assert 'No sample was left' not in report.read_text('utf-8')


#: In the others an id that comes twice is another mistake.
TWO = {
    name: join
    for name, join in JOINS.items()
    if join not in (of_folds, of_annotation, of_times_of_clips)
}


@pytest.mark.parametrize('join', TWO.values(), ids=TWO)
def test_ids_that_may_be_two_are_refused(join, tmp_path):
    first = IDS[0]
    one = made(join, tmp_path, lambda name: name.replace(first, first.upper()))
    more = first.lower()
    if join is of_archive:
        with np.load(tmp_path / 'files' / 'a.npz') as file:
            arrays = dict(file)
        np.savez(tmp_path / 'files' / 'a.npz', **arrays, **{more: VALUES[0]})
    elif join is of_folder:
        np.save(tmp_path / 'files' / 'arrays' / f'{more}.npy', VALUES[0])
    elif join is of_sequences:
        with h5py.File(tmp_path / 'files' / 'glove_vectors.csd', 'a') as file:
            data = file['glove_vectors/data']
            data.copy(first.upper(), more)
    else:
        path = tmp_path / 'files' / 'l.csv'
        rows = path.read_text('utf-8').splitlines()
        again = next(row for row in rows if first.upper() in row)
        path.write_text('\n'.join([*rows, again.replace(first.upper(), more)]), 'utf-8')
    with pytest.raises(InputError, match='in capitals or Unicode form alone') as error:
        convert(one, tmp_path / 'a.h5')
    assert first in str(error.value)
    assert not (tmp_path / 'a.h5').exists()


def test_shows_of_other_lists_are_told(tmp_path):
    def lists(change):
        for split in ('train', 'val', 'test'):
            text = '\n'.join(map(change, IDS)) if split == 'train' else ''
            (tmp_path / f'movie_list_{split}.txt').write_text(text, 'utf-8')
        store = FORMATS['m3ed']([*join.sources, tmp_path], tmp_path / 'a.h5')
        return set(store.split), ' '.join(store.attrs['notes'])

    join = made(of_annotation, tmp_path, str)
    split, notes = lists(str)
    assert split == {'train'}
    assert 'in none of the lists' not in notes
    split, notes = lists(str.upper)
    assert split == {'train'}
    assert 'taken as the same: 3' in notes
    split, notes = lists(lambda name: f'{name}.mp4')
    assert split == {''}
    assert "WARNING: 3 shows are in none of the lists, such as 'Vidé_7'; is it" in notes
    assert "'Vidé_7.mp4', which differs in a file extension?" in notes


def test_what_else_a_pickle_of_m3ed_has_is_told(tmp_path):
    join = made(of_annotation, tmp_path, str)
    path = join.sources[0]
    parts = pickle.loads(path.read_bytes())
    parts[4] = {**parts[4], 'more_1': VALUES[0]}
    path.write_bytes(pickle.dumps([*parts, {}, {}]))
    notes = convert(join, tmp_path / 'a.h5').attrs['notes']
    told = [note for note in notes if 'part' in note and str(path) in note]
    assert "part 4 of '" in told[0]
    assert "1 dialogues that part 0 lacks, such as 'more_1'" in told[0]
    assert told[1].endswith('that are not read: 2, from 10')
    parts[3] = {name.replace('_7_', '_07_'): x for name, x in parts[3].items()}
    path.write_bytes(pickle.dumps(parts))
    with pytest.raises(InputError, match=r"part 3 lacks 'Vidé_7_1'; is it 'Vidé_07_1'"):
        convert(join, tmp_path / 'b.h5')


def test_labels_by_clip_are_none_by_time(tmp_path):
    labels = made(of_clips, tmp_path, str).options['labels']
    (tmp_path / 'b').mkdir()
    join = made(of_times, tmp_path / 'b', str)
    with pytest.raises(InputError, match=r'are by clip and samples of .* by time'):
        FORMATS['mult-pkl'](join.sources, tmp_path / 'a.h5', labels=labels)


def test_the_nearest_time_is_named(tmp_path):
    join = made(of_times, tmp_path, str)
    path = tmp_path / 'files' / 'l.csv'
    path.write_text(path.read_text('utf-8').replace('Vidé_7,0,5', 'Vidé_7,0,5.5'))
    ((_, reason),) = convert(join, tmp_path / 'a.h5').dropped
    assert reason.endswith('within 0.01 s); the nearest are from 0 to 5.5 s')


def test_some_arrays_of_ones_own_that_are_not_found(tmp_path):
    """A modality may be missing, but not for a spelling without a word."""
    join = made(of_folder, tmp_path, str)
    folder = tmp_path / 'files' / 'arrays'
    (folder / f'{IDS[0]}.npy').rename(folder / f'{IDS[0]}.wav.npy')
    (folder / f'{IDS[1]}.npy').rename(folder / f'{IDS[1]}.NPY')
    other = tmp_path / 'other'
    other.mkdir()
    for i in IDS:
        np.save(other / f'{i}.npy', VALUES[0])
    join.options['features']['audio'] = str(other)
    notes = convert(join, tmp_path / 'a.h5').attrs['notes']
    told = [note for note in notes if note.startswith('WARNING: 1 rows')]
    assert told == [
        "WARNING: 1 rows of the table have no 'text', such as 'Vidé_7'; is it "
        "'Vidé_7.wav', which differs in a file extension?"
    ]
    (folder / f'{IDS[0]}.wav.npy').unlink()
    notes = convert(join, tmp_path / 'a.h5').attrs['notes']
    assert "1 rows of the table have no 'text'" in notes


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('train/{}.npy', 'a folder before it'),
        ('{}.npz', 'got 3 other entries, Vidé_12.npz, Vidé_30.npz, Vidé_7.npz'),
        ('.{}.npy', 'got 0 other entries.$'),
    ],
)
def test_folders_without_an_array_that_is_meant(name, hint, tmp_path):
    join = made(of_folder, tmp_path, str)
    folder = tmp_path / 'files' / 'arrays'
    for i in IDS:
        path = folder / name.format(i)
        path.parent.mkdir(exist_ok=True)
        (folder / f'{i}.npy').rename(path)
    with pytest.raises(InputError, match=hint):
        convert(join, tmp_path / 'a.h5')
