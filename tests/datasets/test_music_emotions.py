from __future__ import annotations

import csv
import hashlib
import io
import logging

import numpy as np
import pytest

from hetero_mmer.datasets import music_emotions
from hetero_mmer.datasets.music_emotions import (
    LABELS,
    convert,
    fetch,
    layout,
    raw_columns,
    raw_names,
    read_arff,
)
from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, describe, validate


def fake_arff(num_songs=40, seed=0):
    """Names and lines of a small file like Mulan's."""
    rng = np.random.default_rng(seed)
    header = [f'@attribute {name} numeric' for name in raw_names()]
    header += [f'@attribute {name} {{0,1}}' for name in LABELS]
    rows = [
        ','.join([*(f'{v:.6f}' for v in rng.normal(size=72)),
                  *map(str, rng.integers(0, 2, 6))])
        for _ in range(num_songs)
    ]  # fmt: skip
    return ['@relation musicout', '', *header, '', '@data', *rows, '']


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'emotions.arff'
    path.write_text('\n'.join(fake_arff()))
    return path


@pytest.fixture(scope='module')
def real(shared, tmp_path_factory):
    source = shared / 'data' / 'music_emotions' / 'emotions.arff'
    return source, convert([source], tmp_path_factory.mktemp('music') / 'a.h5')


def by_csv(path):
    """The numbers of an ARFF file, read without a reader of ARFF."""
    rows = path.read_text().lower().split('@data')[1].strip()
    return np.array([[float(v) for v in row] for row in csv.reader(io.StringIO(rows))])


def test_layout_has_every_column_once():
    items = [item for modality in layout().values() for item in modality.values()]
    names = [name for item in items for name in item.values()]
    assert len(names) == 72
    assert sorted(names) == sorted(raw_names())


def test_read_arff_agrees_with_csv(source):
    expected = by_csv(source)
    table = read_arff(source)
    np.testing.assert_array_equal(table.values, expected[:, :72])
    np.testing.assert_array_equal(table.labels, expected[:, 72:])


def test_items_by_hand(source, tmp_path):
    store = convert([source], tmp_path / 'a.h5')
    raw = by_csv(source)
    train = store.split == 'train'
    z = (raw - raw[train].mean(axis=0)) / raw[train].std(axis=0)
    header = source.read_text().split('\n')[2:]
    place = {line.split()[1]: i for i, line in enumerate(header) if '@attr' in line}
    timbre, rhythm = store.read('timbre', 5), store.read('rhythm', 5)
    assert (timbre.shape, rhythm.shape) == ((16, 80), (4, 12))
    mfcc3 = [
        z[5, place[f'{outer}_Acc1298_{inner}_Mem40_MFCC_3']]
        for outer in ('Mean', 'Std')
        for inner in ('Mean', 'Std')
    ]
    np.testing.assert_allclose(timbre[6, 24:28], mfcc3, rtol=1e-5)
    assert not timbre[6, :24].any()
    assert not timbre[6, 28:64].any()
    np.testing.assert_array_equal(timbre[:, 64:], np.eye(16))
    np.testing.assert_array_equal(rhythm[:, 8:], np.eye(4))
    low_bpm, high_amp = place['BH_LowPeakBPM'], place['BH_HighPeakAmp']
    assert rhythm[0, 1] == pytest.approx(z[5, low_bpm], rel=1e-5)
    assert rhythm[1, 2] == pytest.approx(z[5, high_amp], rel=1e-5)
    ratio = pytest.approx(z[5, place['BH_HighLowRatio']], rel=1e-5)
    assert rhythm[2, :8].tolist() == [0, 0, 0, 0, ratio, 0, 0, 0]
    assert store.columns['timbre'][:5] == (
        'centroid-mean-mean', 'centroid-mean-std', 'centroid-std-mean',
        'centroid-std-std', 'rolloff-mean-mean',
    )  # fmt: skip
    assert store.kinds == {'timbre': 'set', 'rhythm': 'set'}


def test_columns_may_come_in_another_order_and_spelling(source, tmp_path):
    lines = fake_arff()
    start, stop = lines.index('@data') + 1, -1
    order = np.random.default_rng(1).permutation(78)
    header = [lines[2 + i].replace('-', '.').replace('{0,1}', '{FALSE, TRUE}')
              for i in order]  # fmt: skip
    rows = []
    for line in lines[start:stop]:
        cells = line.split(',')
        cells[72:] = [('FALSE', 'TRUE')[int(cell)] for cell in cells[72:]]
        rows.append(','.join(cells[i] for i in order))
    other = tmp_path / 'other.arff'
    other.write_text('\n'.join(['@RELATION x', *header, '@DATA', *rows]))
    for ours, theirs in zip(read_arff(source), read_arff(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_number_of_songs_is_a_warning(source, caplog):
    with caplog.at_level(logging.WARNING):
        read_arff(source)
    assert '593 songs' in caplog.text
    assert 'has 40' in caplog.text


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda text: '', 'ARFF'),
        (lambda text: 'id,joy\n1,0\n', 'ARFF'),
        (lambda text: text.replace('@data', ''), 'ARFF'),
        (lambda text: text.replace('MFCC_3 numeric', 'MFCC_99 numeric'), "MFCC_3'"),
        (lambda text: text.replace('BHSUM3 numeric', 'BHSUM3 {a,b}'), 'ARFF'),
        (lambda text: text.replace('sad-lonely', 'cheerful'), "no 'sad-lonely'"),
        (lambda text: text + '1,2,3\n', 'ARFF'),
        (lambda text: text.replace('.', 'x', 5000), 'ARFF'),
    ],
)  # fmt: skip
def test_malformed_files_are_refused(source, tmp_path, change, message):
    source.write_text(change(source.read_text()))
    with pytest.raises(InputError, match=message) as error:
        convert([source], tmp_path / 'a.h5')
    assert str(source) in str(error.value)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'a.h5').exists()


def test_labels_other_than_zero_and_one_are_refused(source):
    text = source.read_text().replace('sad-lonely {0,1}', 'sad-lonely numeric')
    rows = text.rstrip().split('\n')
    cells = rows[-1].split(',')
    cells[76] = '3'
    source.write_text('\n'.join([*rows[:-1], ','.join(cells)]))
    with pytest.raises(InputError, match=r"'sad-lonely' of song 39 is '3"):
        read_arff(source)


def test_a_file_cut_anywhere_is_refused_or_short(source, caplog):
    whole = source.read_text()
    table = read_arff(source)
    for length in range(0, len(whole) - 2, 613):
        source.write_text(whole[:length])
        caplog.clear()
        try:
            cut = read_arff(source)
        except InputError:
            continue
        assert f'has {len(cut.values)}' in caplog.text
        np.testing.assert_array_equal(cut.values, table.values[: len(cut.values)])


def test_no_file(tmp_path):
    with pytest.raises(InputError, match='there is no file'):
        convert([tmp_path / 'none.arff'], tmp_path / 'a.h5')


def test_unknown_values_need_cleaning(source, tmp_path):
    text = source.read_text()
    first = text.split('@data\n')[1].split(',')[0]
    source.write_text(text.replace(f'@data\n{first},', '@data\n?,'))
    with pytest.raises(InputError, match=r"'timbre' has 1 .*`clean='zero'`"):
        convert([source], tmp_path / 'a.h5', strict=True)
    store = convert([source], tmp_path / 'a.h5')
    assert store.read('timbre', 0)[0, 0] == 0
    assert store.non_finite['timbre'] == 1


def test_raw_columns_of_another_store(tmp_path):
    with StoreWriter(tmp_path / 'a.h5', {'text': ModalitySpec(1)}, ['joy']) as w:
        w.add('a', {'text': [[1]]}, [1])
    with pytest.raises(InputError, match='not a store of music_emotions'):
        raw_columns(Store(tmp_path / 'a.h5'))


def test_fetch_without_a_network(tmp_path, monkeypatch, recwarn):
    def no_network(*arguments, **options):
        raise OSError('Name or service not known')

    monkeypatch.setattr('sklearn.datasets._openml.urlopen', no_network)
    with pytest.raises(InputError, match='cannot get OpenML data set 40589') as error:
        fetch(tmp_path / 'a.h5')
    assert '\n' not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    assert not [w for w in recwarn if 'OpenML' in str(w.message)]


def test_fetch_reads_what_openml_serves(tmp_path, monkeypatch, shared):
    """scikit-learn's tests hold the first 13 songs of the file on OpenML."""
    mock = pytest.importorskip('sklearn.datasets.tests.test_openml')
    mock._monkey_patch_webbased_functions(monkeypatch, 40589, True)
    store = fetch(tmp_path / 'a.h5')
    mulan = by_csv(shared / 'data' / 'music_emotions' / 'emotions.arff')[:13]
    np.testing.assert_array_equal(raw_columns(store)[1], mulan[:, :72])
    np.testing.assert_array_equal(store.labels, mulan[:, 72:])
    assert store.attrs['openml']['id'] == '40589'


def test_the_real_file(real):
    source, store = real
    expected = by_csv(source)
    names, values = raw_columns(store)
    lines = source.read_text().split('\n')
    header = [line.split()[1] for line in lines if line.startswith('@attribute')]
    assert list(names) == header[:72]
    np.testing.assert_array_equal(values, expected[:, :72])
    np.testing.assert_array_equal(store.labels, expected[:, 72:])
    assert store.label_names == (
        'amazed-surprised', 'happy-pleased', 'relaxing-calm', 'quiet-still',
        'sad-lonely', 'angry-aggressive',
    )  # fmt: skip
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    assert store.raw_sha256 == {'emotions.arff': sha256}
    assert (store.ids[0], store.ids[-1]) == ('song-000', 'song-592')
    assert 'ISMIR 2008' in store.citation
    assert {f.level for f in validate(store)} <= {'info'}


def test_items_and_statistics_give_the_real_columns_back(real):
    _, store = real
    names, values = raw_columns(store)
    mean, std = (np.array(store.attrs[f'train_{s}']) for s in ('mean', 'std'))
    for modality, items in store.attrs['layout'].items():
        array = store.read(modality, 0, len(store)).reshape(len(store), len(items), -1)
        for i, item in enumerate(items.values()):
            for column, name in item.items():
                k = names.index(name)
                z = array[:, i, store.columns[modality].index(column)]
                again = z.astype(np.float64) * std[k] + mean[k]
                tolerance = 1e-5 * (np.abs(values[:, k]) + std[k])
                assert (np.abs(again - values[:, k]) <= tolerance).all()


def test_the_real_split(real):
    _, store = real
    assert describe(store).splits == {'train': 356, 'valid': 89, 'test': 148}
    overall = store.labels.mean(axis=0)
    for split in ('train', 'valid', 'test'):
        share = store.labels[store.rows(split)].mean(axis=0)
        np.testing.assert_allclose(share, overall, atol=0.01)
    train = store.rows('train')
    names = music_emotions.layout()['timbre']
    array = store.read('timbre', 0, len(store)).reshape(len(store), len(names), -1)
    columns = array[train, :, :64].sum(axis=1)  # each from its own item
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(columns.std(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_other_text_files(source, tmp_path, encoding, end):
    other = tmp_path / 'other.arff'
    other.write_bytes(source.read_text().replace('\n', end).encode(encoding))
    for ours, theirs in zip(read_arff(source), read_arff(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other.write_bytes('% für Musik\n'.encode('cp1252') + source.read_bytes())
    with pytest.raises(InputError, match=r'the byte 0xfc in line 1'):
        read_arff(other)
