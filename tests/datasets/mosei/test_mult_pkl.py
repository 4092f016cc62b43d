from __future__ import annotations

import os
import pickle

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.mosei.mult_pkl import convert
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store, validate

WIDTHS = {'text': 300, 'vision': 35, 'audio': 74}
ROWS = {False: {'text': 9, 'vision': 25, 'audio': 25}, True: dict.fromkeys(WIDTHS, 9)}
SIZES = {'train': 8, 'valid': 3, 'test': 4}
NAMES = ('happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear')


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def fake(aligned=False, as_bytes=False, seed=0):
    """A pickle like MulT's, its label file, and what each sample really is."""
    rng = np.random.default_rng(seed)
    data, labels, truth = {}, {}, {}
    for split, size in SIZES.items():
        part = {m: np.zeros((size, ROWS[aligned][m], w)) for m, w in WIDTHS.items()}
        ids, sentiments = [], []
        for i in range(size):
            video, start = f'{split}_video-{i // 2}', 0.1 + 10 * (i % 2)
            end = start + 8.123456
            scores = rng.integers(0, 3, 6) / 3 * (rng.random(6) < 0.5)
            sentiment = rng.integers(-9, 10) / 3
            labels.setdefault(video, []).append(([start, end], [sentiment, *scores]))
            ids.append([video, f'{start:.3f}', f'{end:.3f}'])
            sentiments.append(sentiment)
            sample, words = {}, int(rng.integers(2, 10))
            for m, w in WIDTHS.items():
                rows = ROWS[aligned][m]
                n = words if rows == 9 else int(rng.integers(2, rows + 1))
                x = rng.normal(size=(n, w))
                if m == 'audio':
                    x[-1, 3] = -np.inf
                part[m][i, rows - n :] = x  # On the left, as the SDK pads.
                sample[m] = x
            truth['{}[{}-{}]'.format(*ids[-1])] = (
                sample,
                scores,
                split,
                video,
                sentiment,
            )
        part['labels'] = np.array(sentiments, 'f4').reshape(-1, 1, 1)
        part['id'] = np.array(ids, dtype='S' if as_bytes else 'U')
        data[split] = part
    return data, labels, truth


def write_csd(path, labels, seed=1):
    rng = np.random.default_rng(seed)
    with h5py.File(path, 'w') as file:
        for video, rows in labels.items():
            order = rng.permutation(len(rows))  # Not sorted by time.
            group = file.create_group(f'All Labels/data/{video}')
            group['intervals'] = [rows[i][0] for i in order]
            group['features'] = np.array([rows[i][1] for i in order], 'f4')
        file['All Labels/metadata/uuid'] = ['x']
    return str(path)


def write_csv(path, labels):
    lines = ['start,end,video_id,fear,happy,sad,anger,surprise,disgust,sentiment']
    for video, rows in labels.items():
        for (start, end), (sentiment, *s) in reversed(rows):
            cells = [start, end, video, s[5], *s[:5], sentiment]
            lines.append(','.join(map(str, cells)))
    path.write_text('\n'.join(lines))
    return str(path)


def assert_holds(store, truth):
    assert set(store.ids) == set(truth)
    for i, sample_id in enumerate(store.ids):
        sample, scores, split, video, sentiment = truth[sample_id]
        for m, x in sample.items():
            ours = store.read('visual' if m == 'vision' else m, i)
            expected = np.where(np.isfinite(x), x, 0).astype('f4')
            np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(store.labels[i], scores > 0)
        np.testing.assert_allclose(store.intensities[i], scores, atol=1e-6)
        assert (store.split[i], store.groups[i]) == (split, video)
        assert store.extra('sentiment')[i] == pytest.approx(sentiment, abs=1e-6)


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('as_bytes', [False, True])
def test_labels_are_joined_by_time(tmp_path, aligned, as_bytes):
    data, labels, truth = fake(aligned, as_bytes)
    path = tmp_path / 'mosei_senti_data.pkl'
    path.write_bytes(pickle.dumps(data, 2 if as_bytes else 4))
    csd = write_csd(tmp_path / 'All_Labels.csd', labels)
    store = convert([path], tmp_path / 'a.h5', labels=csd)
    assert_holds(store, truth)
    assert store.label_names == NAMES
    assert store.modalities == ('text', 'visual', 'audio')
    assert set(store.raw_sha256) == {path.name, 'All_Labels.csd'}
    notes = ' | '.join(store.attrs['notes'])
    assert 'that of the features in 15 of 15 samples' in notes
    assert 'padded on the left' in notes
    assert ('aligned' in notes) == aligned
    assert not [f for f in validate(store) if f.level == 'error']
    table = write_csv(tmp_path / 'labels.csv', labels)
    assert_holds(convert([path], tmp_path / 'b.h5', labels=table), truth)


def test_the_order_of_rows_does_not_matter(tmp_path):
    data, labels, truth = fake()
    for part in data.values():
        order = np.random.default_rng(2).permutation(len(part['id']))
        part.update({key: value[order] for key, value in part.items()})
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    csd = write_csd(tmp_path / 'l.csd', dict(reversed(labels.items())))
    assert_holds(convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd), truth)


def test_samples_without_labels_are_dropped(tmp_path):
    data, labels, truth = fake()
    del labels['train_video-1']
    labels['valid_video-1'][0][0][0] += 0.02
    ids = list(truth)
    data['test']['id'][3, 1] = 'soon'
    for m in WIDTHS:
        data['train'][m][0] = 0
    data['train']['id'][7] = data['train']['id'][6]
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    csd = write_csd(tmp_path / 'l.csd', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
    reasons = dict(store.dropped)
    assert "no labels of the video 'train_video-1'" in reasons[ids[2]]
    assert "no labels of the video 'train_video-1'" in reasons[ids[3]]
    assert 'from 0.1 to 8.223 s (within 0.01 s)' in reasons[ids[10]]
    assert reasons[ids[0]] == 'all of its rows are zero'
    assert reasons[ids[6]] == 'another sample has the same id'
    assert 'are no numbers' in reasons['test_video-1[soon-18.223]']
    assert len(store.dropped) == 6
    assert_holds(store, {i: truth[i] for i in store.ids})
    wide = convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=csd, tolerance=0.05)
    assert ids[10] in wide.ids
    with pytest.raises(InputError, match='no sample is dropped, but'):
        convert([tmp_path / 'a.pkl'], tmp_path / 'c.h5', labels=csd, strict=True)
    assert not (tmp_path / 'c.h5').exists()


def test_another_label_file_is_noticed(tmp_path):
    data, labels, _ = fake()
    for rows in labels.values():
        for _, values in rows:
            values[0] += 4  # Sentiments of 1 to 7.
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    csd = write_csd(tmp_path / 'l.csd', labels)
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
    note = next(n for n in store.attrs['notes'] if 'features in 0 of 15 samples' in n)
    assert note.startswith('WARNING')
    assert note.endswith('labels of other samples or on another scale')
    with pytest.raises(InputError, match='features in 0 of 15 samples'):
        convert([tmp_path / 'a.pkl'], tmp_path / 'b.h5', labels=csd, strict=True)


def test_videos_in_several_splits(tmp_path):
    data, labels, _ = fake()
    data['test']['id'] = data['test']['id'].astype('U20')
    data['test']['id'][0] = 'train_video-0', '0.100', '8.223'
    csd = write_csd(tmp_path / 'l.csd', labels)
    data['train']['id'][0] = 'train_video-9', '1', '2'
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
    assert store.groups.tolist() == store.ids.tolist()
    assert any("divide 1 videos, such as 'train_video-0'" in n
               for n in store.attrs['notes'])  # fmt: skip


def test_iemocap_has_labels_of_its_own(tmp_path):
    data, _, truth = fake(aligned=True)
    rng = np.random.default_rng(3)
    present = {split: rng.integers(0, 2, (n, 4)) for split, n in SIZES.items()}
    for split, y in present.items():
        data[split]['labels'] = np.stack([1 - y, y], axis=-1)
        del data[split]['id']
    (tmp_path / 'iemocap_data.pkl').write_bytes(pickle.dumps(data))
    store = convert([tmp_path / 'iemocap_data.pkl'], tmp_path / 'a.h5')
    assert store.label_names == ('neutral', 'happiness', 'sadness', 'anger')
    np.testing.assert_array_equal(store.labels, np.concatenate(list(present.values())))
    assert store.ids[-1] == 'test-00003'
    assert store.intensities is None
    assert any('order of MulT' in note for note in store.attrs['notes'])
    text = next(iter(truth.values()))[0]['text']
    np.testing.assert_array_equal(store.read('text', 0), text.astype('f4'))


def test_the_command(tmp_path, capsys):
    data, labels, truth = fake()
    path, out = str(tmp_path / 'a.pkl'), str(tmp_path / 'a.h5')
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    csd = write_csd(tmp_path / 'l.csd', labels)
    words = ['data', 'convert', 'mult-pkl', path, '--output', out]
    assert main(words) == 2
    assert "give --labels with the SDK's All Labels .csd" in capsys.readouterr().err
    assert not os.path.exists(out)
    assert main([*words, '--labels', csd, '--tolerance', '0.002']) == 0
    assert '8 train, 3 valid and 4 test samples' in capsys.readouterr().out
    assert_holds(Store(out), truth)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('id', None, "'id' of valid .* each of 3 samples .got none"),
        ('id', np.array([['a', '1', '2']]), 'got 1'),
        ('id', np.array(['a[1]', 'a[2]', 'a[3]']), r"start and end .got 'a\[1\]'"),
        ('labels', np.ones((3, 7)), r'one sentiment per sample.*\[3, 7\]'),
        ('labels', np.array(['a', 'b', 'c']), 'one sentiment per sample'),
        ('text', np.ones((3, 9)), r'got shape \[3, 9\]'),
        ('text', np.ones((2, 9, 300)), "each of 2 samples"),
        ('vision', np.ones((2, 9, 35)), "each modality has the same samples"),
        ('audio', np.full((3, 9, 74), 'x'), "type '<U1'"),
    ],
)  # fmt: skip
def test_other_layouts_are_refused(tmp_path, key, value, message):
    data, labels, _ = fake()
    data['valid'][key] = value
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    csd = write_csd(tmp_path / 'l.csd', labels)
    with pytest.raises(InputError, match=message) as error:
        convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
    assert '\n' not in str(error.value)
    assert not list(tmp_path.glob('*.h5*'))


def test_nothing_runs(tmp_path):
    data, labels, _ = fake()
    data['train']['id'] = [Evil(tmp_path / 'created')]
    csd = write_csd(tmp_path / 'l.csd', labels)
    for protocol in range(6):
        (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data, protocol))
        with pytest.raises(InputError, match=r'asks for posix\.system'):
            convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
    assert not (tmp_path / 'created').exists()


def test_emotions_need_a_file(tmp_path):
    data, labels, _ = fake()
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    with pytest.raises(InputError, match="'emotions' are columns of the file of `la"):
        convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', emotions=['fear'])
    csd = write_csd(tmp_path / 'l.csd', labels)
    store = convert(
        [tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd, emotions=['fear']
    )
    assert store.label_names == ('fear',)


def test_a_test_split_without_labels_is_kept(tmp_path):
    data, labels, truth = fake()
    for video in [name for name in labels if name.startswith('test')]:
        del labels[video]
    csd = write_csd(tmp_path / 'l.csd', labels)
    for nothing in (None, np.full((4, 1, 1), np.nan), np.full((4, 1, 1), None)):
        data['test']['labels'] = nothing
        (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
        store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5', labels=csd)
        assert set(store.ids) == set(truth)
        np.testing.assert_array_equal(store.known, store.split != 'test')
        for sample_id, y in zip(store.ids, store.labels, strict=True):
            _, scores, split, *_ = truth[sample_id]
            expected = [255] * 6 if split == 'test' else (scores > 0).tolist()
            assert y.tolist() == expected
        assert 'labels of 4 samples are unknown: 4 in test' in store.attrs['notes']
        store.close()


@pytest.mark.parametrize('nothing', ['absent', None, np.nan])
def test_iemocap_without_labels_of_test(tmp_path, nothing):
    data, _, _ = fake(aligned=True)
    rng = np.random.default_rng(3)
    present = {split: rng.integers(0, 2, (n, 4)) for split, n in SIZES.items()}
    for split, y in present.items():
        data[split]['labels'] = np.stack([1 - y, y], axis=-1)
        del data[split]['id']
    data['test']['labels'] = np.full((4, 4, 2), nothing)
    if nothing == 'absent':
        del data['test']['labels']
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5')
    present['test'] = np.full((4, 4), 255)
    np.testing.assert_array_equal(store.labels, np.concatenate(list(present.values())))


def test_iemocap_rows_that_are_not_numbers_are_dropped(tmp_path):
    data, _, _ = fake(aligned=True)
    rng = np.random.default_rng(3)
    for split, size in SIZES.items():
        y = rng.integers(0, 2, (size, 4))
        data[split]['labels'] = np.stack([1.0 - y, y], axis=-1)
    data['train']['labels'][2, 1, 0] = np.nan
    data['test']['labels'][3] = np.nan
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data))
    store = convert([tmp_path / 'a.pkl'], tmp_path / 'a.h5')
    reason = 'its labels are not all there'
    assert store.dropped == [('train-00002', reason), ('test-00003', reason)]
    assert store.known.all()
