from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import DATA_SETS, fetch_data_set
from hetero_mmer.datasets.mosei.cmu_mosei import MODALITIES, convert
from hetero_mmer.datasets.mosei.facts import LABEL_NAMES
from hetero_mmer.errors import InputError
from hetero_mmer.features.alignment import align, long_enough, pad
from hetero_mmer.io.csd import CsdFile
from hetero_mmer.store import Store, describe, report, validate

# Judged by the SDK itself: a folder of its files, and what its pipeline makes of them.


class Reference:
    """Files that the SDK wrote, and what its own alignment makes of them."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = json.loads((folder / 'manifest.json').read_text())
        with np.load(folder / 'expected.npz') as file:
            self.arrays = dict(file)
        self.length = self.manifest['sequence_length']
        self.keep = {'left': 'last', 'right': 'first'}[self.manifest['padding']]
        known = {
            'text': ('glove_vectors', 'glove_vectors_with_sp'),
            'visual': ('FACET 4.2', 'FACET_4.2', 'OpenFace_2'),
            'audio': ('COVAREP',),
        }
        names = self.manifest['sequences']
        self.names = {m: n for m in MODALITIES for n in known[m] if n in names}

    def of(self, kind, name):
        """The arrays under ``kind/name/`` by id."""
        start = f'{kind}/{name}/'
        return {
            key.removeprefix(start): array
            for key, array in self.arrays.items()
            if key.startswith(start)
        }

    def split(self, sample_id):
        video = sample_id.split('[')[0]
        folds = self.manifest['folds'].items()
        return next((name for name, videos in folds if video in videos), None)


@pytest.fixture(scope='module')
def reference(request):
    chosen = os.environ.get('CMU_CSD_REFERENCE')
    if chosen:
        return Reference(Path(chosen))
    return Reference(request.getfixturevalue('shared') / 'data' / 'cmu_csd')


@pytest.fixture(scope='module')
def folds_of_reference(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp('folds') / 'folds.json'
    path.write_text(json.dumps(reference.manifest['folds']))
    return str(path)


@pytest.fixture(scope='module')
def aligned(reference, folds_of_reference, tmp_path_factory):
    path = tmp_path_factory.mktemp('reference') / 'a.h5'
    return convert([reference.folder], path, folds=folds_of_reference)


def finite(array):
    return np.where(np.isfinite(array), array, 0)


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_words_of_the_sdk(reference):
    paths = {m: reference.manifest['sequences'][n] for m, n in reference.names.items()}
    files = {m: CsdFile(reference.folder / path) for m, path in paths.items()}
    found = {m: {} for m in files}
    for video in files['text'].videos:
        if not all(video in file for file in files.values()):
            continue
        items = {m: file.read(video) for m, file in files.items()}
        spans = items['text'].intervals
        for modality, rows in items.items():
            by_word = align(spans, rows, 'mean')
            for i in np.flatnonzero(long_enough(spans)):
                row = by_word.features[by_word.ptr[i] : by_word.ptr[i + 1]]
                if modality == 'text':
                    row = rows.features[i : i + 1]
                elif not len(row):
                    row = np.zeros((1, rows.features.shape[1]))
                found[modality][f'{video}[{i}]'] = row
    for modality, name in reference.names.items():
        expected = reference.of('word', name)
        assert expected
        assert set(found[modality]) == set(expected)
        for word, row in expected.items():
            close(found[modality][word], row)


def test_the_segments_of_the_sdk(reference, aligned):
    surviving = [s for s in reference.manifest['segments'] if reference.split(s)]
    assert sorted(aligned.ids) == sorted(surviving)
    assert set(aligned.modalities) == set(reference.names)
    for modality, name in reference.names.items():
        expected = reference.of('segment', name)
        assert set(expected) == set(reference.manifest['segments'])
        for i, sample_id in enumerate(aligned.ids):
            close(aligned.read(modality, i), finite(expected[sample_id]))
    labels = reference.of('segment', 'All Labels')
    for i, sample_id in enumerate(aligned.ids):
        (row,) = labels[sample_id]
        close(aligned.extra('sentiment')[i], row[0])
        close(aligned.intensities[i], row[1:])
        assert aligned.labels[i].tolist() == (row[1:] > 0).tolist()


def test_the_tensors_of_the_sdk(reference, folds_of_reference, tmp_path):
    store = convert(
        [reference.folder],
        tmp_path / 'a.h5',
        folds=folds_of_reference,
        sequence_length=reference.length,
        keep=reference.keep,
    )
    for split in ('train', 'valid', 'test'):
        rows = np.flatnonzero(store.split == split)
        for modality, name in reference.names.items():
            expected = reference.of('tensors', split).get(name)
            if expected is None:
                assert not len(rows)
                continue
            assert len(rows) == len(expected)
            for i, tensor in zip(rows, expected, strict=True):
                items = store.read(modality, i)
                assert len(items) <= reference.length  # No padding in the store.
                close(pad(items, reference.length, reference.keep), finite(tensor))


def test_what_is_missing_is_dropped_with_a_reason(reference, aligned):
    dropped = dict(aligned.dropped)
    videos = {sample_id.split('[')[0] for sample_id in dropped}
    missing = reference.manifest.get('missing', {})
    assert set(missing.values()) <= videos
    assert not set(dropped) & set(aligned.ids)
    if 'no_visual' in missing:
        reason = dropped[f'{missing["no_visual"]}[0]']
        assert reason.startswith('its video has no visual in ')
    if 'no_labels' in missing:
        assert dropped[missing['no_labels']] == 'the video has no labels'


def test_the_store_of_the_sdk_is_sound(reference, aligned):
    assert not [f for f in validate(aligned) if f.level == 'error']
    assert aligned.groups.tolist() == [s.split('[')[0] for s in aligned.ids]
    assert aligned.label_names == LABEL_NAMES
    for modality, name in reference.names.items():
        assert aligned.extractors[modality] == name
    assert set(reference.manifest['sequences'].values()) < set(aligned.raw_sha256)


# Small files written here.

WIDTHS = {'glove_vectors': 4, 'COVAREP': 3, 'FACET 4.2': 2, 'All Labels': 7}
SPOKEN = [[0.0, 1.0], [1.0, 2.0], [2.0, 2.0], [4.0, 5.0], [5.0, 6.0]]
HEARD = [[t / 2, (t + 1) / 2] for t in range(10)]
SEEN = [[5.0, 6.0], [0.0, 0.5]]
SEGMENTS = [[4.0, 6.0], [-0.5, 2.0], [2.5, 3.0], [3.0, 3.0], [0.0, 1.0]]


def video(seed=0, *, spoken=SPOKEN, heard=HEARD, seen=SEEN, segments=SEGMENTS):
    """Features and intervals of one video by root."""
    rng = np.random.default_rng(seed)
    times = dict(zip(WIDTHS, (spoken, heard, seen, segments), strict=True))
    found = {
        root: (
            rng.normal(size=(len(spans), WIDTHS[root])).astype(np.float32),
            np.array(spans),
        )
        for root, spans in times.items()
    }
    found['All Labels'][0][:] = [[1.5, 0, 0.5, 0, 0, 3, 0]] * len(segments)
    return found


def write(folder, videos, metadata=()):
    for root in WIDTHS:
        with h5py.File(folder / f'{root}.csd', 'w') as file:
            file.create_group(f'{root}/data')
            for name, parts in videos.items():
                if root in parts:
                    group = file.create_group(f'{root}/data/{name}')
                    group['features'], group['intervals'] = parts[root]
            for key, value in dict(metadata).get(root, {}).items():
                file[f'{root}/metadata/{key}'] = [json.dumps(value).encode()]
    return folder


@pytest.fixture
def folder(tmp_path):
    videos = {'a': video(0), 'b': video(1), 'c': video(2)}
    del videos['b']['COVAREP']
    del videos['c']['All Labels']
    folder = tmp_path / 'csd'
    folder.mkdir()
    (tmp_path / 'folds.csv').write_text('id,split\na,train\nb,valid\nc,test\n')
    return write(folder, videos)


def reasons(store):
    return dict(store.dropped)


def test_word_aligned(folder, tmp_path):
    store = convert([folder], tmp_path / 'a.h5', folds=str(tmp_path / 'folds.csv'))
    assert store.ids.tolist() == ['a[0]', 'a[1]', 'a[4]']
    assert store.split.tolist() == ['train'] * 3
    words, audio, visual = (video()[root][0] for root in list(WIDTHS)[:3])
    np.testing.assert_allclose(store.read('text', 0), words[3:])
    np.testing.assert_allclose(store.read('text', 1), words[:2])
    np.testing.assert_allclose(store.read('audio', 2), [audio[:2].mean(axis=0)])
    # Words without a frame are zeros: there is no face in the first one of a[0].
    np.testing.assert_allclose(store.read('visual', 0), [[0, 0], visual[0]])
    np.testing.assert_allclose(store.read('audio', 0)[1], 0)
    assert store.intensities[0].tolist() == [0, 0.5, 0, 0, 3, 0]
    assert store.labels[0].tolist() == [0, 1, 0, 0, 1, 0]
    assert store.extra('sentiment').tolist() == [1.5] * 3
    assert store.extra('interval').tolist() == [SEGMENTS[i] for i in (0, 1, 4)]
    assert store.times('text')[:2].tolist() == [[4, 5], [5, 6]]
    assert store.attrs['options']['collapse'] == 'mean'
    assert 'segments that start or end before 0 s: 1' in store.attrs['notes']
    assert reasons(store) == {
        'a[2]': 'it has no text and no visual and no audio between 2.5 and 3 s',
        'a[3]': 'it has no length (between 3 and 3 s)',
        **{f'b[{i}]': "its video has no audio in 'COVAREP.csd'" for i in range(5)},
        'c': 'the video has no labels',
    }
    assert 'its video has no audio' in report(store)


@pytest.mark.parametrize('mode', ['word-aligned', 'unaligned'])
@pytest.mark.parametrize('root', ['words', 'CMU_MOSEI_TimestampedWords'])
def test_words_are_names_of_text(folder, tmp_path, mode, root):
    plain = convert([folder], tmp_path / 'a.h5', mode=mode)
    assert plain.named == ()
    said = np.array([[w] for w in (b'so', b'sp', b'good', b'caf\xc3\xa9', b'!')], 'S9')
    spans = [[0.0, 1.0], [0.99, 1.0], [1.0, 2.0], [4.0, 5.0], [5.0, 6.0]]
    with h5py.File(folder / 'spoken.csd', 'w') as file:
        for video in ('a', 'b'):
            file[f'{root}/data/{video}/features'] = said[::-1]
            file[f'{root}/data/{video}/intervals'] = spans[::-1]
    store = convert([folder], tmp_path / 'b.h5', mode=mode)
    assert store.named == ('text',)
    found = {name: store.item_names('text', i) for i, name in enumerate(store.ids)}
    assert found.pop('a[2]', []) == []  # It has nothing but audio.
    assert found == {
        'a[0]': ['café', '!'],
        'a[1]': ['so', 'good'],
        'a[4]': ['so'],
    }
    for i in range(len(store)):
        np.testing.assert_array_equal(store.read('text', i), plain.read('text', i))
    assert 'spoken.csd' in store.raw_sha256
    cut = convert([folder], tmp_path / 'c.h5', sequence_length=1, keep='last')
    assert cut.item_names('text', 1) == ['good']


def test_without_imputation(folder, tmp_path):
    store = convert([folder], tmp_path / 'a.h5', impute=False)
    assert store.ids.tolist() == ['a[0]', 'a[1]', 'a[4]']
    assert [len(store.read(m, 0)) for m in MODALITIES] == [2, 1, 1]
    assert any(
        note.startswith('samples with more items') and note.endswith(': 2')
        for note in store.attrs['notes']
    )
    silent = video(0, heard=[[0.0, 0.5]])
    write(folder, {'a': silent})
    store = convert([folder], tmp_path / 'a.h5', impute=False)
    assert store.ids.tolist() == ['a[1]', 'a[4]']
    assert reasons(store)['a[0]'] == 'it has no audio between 4 and 6 s'


@pytest.mark.parametrize('collapse', ['none', 'first', 'last', 'max', 'min'])
def test_other_ways_to_collapse(folder, tmp_path, collapse):
    store = convert([folder], tmp_path / 'a.h5', collapse=collapse)
    audio = video()['COVAREP'][0][:2]
    expected = {
        'none': audio,
        'first': audio[:1],
        'last': audio[1:],
        'max': audio.max(axis=0, keepdims=True),
        'min': audio.min(axis=0, keepdims=True),
    }
    np.testing.assert_array_equal(store.read('audio', 2), expected[collapse])


@pytest.mark.parametrize(('keep', 'kept'), [('last', 1), ('first', 0)])
def test_sequence_length(folder, tmp_path, keep, kept):
    store = convert([folder], tmp_path / 'a.h5', sequence_length=1, keep=keep)
    words = video()['glove_vectors'][0]
    np.testing.assert_array_equal(store.read('text', 1), words[kept : kept + 1])
    assert store.times('text')[1].tolist() == SPOKEN[kept]
    assert f'samples cut to their {keep} 1 items: 2' in store.attrs['notes']


def test_unaligned(folder, tmp_path):
    store = convert([folder], tmp_path / 'a.h5', mode='unaligned')
    assert store.ids.tolist() == ['a[0]', 'a[1]', 'a[2]', 'a[4]']
    audio, visual = video()['COVAREP'][0], video()['FACET 4.2'][0]
    np.testing.assert_array_equal(store.read('audio', 0), audio[8:])
    np.testing.assert_array_equal(store.read('audio', 1), audio[:4])
    np.testing.assert_array_equal(store.read('visual', 0), visual[:1])
    assert [len(store.read(m, 2)) for m in MODALITIES] == [0, 0, 1]
    assert not any('more items' in note for note in store.attrs['notes'])
    pooled = convert([folder], tmp_path / 'b.h5', mode='unaligned', audio_rate=1)
    means = audio[:4].reshape(2, 2, -1).mean(axis=1)
    found = pooled.read('audio', 1)
    np.testing.assert_allclose(found, means, rtol=1e-6)
    assert any('audio pooled to 1 Hz' in note for note in pooled.attrs['notes'])


def test_unaligned_segments_without_a_modality(folder, tmp_path):
    write(folder, {'a': video(seen=[[0.0, 0.5]])})
    store = convert([folder], tmp_path / 'a.h5', mode='unaligned')
    assert [len(store.read(m, 0)) for m in MODALITIES] == [2, 0, 2]
    strict = convert([folder], tmp_path / 'b.h5', mode='unaligned', impute=False)
    assert strict.ids.tolist() == ['a[1]', 'a[4]']
    assert reasons(strict)['a[0]'] == 'it has no visual between 4 and 6 s'


def test_two_modalities(folder, tmp_path):
    (folder / 'COVAREP.csd').unlink()
    store = convert([folder], tmp_path / 'a.h5')
    assert store.modalities == ('text', 'visual')
    assert set(store.groups) == {'a', 'b'}


def test_a_split_at_random_is_by_video_and_said_aloud(folder, tmp_path):
    write(folder, {f'video-{i}': video(i) for i in range(20)})
    store = convert([folder], tmp_path / 'a.h5', seed=1)
    sizes = {s: len(set(store.groups[store.split == s])) for s in set(store.split)}
    assert sizes == {'train': 14, 'valid': 2, 'test': 4}
    assert any('at random with seed 1' in note for note in store.attrs['notes'])
    same = convert([folder], tmp_path / 'b.h5', seed=1)
    assert same.split.tolist() == store.split.tolist()


def test_videos_without_a_fold_are_dropped(folder, tmp_path):
    folds = tmp_path / 'folds.json'
    folds.write_text('{"train": ["b"], "test": ["a"]}')
    write(folder, {'a': video(0), 'b': video(1), 'c': video(2)})
    store = convert([folder], tmp_path / 'a.h5', folds=str(folds))
    assert set(store.split) == {'train', 'test'}
    assert reasons(store)['c[4]'] == 'its video is in none of the folds'


def test_values_that_are_not_finite(folder, tmp_path):
    parts = video()
    parts['COVAREP'][0][0, 1] = -np.inf
    parts['COVAREP'][1][9] = np.nan
    parts['All Labels'][0][1, 2] = np.nan
    parts['All Labels'][1][2] = np.nan
    write(folder, {'a': parts})
    store = convert([folder], tmp_path / 'a.h5')
    assert store.ids.tolist() == ['a[0]', 'a[4]']
    assert store.read('audio', 1)[0, 1] == 0
    assert store.non_finite_columns()['audio'].tolist() == [0, 1, 0]
    assert reasons(store)['a[1]'].startswith('its labels are not finite')
    assert reasons(store)['a[2]'].startswith('its time is not finite')
    note = 'words and frames left out, as their time is not finite: 1'
    assert note in store.attrs['notes']


@pytest.mark.parametrize(
    ('names', 'columns'),
    [
        (None, 'sentiment happy sad anger surprise disgust fear'),
        ('sentiment happy sad anger surprise disgust fear', None),
        ('Fear disgust surprise anger sad happy Sentiment', None),
        ('happy sad anger surprise disgust fear', None),
    ],
)
def test_label_columns_by_name(names, columns, folder, tmp_path):
    order = (columns or names).lower().split()
    parts = video(segments=[[0.0, 1.0]])
    strength = {name: i / 3 for i, name in enumerate(sorted(order))}
    row = np.array([[strength[name] for name in order]], np.float32)
    parts['All Labels'] = row, parts['All Labels'][1]
    about = {'All Labels': {'dimension names': names.split()}} if names else {}
    write(folder, {'a': parts}, about)
    store = convert([folder], tmp_path / 'a.h5')
    short = {'happiness': 'happy', 'sadness': 'sad'}
    expected = [strength[short.get(name, name)] for name in LABEL_NAMES]
    np.testing.assert_allclose(store.intensities[0], expected, rtol=1e-6)
    if 'sentiment' in order:
        wanted = [strength['sentiment']]
        np.testing.assert_allclose(store.extra('sentiment'), wanted, rtol=1e-6)


def test_names_of_dimensions(folder, tmp_path):
    write(folder, {'a': video()}, {'COVAREP': {'dimension names': ['p', 'q', 'r']}})
    store = convert([folder], tmp_path / 'a.h5')
    assert store.columns['audio'] == ('p', 'q', 'r')
    assert store.columns['text'] == ()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'sequence_length': 0}, "'sequence_length' is at least 1"),
        ({'mode': 'unaligned', 'sequence_length': 50}, 'for the mode word-aligned'),
        ({'audio_rate': 10.0}, "'audio_rate' is .* for the mode unaligned"),
        ({'mode': 'unaligned', 'visual_rate': 0.0}, "'visual_rate' is a positive"),
        ({'mode': 'aligned'}, "'mode' is one of .* .got 'aligned'"),
        ({'collapse': 'median'}, "'collapse' is one of .* .got 'median'"),
        ({'keep': 'middle'}, "'keep' is one of .* .got 'middle'"),
        ({'folds': 'none.py'}, "no file or folder 'none.py'"),
        ({'strict': True}, r"no sample is dropped, but 'a\[2\]' is: it has no text"),
    ],
)
def test_options_that_are_refused(options, message, folder, tmp_path):
    with pytest.raises(InputError, match=message):
        convert([folder], tmp_path / 'a.h5', **options)
    assert [path.name for path in tmp_path.glob('*.h5*')] == []


@pytest.mark.parametrize('root', ['All Labels', 'glove_vectors'])
def test_files_that_are_needed(root, folder, tmp_path):
    (folder / f'{root}.csd').unlink()
    with pytest.raises(
        InputError, match=r'CMU-MOSEI needs .* .got no (labels|text) am'
    ):
        convert([folder], tmp_path / 'a.h5')


def test_labels_of_another_data_set(folder, tmp_path):
    parts = video()
    parts['All Labels'] = parts['All Labels'][0][:, :1], parts['All Labels'][1]
    write(folder, {'a': parts})
    with pytest.raises(
        InputError, match=r'six emotions, 7 columns .got 1 under the root'
    ):
        convert([folder], tmp_path / 'a.h5')


def test_no_video_is_whole(folder, tmp_path):
    write(folder, {'a': video(segments=[[50.0, 60.0]])})
    with pytest.raises(InputError, match=r'at least one sample .*1 dropped'):
        convert([folder], tmp_path / 'a.h5')


def test_from_the_command_line(folder, tmp_path, capsys):
    words = ['data', 'convert', 'cmu-mosei', str(folder)]
    words += ['--folds', str(tmp_path / 'folds.csv'), '--impute', 'false']
    words += ['--output', str(tmp_path / 'a.h5'), '--sequence_length', '50']
    assert main(words) == 0
    assert '3 samples kept, 8 dropped' in capsys.readouterr().out
    assert Store(tmp_path / 'a.h5').attrs['options']['sequence_length'] == 50


def test_the_row_of_the_table(aligned, tmp_path):
    row = DATA_SETS['cmu_mosei']
    assert describe(aligned.path).label_names == row.label_names
    assert tuple(aligned.modalities) == row.modalities
    with pytest.raises(
        InputError, match=r'github.com/CMU-MultiComp-Lab.* then run .het'
    ):
        fetch_data_set(row.name, tmp_path)


def test_new_videos_are_like_others(folder, tmp_path):
    one = convert([folder], tmp_path / 'a.h5')
    new = convert([folder], tmp_path / 'b.h5', like=tmp_path / 'a.h5')
    assert set(new.split) == {'test'}
    assert set(new.ids) == set(one.ids)
    (folder / 'COVAREP.csd').unlink()
    with pytest.raises(InputError, match=r"a\.h5', which has modality 'audio'"):
        convert([folder], tmp_path / 'c.h5', like=tmp_path / 'a.h5')


@pytest.mark.parametrize('sentiment', [1.5, np.nan])
@pytest.mark.parametrize('mode', ['word-aligned', 'unaligned'])
def test_a_test_split_without_labels_is_unknown(folder, tmp_path, sentiment, mode):
    videos = {name: video(i) for i, name in enumerate('abc')}
    videos['c']['All Labels'][0][:] = [sentiment, *[np.nan] * 6]
    write(folder, videos)
    folds = str(tmp_path / 'folds.csv')
    store = convert([folder], tmp_path / 'a.h5', folds=folds, mode=mode)
    assert {i[0] for i in store.ids} == set('abc')
    np.testing.assert_array_equal(store.known, store.split != 'test')
    for i, split in enumerate(store.split):
        known = split != 'test'
        expected = [0, 1, 0, 0, 1, 0] if known else [255] * 6
        assert store.labels[i].tolist() == expected
        strength = [0, 0.5, 0, 0, 3, 0] if known else [np.nan] * 6
        np.testing.assert_array_equal(store.intensities[i], strength)
        wanted = 1.5 if known else sentiment
        np.testing.assert_equal(float(store.extra('sentiment')[i]), wanted)


def test_segments_without_labels_beside_others_are_dropped(folder, tmp_path):
    videos = {name: video(i) for i, name in enumerate('abc')}
    videos['c']['All Labels'][0][1:] = np.nan
    write(folder, videos)
    store = convert([folder], tmp_path / 'a.h5', folds=str(tmp_path / 'folds.csv'))
    assert store.known.all()
    assert [i for i in store.ids if i[0] == 'c'] == ['c[0]']
    assert 'its labels are not finite' in reasons(store)['c[1]']
