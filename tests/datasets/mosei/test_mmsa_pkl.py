from __future__ import annotations

import os
import pickle

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.mosei.mmsa_pkl import convert
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store, validate

WIDTHS = {'text': 768, 'vision': 35, 'audio': 74}
SIZES = {'train': 7, 'valid': 3, 'test': 4}
EMOTIONS = ('happy', 'sad', 'anger', 'surprise', 'disgust', 'fear')


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def fake(aligned=False, seed=0):
    """A pickle like MMSA's, rows of a label file, and what each sample really is."""
    rng = np.random.default_rng(seed)
    rows = dict.fromkeys(WIDTHS, 10)
    if not aligned:
        rows.update(vision=16, audio=20)
    data, labels, truth = {}, [], {}
    for split, size in SIZES.items():
        part = {m: np.zeros((size, rows[m], w), 'f4') for m, w in WIDTHS.items()}
        part['text_bert'] = np.zeros((size, 3, 10), 'i8')
        lengths = {'vision': [], 'audio': []}
        ids, sentiments = [], []
        for i in range(size):
            video, clip = f'{split}$video', str(2 * i)
            words = int(rng.integers(2, 11))
            sample = {}
            for m, w in WIDTHS.items():
                n = words if m == 'text' or aligned else int(rng.integers(3, rows[m]))
                x = rng.normal(size=(n, w)).astype('f4')
                if m != 'text':
                    x[-1] = 0  # A last frame of zeros that is there.
                    lengths[m].append(n)
                if m == 'audio':
                    x[0, 0] = -np.inf
                part[m][i, :n] = x
                sample[m] = x
            part['text'][i, words:] = 0.25  # What BERT says of padding.
            part['text_bert'][i, 0, :words] = 101
            part['text_bert'][i, 1, :words] = 1
            scores = np.round(rng.random(6) * 3) / 3 * (rng.random(6) < 0.5)
            sentiment = float(rng.integers(-9, 10)) / 3
            ids.append(f'{video}$_${clip}')
            sentiments.append(sentiment)
            labels.append((video, clip, sentiment, *scores))
            truth[ids[-1]] = sample, scores, split, video, sentiment
        part['id'] = np.array(ids) if split == 'train' else ids
        part['raw_text'] = np.array(['hello'] * size)
        part['annotations'] = np.array(['Neutral'] * size)
        part['regression_labels'] = np.array(sentiments)
        part['classification_labels'] = np.sign(sentiments)
        if not aligned:
            part['vision_lengths'] = np.array(lengths['vision'])
            part['audio_lengths'] = lengths['audio']
        data[split] = part
    return data, labels, truth


def write_csv(path, labels, seed=1):
    lines = [','.join(['video_id', 'clip_id', 'text', 'label', *EMOTIONS])]
    for i in np.random.default_rng(seed).permutation(len(labels)):
        video, clip, sentiment, *scores = labels[i]
        lines.append(','.join(map(str, [video, clip, '"a, b"', sentiment, *scores])))
    path.write_text('\n'.join(lines))
    return str(path)


def assert_holds(store, truth):
    assert set(store.ids) == set(truth)
    for i, sample_id in enumerate(store.ids):
        sample, scores, split, video, sentiment = truth[sample_id]
        for m, x in sample.items():
            ours = store.read('visual' if m == 'vision' else m, i)
            np.testing.assert_array_equal(ours, np.where(np.isfinite(x), x, 0))
        np.testing.assert_array_equal(store.labels[i], scores > 0)
        np.testing.assert_allclose(store.intensities[i], scores, atol=1e-6)
        assert (store.split[i], store.groups[i]) == (split, video)
        assert store.extra('sentiment')[i] == pytest.approx(sentiment)


@pytest.mark.parametrize('aligned', [False, True])
def test_labels_are_joined_by_clip(tmp_path, aligned):
    data, labels, truth = fake(aligned)
    path = tmp_path / 'unaligned_50.pkl'
    path.write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([path], tmp_path / 'a.h5', labels=table)
    assert_holds(store, truth)
    assert store.label_names == (
        'happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear',
    )  # fmt: skip
    notes = ' | '.join(store.attrs['notes'])
    assert 'padded on the right' in notes
    assert 'text_bert' in notes
    assert 'features in 14 of 14 samples' in notes
    assert 'lengths' not in notes.replace('mean lengths', '')
    assert not [f for f in validate(store) if f.level == 'error']


def test_labels_by_time(tmp_path):
    data, labels, truth = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    clips = ['video_id,clip_id,start,end']
    with h5py.File(tmp_path / 'All_Labels.csd', 'w') as file:
        for split in SIZES:
            rows = [row for row in labels if row[0] == f'{split}$video']
            times = [[7.0 * i, 7.0 * i + 5] for i, _ in enumerate(rows)]
            clips += [f'{v},{c},{a:.2f},{b}' for (v, c, *_), (a, b) in
                      zip(rows, times, strict=True)]  # fmt: skip
            group = file.create_group(f'All Labels/data/{split}$video')
            group['intervals'] = times[::-1]
            group['features'] = np.array([row[2:] for row in rows[::-1]], 'f8')
    (tmp_path / 'clips.csv').write_text('\n'.join(clips))
    csd, table = str(tmp_path / 'All_Labels.csd'), str(tmp_path / 'clips.csv')
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd, clips=table)
    assert_holds(store, truth)
    assert set(store.raw_sha256) == {'a.pkl', 'All_Labels.csd', 'clips.csv'}
    with pytest.raises(InputError, match=r'by time and samples of .* give `clips=`'):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=csd)


def test_lengths_that_contradict_the_rows(tmp_path):
    data, labels, truth = fake()
    data['train']['audio_lengths'][2] = 1
    data['valid']['vision_lengths'][1] = 900  # The extractor counts what was cut.
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    notes = ' | '.join(store.attrs['notes'])
    assert "'audio_lengths' is shorter than what is there in 1 samples" in notes
    assert "'vision_lengths'" not in notes
    ids = store.ids.tolist()
    audio = truth['train$video$_$4'][0]['audio'][:-1]  # Without the row of zeros.
    ours = store.read('audio', ids.index('train$video$_$4'))
    np.testing.assert_array_equal(ours, np.where(np.isfinite(audio), audio, 0))
    assert len(store.read('visual', ids.index('valid$video$_$2'))) == 16


def test_the_layout_of_mmsa_fet(tmp_path):
    """Protocol 5, lists, ``config``, no audio and no text that is not token ids."""
    data, labels, truth = fake()
    for part in data.values():
        for key in ('audio', 'audio_lengths', 'text', 'classification_labels'):
            del part[key]
        part['regression_labels'] = part['regression_labels'].tolist()
        part['vision'] = part['vision'].astype('f8')
        part['align'] = [[{'text': 'a', 'start': 0.0, 'end': 1.0}]] * len(part['id'])
    data['config'] = {'audio': {'tool': 'librosa'}, 'video': None}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data, 5))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert store.modalities == ('visual',)
    for sample, *_ in truth.values():
        del sample['text'], sample['audio']
    assert_holds(store, truth)


def test_clips_without_labels_are_dropped(tmp_path):
    data, labels, truth = fake()
    gone = '{}$_${}'.format(*labels.pop(3))
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    reason = "'l.csv' has no clip '6' of the video 'train$video'"
    assert store.dropped == [(gone, reason)]
    del truth[gone]
    assert_holds(store, truth)
    with pytest.raises(InputError, match=r'no sample is dropped, but'):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=table, strict=True)


def test_labels_of_other_emotions(tmp_path):
    data, labels, truth = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    lines = ['video_id,clip_id,calm,bored', *(f'{r[0]},{r[1]},1,0' for r in labels)]
    (tmp_path / 'l.csv').write_text('\n'.join(lines))
    table = str(tmp_path / 'l.csv')
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert store.label_names == ('calm', 'bored')
    assert store.labels.sum(axis=0).tolist() == [len(truth), 0]
    assert store.citation == ''


def test_the_command(tmp_path, capsys):
    data, labels, truth = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table, out = write_csv(tmp_path / 'l.csv', labels), str(tmp_path / 'a.h5')
    words = ['data', 'convert', 'mmsa-pkl', str(tmp_path / 'a.pkl'), '--output', out]
    assert main(words) == 2
    assert 'has no emotions: give --labels with a CSV' in capsys.readouterr().err
    assert main([*words, '--labels', table]) == 0
    assert_holds(Store(out), truth)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('id', ['a_1', 'a_2', 'a_3'], r"<video>\$_\$<clip> \(got 'a_1'\)"),
        ('id', ['$_$1'] * 3, r'<video>\$_\$<clip>'),
        ('id', None, "'id' of valid .* each of 3 samples .got none"),
        ('vision_lengths', [1, 2], r'each of 3 samples \(got 2\)'),
        ('vision_lengths', ['x', 'y', 'z'], "'vision_lengths' of valid .* are numbers"),
        ('regression_labels', [1, None, 'x'], "'regression_labels' of valid .* are"),
        ('audio', np.zeros((3, 0, 74)), r'\[3, 0, 74\]'),
    ],
)
def test_other_layouts_are_refused(tmp_path, key, value, message):
    data, labels, _ = fake()
    data['valid'][key] = value
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    with pytest.raises(InputError, match=message) as error:
        convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert '\n' not in str(error.value)
    assert not list(tmp_path.glob('*.h5*'))


def test_nothing_runs(tmp_path):
    data, labels, _ = fake()
    table = write_csv(tmp_path / 'l.csv', labels)
    data['config'] = Evil(tmp_path / 'created')
    for protocol in range(6):
        (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data, protocol))
        with pytest.raises(InputError, match=r'asks for posix\.system'):
            convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert not (tmp_path / 'created').exists()


@pytest.mark.parametrize('word', ['val', 'Dev', 'validation_set'])
def test_other_names_of_splits(tmp_path, word):
    data, labels, truth = fake()
    data = {'TRAINING': data['train'], 'tst': data['test'], word: data['valid']}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert_holds(store, truth)
    data['valid'] = data[word]
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    with pytest.raises(InputError, match=f"'{word}' and 'valid' both stand for"):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=table)


def test_parts_that_are_no_split_are_told(tmp_path):
    data, labels, truth = fake()
    data |= {'unlabelled': dict(data['test']), 'notes': {'text': 'x'}, 'config': {}}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert_holds(store, truth)
    told = [note for note in store.attrs['notes'] if note.startswith('WARNING')]
    assert len(told) == 1
    assert "'unlabelled' of" in told[0]
    with pytest.raises(InputError, match=r"'unlabelled' of .* rename it to train or v"):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=table, strict=True)
    data['eval'] = data.pop('valid')
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    with pytest.raises(InputError, match=r"'eval' of .* rename it to valid, or rem"):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=table)
    assert not (tmp_path / 'b.h5').exists()


@pytest.mark.parametrize('by', [1, -1])
def test_labels_that_are_shifted_by_a_row(tmp_path, by):
    data, labels, _ = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    rows = [(*row[:2], *labels[(i + by) % 14][2:]) for i, row in enumerate(labels)]
    lines = [','.join(['video_id', 'clip_id', 'label', *EMOTIONS])]
    lines += [','.join(map(str, row)) for row in rows]
    (tmp_path / 'l.csv').write_text('\n'.join(lines))
    table = str(tmp_path / 'l.csv')
    same = sum(a[2] == b[2] for a, b in zip(rows, labels, strict=True))
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    told = [note for note in store.attrs['notes'] if note.startswith('WARNING')]
    assert len(told) == 1
    where = 'after' if by < 0 else 'before'
    assert f'features in {same} of 14 samples' in told[0]
    assert f'labels of the row {where} it would be in 14 of 14' in told[0]
    with pytest.raises(InputError, match=f'features in {same} of 14'):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=table, strict=True)
    assert not list(tmp_path.glob('*b.h5*'))


def test_emotions_from_the_command_line(tmp_path):
    data, labels, _ = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table, out = write_csv(tmp_path / 'l.csv', labels), str(tmp_path / 'a.h5')
    words = ['data', 'convert', 'mmsa-pkl', str(tmp_path / 'a.pkl'), '--output', out]
    assert main([*words, '--labels', table, '--emotions', '[sad, anger]']) == 0
    with Store(out) as store:
        assert store.label_names == ('sadness', 'anger')
        scores = {f'{row[0]}$_${row[1]}': row[4:6] for row in labels}
        expected = [[s > 0 for s in scores[i]] for i in store.ids]
        np.testing.assert_array_equal(store.labels, expected)


def test_labels_of_one_split_that_are_shifted(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, 'train', 60)
    data, labels, _ = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    rows = labels[:60] + [(*labels[i][:2], i, *labels[i][3:]) for i in range(60, 63)]
    table = write_csv(tmp_path / 'l.csv', rows + labels[63:])
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    told = [note for note in store.attrs['notes'] if note.startswith('WARNING')]
    assert len(told) == 1
    assert 'in 64 of 67 samples, but of 0 of 3 in valid; by chance' in told[0]


def test_columns_that_are_no_label_are_told(tmp_path):
    data, labels, truth = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    table = write_csv(tmp_path / 'l.csv', labels)
    lines = (tmp_path / 'l.csv').read_text().split('\n')
    ends = [',seconds', *(f',{i}.5' for i in range(14))]
    lines = [line + end for line, end in zip(lines, ends, strict=True)]
    (tmp_path / 'l.csv').write_text('\n'.join(lines))
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert_holds(store, truth)
    assert any('no label: seconds;' in note for note in store.attrs['notes'])


def test_a_test_split_without_labels_is_kept(tmp_path):
    data, labels, truth = fake()
    path, out = tmp_path / 'a.pkl', tmp_path / 'a.h5'
    data['test'].update(regression_labels=[None] * SIZES['test'])
    path.write_bytes(pickle.dumps(data))
    known = [row for row in labels if row[0] != 'test$video']
    empty = [(*row[:2], '', *[''] * 6) for row in labels if row[0] == 'test$video']
    for rows in (known, known + empty):
        store = convert([path], out, labels=write_csv(tmp_path / 'l.csv', rows))
        assert set(store.ids) == set(truth)
        np.testing.assert_array_equal(store.known, store.split != 'test')
        for sample_id, y, strength in zip(
            store.ids, store.labels, store.intensities, strict=True
        ):
            _, scores, split, *_ = truth[sample_id]
            if split == 'test':
                assert y.tolist() == [255] * 6
                assert np.isnan(strength).all()
            else:
                np.testing.assert_array_equal(y, scores > 0)
        assert not store.dropped
        notes = store.attrs['notes']
        assert any(note.startswith('no sample of test has labels') for note in notes)
        assert 'labels of 4 samples are unknown: 4 in test' in notes
        store.close()
    strict = convert(
        [path], out, labels=str(tmp_path / 'l.csv'), strict=True, clean='zero'
    )
    assert len(strict) == len(truth)


@pytest.mark.parametrize('missing', ['some of test', 'all of valid', 'all'])
def test_other_samples_without_labels_are_dropped(tmp_path, missing):
    data, labels, truth = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    gone = {
        'some of test': lambda row: row[0] == 'test$video' and row[1] != '0',
        'all of valid': lambda row: row[0] == 'valid$video',
        'all': lambda row: True,
    }[missing]
    rows = [(f'x{row[0]}' if gone(row) else row[0], *row[1:]) for row in labels]
    table = write_csv(tmp_path / 'l.csv', rows)
    if missing == 'all':
        with pytest.raises(InputError, match='at least one sample'):
            convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
        return
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=table)
    assert store.known.all()
    assert_holds(store, {i: truth[i] for i in store.ids})
    assert len(store.dropped) == 3
