from __future__ import annotations

import os
import pickle
from itertools import chain

import joblib
import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.datasets.catalog import find_data_set
from hetero_mmer.datasets.nemu.nemu import convert
from hetero_mmer.errors import InputError
from hetero_mmer.run import load_run
from hetero_mmer.store import Store, validate

#: As the authors number them; 0 to 3 are <blank>, <unk>, <s>, </s>.
IDS = {
    4: ('伤感', 'sad'), 5: ('兴奋', 'excited'), 6: ('孤独', 'lonely'),
    7: ('安静', 'quiet'), 8: ('快乐', 'happy'), 9: ('怀旧', 'nostalgic'),
    10: ('思念', 'miss'), 11: ('感动', 'moving'), 12: ('放松', 'relaxed'),
    13: ('治愈', 'healing'), 14: ('浪漫', 'romantic'), 15: ('清新', 'fresh'),
}  # fmt: skip
SIZES = {'train': 8, 'valid': 3, 'test': 4}
LONGEST = 12
VOCABULARY = {'lyrics': 90, 'comments': 50}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def draw(seed=0):
    """The songs: what they have, and the names of their labels."""
    rng = np.random.default_rng(seed)
    songs = {}
    for split, size in SIZES.items():
        for i in range(size):
            lines = [rng.integers(4, 90, rng.integers(1, 4)).tolist() for _ in range(3)]
            remarks = [
                rng.integers(4, 50, rng.integers(1, 5)).tolist() for _ in range(2)
            ]
            songs[f'{split}-{i:05d}'] = {
                'lyrics': lines,
                'comments': remarks if i != 1 else [],
                'image': rng.normal(size=2048).astype('f4') * (i != 2),
                'audio': rng.normal(size=(rng.integers(2, LONGEST), 74)).astype('f4'),
                'labels': sorted(rng.choice(12, rng.integers(1, 4), replace=False) + 4),
            }
    songs['train-00000']['lyrics'][0][0] = VOCABULARY['lyrics'] - 1
    songs['test-00000']['comments'][0][0] = VOCABULARY['comments'] - 1
    return songs


def padded(rows, length):
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]))])


def lists(song):
    """Nested lists, and targets between marks: as the authors' loader reads them."""
    return {
        'src-lyr': song['lyrics'],
        'src-com': song['comments'],
        'src-img': song['image'],
        'src-aud': song['audio'],
        'tgt': [2, *map(int, song['labels']), 3],
    }


def arrays(song):
    """Padded arrays and multi-hot targets: as others read them."""
    ids = {m: np.array([*chain(*song[m])], np.int64) for m in ('lyrics', 'comments')}
    return {
        'lyr': padded(ids['lyrics'], 20).astype(np.int32),
        'com': padded(ids['comments'], 20).astype(np.float32),
        'img': song['image'][None],
        'aud': padded(song['audio'], LONGEST),
        'tgt': np.isin(np.arange(4, 16), song['labels']).astype(np.int64),
    }


def layout(songs, of_song, *, whole=False):
    data = {}
    for split in SIZES:
        rows = [of_song(song) for name, song in songs.items() if name.startswith(split)]
        data[split] = {key: [row[key] for row in rows] for key in rows[0]}
        if whole:
            data[split] = {key: np.stack(rows) for key, rows in data[split].items()}
    return data


def with_names(data):
    marks = {'<blank>': 0, '<unk>': 1, '<s>': 2, '</s>': 3}
    names = {chinese: i for i, (chinese, _) in reversed(IDS.items())}
    return {**data, 'dict': {'tgt': {**marks, **names}}}


def dump_pickle(data, path):
    path.write_bytes(pickle.dumps(data, 2))


FILES = {
    'lists.job': (lists, {}, joblib.dump),
    'lists.job.gz': (lists, {}, lambda data, path: joblib.dump(data, path, 3)),
    'lists.pkl': (lists, {}, dump_pickle),
    'lists.pt': (lists, {}, torch.save),
    'arrays.job': (arrays, {'whole': True}, joblib.dump),
    'arrays.pkl': (arrays, {}, dump_pickle),
    'arrays.pt': (arrays, {'whole': True}, torch.save),
}


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('names', [False, True])
def test_songs_come_back(tmp_path, name, names):
    songs = draw()
    of_song, options, dump = FILES[name]
    data = layout(songs, of_song, **options)
    dump(with_names(data) if names else data, tmp_path / name)
    with convert([tmp_path / name], tmp_path / 'nemu.h5') as store:
        assert store.label_names == tuple(english for _, english in IDS.values())
        assert store.num_embeddings == VOCABULARY
        assert store.kinds == {
            'lyrics': 'sequence', 'comments': 'set', 'image': 'set', 'audio': 'sequence'
        }  # fmt: skip
        assert store.ids.tolist() == list(songs)
        assert store.split.tolist() == [name.split('-')[0] for name in songs]
        assert store.segmented == (('lyrics', 'comments') if of_song is lists else ())
        for i, song in enumerate(songs.values()):
            for m in store.segmented:
                start, stop = store.ptr[m][i : i + 2]
                found = store.segment_slices(m, start[None], (stop - start)[None])
                expected = [k for k, line in enumerate(song[m]) for _ in line]
                assert found.tolist() == expected
            for m in ('lyrics', 'comments'):
                assert store.read(m, i).ravel().tolist() == [*chain(*song[m])]
            image = song['image'][None][: int(song['image'].any())]
            np.testing.assert_array_equal(store.read('image', i), image)
            np.testing.assert_array_equal(store.read('audio', i), song['audio'])
            found = [IDS[k + 4][1] for k in np.flatnonzero(store.labels[i])]
            assert found == [IDS[k][1] for k in song['labels']]
        notes = '\n'.join(store.attrs['notes'])
        assert 'unlike the HHMPN paper (15125/1891/1891)' in notes
        assert 'lyrics are token ids up to 89 (the greatest of the file)' in notes
        assert ('multi-hot' in notes) == (of_song is arrays)
        side = 'right' if of_song is arrays else 'none'
        assert f'audio: rows of zeros are padding on this side: {side}' in notes
    assert not [f for f in validate(tmp_path / 'nemu.h5') if f.level == 'error']


def test_vectors_are_ordinary_features(tmp_path):
    """Some have looked the tokens up already."""
    rng = np.random.default_rng(0)
    songs = draw()
    truth = {m: {} for m in ('lyrics', 'comments')}
    for name, song in songs.items():
        for m in truth:
            x = rng.normal(size=(rng.integers(1, 5), 300)).astype('f4')
            truth[m][name] = x
            song[m] = padded(x, 6)
    joblib.dump(layout(songs, lists), tmp_path / 'a.job')
    with convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5') as store:
        assert store.num_embeddings == {}
        assert store.in_channels['lyrics'] == 300
        for m, of_song in truth.items():
            for i, x in enumerate(of_song.values()):
                np.testing.assert_array_equal(store.read(m, i), x)


def test_a_vocabulary_of_ones_own(tmp_path):
    joblib.dump(layout(draw(), lists), tmp_path / 'a.job')
    out = tmp_path / 'nemu.h5'
    with convert([tmp_path / 'a.job'], out, num_embeddings=5000) as store:
        assert store.num_embeddings == {'lyrics': 5000, 'comments': 5000}
    with pytest.raises(InputError, match=r"'lyrics' has ids from 0 to 59 \(got"):
        convert([tmp_path / 'a.job'], tmp_path / 'b.h5', num_embeddings=60)


def test_modalities_and_splits_that_are_not_there(tmp_path):
    data = layout(draw(), lists)
    for part in data.values():
        part['src-com'] = None
        del part['src-img']
    data['val'] = data.pop('valid')
    joblib.dump(data, tmp_path / 'a.job')
    with convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5') as store:
        assert store.modalities == ('lyrics', 'audio')
        assert len(store.rows('valid')) == SIZES['valid']


def test_a_song_of_nothing_is_dropped(tmp_path):
    data = layout(draw(), lists)
    for key in ('src-lyr', 'src-com', 'src-img', 'src-aud'):
        data['test'][key][1] = []
    joblib.dump(data, tmp_path / 'a.job')
    with convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5') as store:
        assert [name for name, _ in store.dropped] == ['test-00001']
        assert len(store.rows('test')) == SIZES['test'] - 1
    with pytest.raises(InputError, match="'test-00001' is: it has neither"):
        convert([tmp_path / 'a.job'], tmp_path / 'b.h5', strict=True)


def test_values_that_are_not_finite_are_cleaned(tmp_path):
    data = layout(draw(), lists)
    data['train']['src-aud'][0][1, 2] = np.nan
    joblib.dump(data, tmp_path / 'a.job')
    with convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5') as store:
        assert store.non_finite['audio'] == 1
        assert store.read('audio', 0)[1, 2] == 0


@pytest.mark.parametrize('dump', [joblib.dump, dump_pickle, torch.save])
def test_a_file_that_runs_something_is_refused(tmp_path, dump):
    data = layout(draw(), lists)
    data['train']['src-lyr'][0] = Evil(tmp_path / 'ran')
    path = tmp_path / ('a.pt' if dump is torch.save else 'a.job')
    dump(data, path)
    with pytest.raises(InputError, match='system'):
        convert([path], tmp_path / 'nemu.h5')
    assert not (tmp_path / 'ran').exists()
    assert not (tmp_path / 'nemu.h5').exists()


def set_song(key, value):
    def change(data):
        data['train'][key][3] = value

    return change


def set_names(data):
    data['dict'] = {'tgt': {'<s>': 2, '伤感': 4, '愤怒': 5}}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda d: d.clear(), r'train, valid and test \(got \[\]'),
        (lambda d: d.update(val=d['valid']), 'train, valid and test'),
        (
            lambda d: d.update(train=[1]),
            "'train' in .* has a list of targets.*got list",
        ),
        (lambda d: d['train'].pop('tgt'), r"like 'src-lyr' or 'lyr' \(got \['src-lyr'"),
        (lambda d: d['valid'].update(tgt=[[2, 3]]), 'has one entry for each of 1 samp'),
        (
            set_song('tgt', [2, 16, 3]),
            r"'train-00003' in .* is \[2, ids, 3\], from 4 to 15, or",
        ),
        (set_song('tgt', [4, 5]), r'\[2, ids, 3\], .* \(got \[4, 5\]\)'),
        (set_song('tgt', []), r'\(got \[\]\)'),
        (set_song('tgt', ['sad']), r"got \['sad'\]"),
        (
            set_song('src-lyr', [[0.5]]),
            r"'lyrics' of 'train-00003' in .*: token ids are",
        ),
        (set_song('src-com', [[-4]]), r"'comments' of 'train-00003' .* numbers from 0"),
        (
            set_song('src-aud', [[1.0], [1.0, 2.0]]),
            r"'audio' of 'train-00003'.* one width",
        ),
        (set_song('src-aud', [['a']]), r"'audio' of 'train-00003'.* of type '<U1'"),
        (
            set_song('src-aud', np.ones((2, 3))),
            r"'audio' has items of width 74.*-00003",
        ),
        (
            set_song('src-img', 'cover.jpg'),
            r"'image' of 'train-00003'.*vectors are num",
        ),
        (set_names, r"dict\['tgt'\] of .* has an id for each of \['伤感', '兴奋'"),
    ],
)
def test_other_layouts_are_refused(tmp_path, change, message):
    data = layout(draw(), lists)
    change(data)
    joblib.dump(data, tmp_path / 'a.job')
    with pytest.raises(InputError, match=message):
        convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5')
    assert not (tmp_path / 'nemu.h5').exists()


def test_other_files_are_refused(tmp_path):
    joblib.dump([1], tmp_path / 'a.job')
    with pytest.raises(InputError, match=r'train, valid and test \(got list'):
        convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5')
    with pytest.raises(InputError, match='no file or folder'):
        convert([tmp_path / 'none.job'], tmp_path / 'nemu.h5')
    with pytest.raises(InputError, match=r"NEMu's joblib file \(got 2 files"):
        convert([tmp_path / 'a.job'] * 2, tmp_path / 'nemu.h5')


def test_from_the_file_to_a_run(tmp_path, capsys):
    """The recipe trains on the store, ids and all."""
    joblib.dump(layout(draw(), lists), tmp_path / 'a.job')
    out, run = str(tmp_path / 'nemu.h5'), str(tmp_path / 'run')
    assert main(['data', 'convert', 'nemu', f'{tmp_path}/a.job', '--output', out]) == 0
    assert '15 samples kept, 0 dropped' in capsys.readouterr().out
    small = ['--epochs', '1', '--model.hidden_channels', '8', '--device', 'cpu']
    words = ['train', '--recipe', 'hhmpn_nemu', '--data', out, '--out', run]
    assert main([*words, *small]) == 0
    assert load_run(run).num_embeddings == VOCABULARY
    assert main(['data', 'fetch', 'nemu']) == 2
    assert 'only a browser gets it' in capsys.readouterr().err
    row = find_data_set('nemu')
    with Store(out) as store:
        assert store.label_names == row.label_names
        assert store.modalities == row.modalities


def test_other_names_of_splits(tmp_path):
    songs = draw()
    data = layout(songs, lists)
    joblib.dump(data, tmp_path / 'a.job')
    plain = convert([tmp_path / 'a.job'], tmp_path / 'a.h5')
    data = {'Testing': data['test'], 'TRN': data['train'], 'dev_set': data['valid']}
    joblib.dump(data, tmp_path / 'b.job')
    other = convert([tmp_path / 'b.job'], tmp_path / 'b.h5')
    assert plain.split.tolist() == other.split.tolist()
    assert plain.ids.tolist() == other.ids.tolist()
    np.testing.assert_array_equal(plain.labels, other.labels)
    joblib.dump({**data, 'more': data['TRN']}, tmp_path / 'c.job')
    told = convert([tmp_path / 'c.job'], tmp_path / 'c.h5').attrs['notes'][-1]
    assert told.startswith("WARNING: 'more' of")
    data['holdout'] = data.pop('Testing')
    joblib.dump(data, tmp_path / 'd.job')
    with pytest.raises(InputError, match=r"'holdout' of .* rename it to test"):
        convert([tmp_path / 'd.job'], tmp_path / 'd.h5')


@pytest.mark.parametrize('name', ['lists.job', 'arrays.pkl', 'lists.pt'])
@pytest.mark.parametrize('nothing', ['absent', None, 'each', 'one'])
def test_songs_of_test_without_targets_are_unknown(tmp_path, name, nothing):
    songs = draw()
    of_song, options, dump = FILES[name]
    data = layout(songs, of_song, **options)
    targets = list(data['test']['tgt'])
    data['test']['tgt'] = {
        'each': [None] * 4,
        'one': [*targets[:3], None],
    }.get(nothing)
    if nothing == 'absent':
        del data['test']['tgt']
    dump(data, tmp_path / name)
    unknown = [f'test-0000{i}' for i in range(3 if nothing == 'one' else 0, 4)]
    with convert([tmp_path / name], tmp_path / 'nemu.h5') as store:
        assert store.ids[~store.known].tolist() == unknown
        for song, y in zip(store.ids.tolist(), store.labels, strict=True):
            expected = np.isin(np.arange(4, 16), songs[song]['labels']).astype(int)
            assert y.tolist() == ([255] * 12 if song in unknown else expected.tolist())


def test_other_songs_have_targets(tmp_path):
    data = layout(draw(), lists)
    data['valid']['tgt'][1] = None
    joblib.dump(data, tmp_path / 'a.job')
    with pytest.raises(InputError, match=r"'valid-00001' in .* \(got \[None\]\)"):
        convert([tmp_path / 'a.job'], tmp_path / 'nemu.h5')
