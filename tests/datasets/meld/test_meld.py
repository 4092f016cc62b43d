# ruff: noqa: RUF001
"""The fixture writes MELD's files as text; the real ones lie in ``shared``."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from datetime import datetime

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS
from hetero_mmer.datasets.meld import meld
from hetero_mmer.datasets.meld.meld import convert, fetch, find_files
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store, validate

HEADER = (
    'Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,'
    'Episode,StartTime,EndTime'
)
LABELS = ('neutral', 'surprise', 'fear', 'sadness', 'joy', 'disgust', 'anger')
TRAIN = """\
1,"Hey, you’re late!",Joey,joy,positive,0,0,8,21,"00:00:01,000","00:00:03,000"
2,What?,Ross,surprise,negative,0,1,8,21,"0:00:03,500","0:00:04,500"
3,I’m late…,Ross,neutral,neutral,0,3,8,21,"00:00:04,000","00:00:06,000"
4,Oh no!,Joey,fear,negative,2,0,1,1,"00:10:00,000","00:09:00,000"
5,Oh no!,Amy,fear,negative,2,1,1,1,"soon","00:11:00,000"
6,What a day,Ross,Anger,negative,3,0,1,2,"00:00:01,000","00:00:03,000"
"""
DEV = '1,What?,Zoe,neutral,neutral,0,0,1,3,"00:00:01,000","00:00:02,000"\n'
TEST = """\
1,"Hey, you’re late!",Joey,disgust,negative,1,4,8,21,"00:00:01,000","00:00:03,000"
"""


def write(folder, **parts):
    for part, rows in parts.items():
        text = f'{HEADER}\n{rows}'.replace('\n', '\r\n')
        (folder / f'{part}_sent_emo.csv').write_bytes(text.encode())
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, train=TRAIN, dev=DEV, test=TEST)


@pytest.fixture
def small(monkeypatch):
    """Six sentences have few pieces that come in three of them."""
    monkeypatch.setattr('hetero_mmer.features.text._MIN_TEXTS', 1)


@pytest.fixture
def store(folder, small, tmp_path):
    return convert([folder], tmp_path / 'a.h5', text_channels=3, num_speakers=2)


def spans(store, modality, i):
    start, stop = store.ptr[modality][i : i + 2]
    return store.times(modality)[start:stop]


def test_dialogues_are_samples(store):
    ids = ['train-dia0', 'train-dia2', 'train-dia3', 'dev-dia0', 'test-dia1']
    assert store.ids.tolist() == ids
    assert store.groups.tolist() == ids
    assert store.split.tolist() == ['train'] * 3 + ['valid', 'test']
    assert store.label_names == LABELS
    names = [[LABELS[i] for i in np.flatnonzero(y)] for y in store.labels]
    assert names == [
        ['neutral', 'surprise', 'joy'],
        ['fear'],
        ['anger'],
        ['neutral'],
        ['disgust'],
    ]
    for modality in ('text', 'speaker', 'timing'):
        assert np.diff(store.ptr[modality]).tolist() == [3, 2, 1, 1, 1]
        assert store.kinds[modality] == 'sequence'


def test_items_of_text_are_called_by_what_is_said(store, folder):
    assert store.named == ('text',)
    with open(folder / 'train_sent_emo.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    for i, dialogue in enumerate(('0', '2', '3')):
        said = [r for r in rows if r['Dialogue_ID'] == dialogue]
        said.sort(key=lambda row: int(row['Utterance_ID']))
        assert store.item_names('text', i) == [row['Utterance'] for row in said]


def test_speakers(store):
    # Ross speaks three times in train, Joey twice.
    assert store.columns['speaker'] == ('Ross', 'Joey', 'other')
    speakers = [store.read('speaker', i).argmax(axis=1).tolist() for i in range(5)]
    assert speakers == [[1, 0, 0], [1, 2], [0], [2], [1]]


def test_times(store):
    np.testing.assert_array_equal(spans(store, 'text', 0), [[1, 3], [3.5, 4.5], [4, 6]])
    np.testing.assert_array_equal(spans(store, 'timing', 1), [[600, 600], [660, 660]])
    x = [store.read('timing', i) for i in range(3)]
    assert store.columns['timing'] == ('duration', 'gap', 'rate', 'first', 'unknown')
    assert x[0][:, 3:].tolist() == [[1, 0], [0, 0], [0, 0]]
    assert x[1].tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    # Durations in train: 2, 1, 2, 2 seconds. Gaps: 0.5, -0.5. Rates: 1.5, 1, 1, 1.5.
    logs = np.log([3, 2, 3, 3])
    np.testing.assert_allclose(
        [*x[0][:, 0], *x[2][:, 0]], (logs - logs.mean()) / logs.std(), rtol=1e-5
    )
    np.testing.assert_allclose(x[0][:, 1], [0, 1, -1], atol=1e-6)
    np.testing.assert_allclose([*x[0][:, 2], *x[2][:, 2]], [1, -1, -1, 1], atol=1e-6)


def test_equal_texts_have_equal_vectors(store):
    np.testing.assert_array_equal(store.read('text', 1)[0], store.read('text', 1)[1])
    np.testing.assert_array_equal(store.read('text', 0)[1], store.read('text', 3)[0])


def test_notes(store):
    notes = store.attrs['notes']
    assert notes[0].startswith('6 train, 1 valid and 1 test utterances, unlike')
    assert notes[0].endswith('(9989/1109/2610)')
    assert notes[1].startswith('3 train, 1 valid and 1 test dialogues, unlike')
    assert notes[2] == (
        'of the utterances 1 have a time that cannot be read, 1 end where they start, '
        'or before: what these times tell counts as unknown'
    )
    assert notes[3].startswith('1 utterances start before the previous one ends')
    shared = 'dialogues of two splits share utterances (train-dia0 and test-dia1: 1)'
    assert notes[4:] == [shared]


def test_dialogues_of_one_split_that_share_utterances(tmp_path, small):
    rows = TRAIN.replace('3,0,1,2', '2,2,1,1') + TRAIN.splitlines()[0].replace(
        '0,0,8,21', '9,0,8,21'
    )
    write(tmp_path, train=rows)
    store = convert([tmp_path], tmp_path / 'a.h5', text_channels=2)
    shared = 'dialogues of one split share utterances (train-dia0 and train-dia9: 1)'
    assert store.attrs['notes'][-1] == shared


def test_rows_in_another_order(folder, small, store, tmp_path):
    other = tmp_path / 'other'
    other.mkdir()
    rows = TRAIN.splitlines(keepends=True)
    write(other, train=''.join(rows[::-1]), dev=DEV, test=TEST)
    again = convert([other], tmp_path / 'b.h5', text_channels=3, num_speakers=2)
    assert again.ids.tolist() == store.ids.tolist()
    np.testing.assert_array_equal(again.read('timing', 0), store.read('timing', 0))
    np.testing.assert_array_equal(again.labels, store.labels)


def test_files_or_their_folder(folder):
    paths = find_files([folder])
    assert list(paths) == ['train', 'dev', 'test']
    files = [folder / f'{part}_sent_emo.csv' for part in ('test', 'dev', 'train')]
    assert find_files(files) == paths
    dyadic = folder / 'dyadic'
    dyadic.mkdir()
    (dyadic / 'train_sent_emo_dya.csv').touch()
    assert find_files([dyadic])['train'].name == 'train_sent_emo_dya.csv'


def test_train_is_needed(folder):
    with pytest.raises(InputError, match=r'fitted on train_sent_emo.csv.*dev_sent'):
        find_files([folder / 'dev_sent_emo.csv'])


def test_a_train_file_without_rows(tmp_path):
    write(tmp_path, train='', test=TEST)
    with pytest.raises(InputError, match='is empty'):
        convert([tmp_path], tmp_path / 'a.h5')


def test_files_that_are_not_melds(folder, tmp_path):
    other = tmp_path / 'songs.csv'
    other.touch()
    empty = tmp_path / 'empty'
    empty.mkdir()
    for source in (other, empty):
        message = f"MELD's files are .*got '.*{source.name}"
        with pytest.raises(InputError, match=message):
            find_files([folder, source])
    with pytest.raises(InputError, match="one file is 'train'"):
        find_files([folder, folder / 'train_sent_emo.csv'])
    with pytest.raises(InputError, match='there is no file'):
        find_files([tmp_path / 'none'])


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('Utterance_ID', 'Utterance_No', "called 'Utterance_ID'"),
        (',joy,', ',bliss,', r"got 'bliss' in line 2 of '.*train_sent_emo.csv'"),
        ('positive,0,0', 'positive,zero,0', r"'Dialogue_ID' is .*'zero' in line 2"),
        ('positive,0,0', 'positive,0,1', 'line 3 of .* another utterance 1 of dialog'),
        (',Ross,', ',', r'11 cells.*got 10 in line 3'),
        ('you’re', 'you\x92re', None),
    ],
)
def test_refusals(folder, tmp_path, old, new, message):
    path = folder / 'train_sent_emo.csv'
    text = path.read_bytes().decode().replace(old, new, 1)
    encoding = 'utf-8' if message else 'latin-1'
    path.write_bytes(text.replace('…', '...').replace('’', "'").encode(encoding))
    with pytest.raises(InputError, match=message or 'UTF-8 text.*byte 0x92') as error:
        convert([folder], tmp_path / 'a.h5')
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'a.h5').exists()


def test_a_row_that_comes_twice(folder, small, tmp_path):
    write(folder, dev=DEV + DEV)
    store = convert([folder], tmp_path / 'a.h5', text_channels=3)
    assert store.attrs['notes'][2] == '1 rows repeat another one and were left out'
    assert len(store) == 5
    with pytest.raises(InputError, match=r'line 3 of .* another utterance 0 of dialog'):
        convert([folder], tmp_path / 'a.h5', text_channels=3, strict=True)


def test_an_encoder_that_is_not_installed(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__('sys').modules, 'sentence_transformers', None)
    words = ['data', 'convert', 'meld', str(folder), '--output', str(tmp_path / 'a.h5')]
    assert main([*words, '--encoder', 'a/b']) == 2
    assert 'pip install sentence-transformers' in capsys.readouterr().err


def test_fetch_without_a_network(tmp_path, monkeypatch):
    def no_network(*arguments, **options):
        raise OSError('Name or service not known')

    monkeypatch.setattr('hetero_mmer.io.download.urlopen', no_network)
    with pytest.raises(InputError, match=r'train_sent_emo.*service not known') as error:
        fetch(tmp_path / 'meld.h5')
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'meld.h5').exists()


def test_fetch_downloads_the_real_files(shared, tmp_path, monkeypatch):
    asked = []

    class Answer(io.BytesIO):
        status = 200

        def __init__(self, content):
            super().__init__(content)
            self.headers = {'Content-Length': str(len(content))}

    def urlopen(request, timeout):
        asked.append(request.full_url)
        name = request.full_url.rpartition('/')[2]
        return Answer((shared / 'data' / 'meld' / name).read_bytes())

    monkeypatch.setattr('hetero_mmer.io.download.urlopen', urlopen)
    monkeypatch.setattr(
        meld, 'convert', lambda paths, output, track: [path.name for path in paths]
    )
    names = ['train_sent_emo.csv', 'dev_sent_emo.csv', 'test_sent_emo.csv']
    assert fetch(tmp_path / 'meld.h5') == names
    assert [path.rpartition('/')[2] for path in asked] == names
    assert sorted(p.name for p in (tmp_path / 'meld').iterdir()) == sorted(names)


@pytest.fixture(scope='module')
def real(shared, tmp_path_factory):
    folder = shared / 'data' / 'meld'
    output = tmp_path_factory.mktemp('meld') / 'meld.h5'
    return folder, FORMATS['meld']([folder], output, text_channels=16)


def by_pandas_like_hand(folder, part):
    """Rows of a real file, without the csv module: cells end at '","' or at commas."""
    rows = []
    text = (folder / f'{part}_sent_emo.csv').read_text(encoding='utf-8')
    for line in text.split('\n')[1:]:
        if line:
            head, start, stop = line.rsplit(',"', 2)
            _, speaker, emotion, _, dialogue, utterance, _, _ = head.rsplit(',', 7)
            rows.append(
                (int(dialogue), int(utterance), speaker, emotion, start[:-1], stop[:-1])
            )
    return rows


def clock(text):
    moment = datetime.strptime(text.replace(',', '.'), '%H:%M:%S.%f')
    return moment.hour * 3600 + moment.minute * 60 + moment.second + (
        moment.microsecond / 1e6
    )  # fmt: skip


@pytest.mark.parametrize(
    ('part', 'num_utterances', 'num_dialogues'),
    [('train', 9989, 1038), ('dev', 1109, 114), ('test', 2610, 280)],
)
def test_the_real_files(real, part, num_utterances, num_dialogues):
    folder, store = real
    rows = by_pandas_like_hand(folder, part)
    assert len(rows) == num_utterances
    dialogues = defaultdict(list)
    for row in rows:
        dialogues[f'{part}-dia{row[0]}'].append(row)
    assert len(dialogues) == num_dialogues
    place = {sample_id: i for i, sample_id in enumerate(store.ids.tolist())}
    assert {i for i in place if i.startswith(part)} == set(dialogues)
    cast = store.columns['speaker']
    for sample_id, dialogue in dialogues.items():
        i = place[sample_id]
        emotions = {row[3] for row in dialogue}
        assert store.labels[i].tolist() == [name in emotions for name in LABELS]
        speakers = [cast[k] for k in store.read('speaker', i).argmax(axis=1)]
        assert speakers == [row[2] if row[2] in cast else 'other' for row in dialogue]
        times = spans(store, 'text', i)
        expected = [[clock(row[4]), clock(row[5])] for row in dialogue]
        np.testing.assert_allclose(times, expected, atol=1e-6)


def test_the_real_store(real):
    folder, store = real
    assert len(store) == meld.NUM_DIALOGUES
    assert [(store.split == s).sum() for s in ('train', 'valid', 'test')] == [
        1038, 114, 280,
    ]  # fmt: skip
    cast = ('Joey', 'Ross', 'Rachel', 'Phoebe', 'Monica', 'Chandler', 'other')
    assert store.columns['speaker'] == cast
    for name, (size, sha256) in meld.FILES.items():
        content = (folder / name).read_bytes()
        assert len(content) == size
        assert hashlib.sha256(content).hexdigest() == sha256
        assert store.raw_sha256[name] == sha256
    assert not [f for f in validate(store) if f.level != 'info']
    notes = store.attrs['notes']
    counts = "9989 train, 1109 valid and 2610 test utterances, as in MELD's README"
    assert notes[0] == counts
    assert '1 end where they start, or before, 2 last longer than 60 s' in notes[2]
    assert 'train-dia312 and train-dia698: 6' in notes[4]
    train = np.concatenate([store.read('timing', i) for i in store.rows('train')])
    known = train[train[:, 4] == 0]
    np.testing.assert_allclose(known[:, [0, 2]].mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(known[:, [0, 2]].std(axis=0), 1, atol=0.02)
    assert np.abs(train[:, :3]).max() < 10


def test_the_command(shared, tmp_path, capsys):
    output = tmp_path / 'meld.h5'
    folder = shared / 'data' / 'meld'
    words = ['data', 'convert', 'meld', str(folder), '--output', str(output)]
    assert main([*words, '--text_channels', '4', '--num_speakers', '1']) == 0
    assert '1038 train, 114 valid and 280 test dialogues' in capsys.readouterr().out
    with Store(output) as store:
        assert store.in_channels == {'text': 4, 'speaker': 2, 'timing': 5}
    assert 'share utterances' in output.with_suffix('.report.md').read_text()


def test_other_names_of_files_and_encodings(folder, store, small, tmp_path):
    (tmp_path / 'other').mkdir()
    names = {'train': 'Train', 'dev': 'val', 'test': 'testing'}
    for (part, name), encoding in zip(
        names.items(), ('utf-16', 'utf-8-sig', 'utf-8'), strict=True
    ):
        text = (folder / f'{part}_sent_emo.csv').read_bytes().decode()
        other = tmp_path / 'other' / f'{name}_sent_emo.csv'
        other.write_bytes(text.replace('\r\n', '\r').encode(encoding))
    again = convert(
        [tmp_path / 'other'], tmp_path / 'b.h5', text_channels=3, num_speakers=2
    )
    assert again.ids.tolist() == store.ids.tolist()
    assert again.split.tolist() == store.split.tolist()
    np.testing.assert_array_equal(again.labels, store.labels)
    np.testing.assert_array_equal(again.values('text'), store.values('text'))


@pytest.mark.parametrize('form', ['empty', 'no column'])
def test_a_test_file_without_emotions_is_unknown(folder, small, tmp_path, form):
    path = folder / 'test_sent_emo.csv'
    text = path.read_bytes().decode().replace(',disgust,', ',,')
    if form == 'no column':
        text = text.replace(',Emotion', '').replace('Joey,,', 'Joey,')
    path.write_bytes(text.encode())
    store = convert([folder], tmp_path / 'b.h5', text_channels=3, num_speakers=2)
    assert store.ids[~store.known].tolist() == ['test-dia1']
    assert store.labels[-1].tolist() == [255] * 7
    write(tmp_path, test=TEST)
    whole = convert([folder], tmp_path / 'c.h5', text_channels=3, num_speakers=2)
    np.testing.assert_array_equal(store.labels[:-1], whole.labels[:-1])
    for m in whole.modalities:
        np.testing.assert_array_equal(store.read(m, 0, 5), whole.read(m, 0, 5))


@pytest.mark.parametrize('part', ['train', 'dev', 'test'])
def test_emotions_are_not_missing_in_between(folder, small, tmp_path, part):
    more = TEST.replace('1,4', '1,5').replace(',disgust,', ',,')
    rows = {'train': TRAIN, 'dev': DEV, 'test': TEST}[part]
    write(folder, **{part: rows + more})
    message = 'either each utterance' if part == 'test' else 'an emotion is one of'
    with pytest.raises(InputError, match=message):
        convert([folder], tmp_path / 'b.h5', text_channels=3, num_speakers=2)
