"""New samples that are made like those of a store."""

from __future__ import annotations

import csv
import inspect
import pickle
import shutil
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS
from hetero_mmer.datasets.music_emotions import LABELS, raw_names
from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.run import predict
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

WIDE = {'text_channels': 5, 'num_speakers': 3}


def meld(sources, output, **options):
    return FORMATS['meld'](sources, output, **options)


@pytest.fixture
def folder(tmp_path, write_meld):
    """Files as MELD's."""
    (tmp_path / 'raw').mkdir()
    for seed, (part, size) in enumerate({'train': 30, 'dev': 5, 'test': 6}.items()):
        write_meld(tmp_path / 'raw' / f'{part}_sent_emo.csv', size, seed=seed)
    return tmp_path / 'raw'


@pytest.fixture
def store(folder, tmp_path):
    return meld([folder], tmp_path / 'a.h5', **WIDE)


def rows_of(store, part):
    return [i for i, name in enumerate(store.ids) if name.startswith(part)]


def read(store, rows):
    return {m: [store.read(m, i).tobytes() for i in rows] for m in store.modalities}


def test_the_same_dialogues_have_the_same_features(folder, store, tmp_path):
    mine = tmp_path / 'mine.csv'
    shutil.copy(folder / 'test_sent_emo.csv', mine)
    new = meld([mine], tmp_path / 'new.h5', like=tmp_path / 'a.h5')
    assert new.ids.tolist() == [f'mine-dia{i}' for i in range(6)]
    assert read(new, range(6)) == read(store, rows_of(store, 'test'))
    assert new.labels.tolist() == store.labels[rows_of(store, 'test')].tolist()
    assert set(new.split) == {'test'}
    assert new.fitted_sha256 == store.fitted_sha256
    assert new.columns == store.columns
    # And so do those that are made like these.
    third = meld([mine], tmp_path / 'third.h5', like=str(tmp_path / 'new.h5'))
    assert read(third, range(6)) == read(new, range(6))
    assert third.fitted_sha256 == store.fitted_sha256
    # Without, everything would be another: what the option is for.
    (tmp_path / 'x').mkdir()
    shutil.copy(mine, tmp_path / 'x' / 'train_sent_emo.csv')
    other = meld([tmp_path / 'x'], tmp_path / 'other.h5', **WIDE)
    assert other.fitted_sha256.keys() == store.fitted_sha256.keys()
    assert all(
        other.fitted_sha256[m] != store.fitted_sha256[m] for m in ('text', 'timing')
    )
    assert read(other, range(6))['text'] != read(new, range(6))['text']


def test_the_same_files_again_give_the_same_bytes(folder, store, tmp_path):
    meld([folder], tmp_path / 'b.h5', **WIDE)
    assert (tmp_path / 'b.h5').read_bytes() == (tmp_path / 'a.h5').read_bytes()


def test_files_called_as_melds_keep_their_parts(folder, store, tmp_path):
    new = meld([folder], tmp_path / 'new.h5', like=tmp_path / 'a.h5')
    assert new.ids.tolist() == store.ids.tolist()
    assert new.split.tolist() == store.split.tolist()
    assert read(new, range(len(new))) == read(store, range(len(store)))


def test_dialogues_without_emotions(store, tmp_path, write_meld):
    one, two = tmp_path / 'one.csv', tmp_path / 'two.csv'
    write_meld(one, 4, seed=7, labels=False, speakers='AXYZ')
    write_meld(two, 4, seed=7, speakers='AXYZ')
    new = meld([one], tmp_path / 'one.h5', like=tmp_path / 'a.h5')
    assert new.labels is None
    assert set(new.split) == {''}
    assert new.label_names == store.label_names
    labelled = meld([two], tmp_path / 'two.h5', like=tmp_path / 'a.h5')
    assert read(labelled, range(4)) == read(new, range(4))
    # Columns that are there, and empty.
    with open(two, newline='') as file:
        table = list(csv.DictReader(file))
    for row in table:
        row['Emotion'] = ''
    with open(two, 'w', newline='') as file:
        writer = csv.DictWriter(
            file, [n for n in table[0] if n != 'Season'], extrasaction='ignore'
        )
        writer.writeheader()
        writer.writerows(table)
    empty = meld([two], tmp_path / 'empty.h5', like=tmp_path / 'a.h5')
    assert empty.labels is None
    assert read(empty, range(4)) == read(new, range(4))


def test_a_folder_of_any_files(store, tmp_path, write_meld):
    (tmp_path / 'mine').mkdir()
    for i, name in enumerate(('b.csv', 'a.csv')):
        write_meld(tmp_path / 'mine' / name, 2, seed=i, labels=False)
    new = meld([tmp_path / 'mine'], tmp_path / 'new.h5', like=tmp_path / 'a.h5')
    assert new.ids.tolist() == ['a-dia0', 'a-dia1', 'b-dia0', 'b-dia1']


def test_emotions_of_some_utterances_only(store, tmp_path, write_meld):
    path = write_meld(tmp_path / 'mine.csv', 3)
    text = path.read_text().splitlines()
    text[2] = text[2].rpartition(',')[0] + ','
    path.write_text('\n'.join(text))
    new = meld([path], tmp_path / 'some.h5', like=tmp_path / 'a.h5')
    assert (len(new), new.labels, set(new.split)) == (3, None, {''})
    told = f'WARNING: 1 of {len(text) - 1} utterances have no emotion'
    assert [note for note in new.attrs['notes'] if note.startswith(told)]
    path.write_text(text[0] + '\n')
    with pytest.raises(InputError, match=r'no utterances in .*mine\.csv'):
        meld([path], tmp_path / 'new.h5', like=tmp_path / 'a.h5')
    assert not (tmp_path / 'new.h5').exists()


def test_emotions_are_needed_to_fit(tmp_path, write_meld):
    path = write_meld(tmp_path / 'train_sent_emo.csv', 3, labels=False)
    with pytest.raises(InputError, match="called 'Emotion'"):
        meld([path], tmp_path / 'a.h5')
    with pytest.raises(
        InputError, match=r'dialogues of your own .*`like=STORE` or RUN'
    ):
        meld([path.rename(tmp_path / 'mine.csv')], tmp_path / 'a.h5')


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ({'text_channels': 6}, r"'text_channels' is that of '.*a\.h5', 5 \(got 6\)"),
        ({'num_speakers': 2}, r"'num_speakers' is that of .*, 3 \(got 2\)"),
        ({'encoder': 'a/b'}, r"'encoder' is that of .*, hashed \(got a/b\)"),
        ({'clean': 'mean'}, "cleaned by 'zero'"),
    ],
)
def test_another_choice_is_refused(option, message, folder, store, tmp_path):
    output = tmp_path / 'new.h5'
    with pytest.raises(InputError, match=message):
        meld([folder], output, like=tmp_path / 'a.h5', **option)
    assert not output.exists()


def test_the_same_choice_is_not(folder, store, tmp_path):
    new = meld(
        [folder], tmp_path / 'b.h5', like=tmp_path / 'a.h5', encoder='hashed', **WIDE
    )
    assert new.fitted_sha256 == store.fitted_sha256


def test_a_model_of_sentence_transformers_is_taken_by_name(
    folder, tmp_path, monkeypatch
):
    """A stand-in with the package's calls."""

    class SentenceTransformer:
        def __init__(self, name, model_kwargs):
            self.width = len(name)

        def encode(self, texts, show_progress_bar):
            return np.array([[len(text)] * self.width for text in texts])

    module = ModuleType('sentence_transformers')
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, 'sentence_transformers', module)
    one = meld([folder], tmp_path / 'a.h5', encoder='a/bc')
    new = meld([folder], tmp_path / 'b.h5', like=tmp_path / 'a.h5')
    assert (one.extractors['text'], one.in_channels['text']) == ('a/bc', 4)
    assert new.fitted_sha256 == one.fitted_sha256
    with pytest.raises(InputError, match=r"'encoder' is that of .* a/bc \(got a/xy\)"):
        meld([folder], tmp_path / 'c.h5', like=tmp_path / 'a.h5', encoder='a/xy')
    with pytest.raises(InputError, match=r'a/bc \(got hashed\)'):
        meld([folder], tmp_path / 'c.h5', like=tmp_path / 'a.h5', encoder='hashed')


def arff(path, num_songs, seed, cells=None, labels=LABELS):
    """A file with Mulan's columns, on other scales; ``cells`` are its labels."""
    rng = np.random.default_rng(seed)
    values = rng.normal(seed, 1 + seed, size=(num_songs, 72))
    header = [f'@attribute {name} numeric' for name in raw_names()]
    header += [f'@attribute {name} {{0,1}}' for name in labels]
    rows = [
        [*(f'{v:.6f}' for v in row), *(cells or rng.integers(0, 2, 6).astype(str))]
        for row in values
    ]
    lines = [
        '@relation x',
        *header,
        '@data',
        *(','.join(row[: 72 + len(labels)]) for row in rows),
    ]
    path.write_text('\n'.join([*lines, '']))
    return path


@pytest.fixture
def songs(tmp_path):
    path = arff(tmp_path / 'emotions.arff', 40, 0)
    return path, FORMATS['music-emotions']([path], tmp_path / 'songs.h5')


def test_songs_are_scaled_like_others(songs, tmp_path):
    path, store = songs
    convert = FORMATS['music-emotions']
    again = convert([path], tmp_path / 'b.h5', like=tmp_path / 'songs.h5')
    assert read(again, range(40)) == read(store, range(40))
    assert set(again.split) == {'test'}
    assert again.labels.tolist() == store.labels.tolist()
    assert again.fitted_sha256 == store.fitted_sha256
    new = arff(tmp_path / 'new.arff', 3, 5)
    moved = convert([new], tmp_path / 'c.h5', like=tmp_path / 'b.h5')
    raw = np.loadtxt(new, delimiter=',', skiprows=80)
    mean, std = (np.array(store.attrs[f'train_{s}']) for s in ('mean', 'std'))
    assert moved.attrs['train_mean'] == store.attrs['train_mean']
    expected = ((raw[:, :72] - mean) / std).sum(axis=1)
    bits = [np.eye(16).sum(), np.eye(4).sum()]
    for i in range(3):
        total = moved.read('timbre', i).sum() + moved.read('rhythm', i).sum()
        assert total - sum(bits) == pytest.approx(expected[i], rel=1e-4)
    alone = convert([new], tmp_path / 'd.h5')
    assert alone.fitted_sha256 != store.fitted_sha256


@pytest.mark.parametrize('form', ['absent', 'unknown'])
def test_songs_without_labels(form, songs, tmp_path, caplog):
    options = {'labels': ()} if form == 'absent' else {'cells': ['?'] * 6}
    new = arff(tmp_path / 'new.arff', 3, 5, **options)
    convert = FORMATS['music-emotions']
    store = convert([new], tmp_path / 'b.h5', like=tmp_path / 'songs.h5')
    assert store.labels is None
    assert set(store.split) == {''}
    assert '593' not in caplog.text
    labelled = convert([arff(new, 3, 5)], tmp_path / 'c.h5', like=tmp_path / 'songs.h5')
    assert read(store, range(3)) == read(labelled, range(3))


def test_songs_of_which_some_have_labels(songs, tmp_path):
    new = arff(tmp_path / 'new.arff', 3, 5)
    head, second = new.read_text().splitlines()[:-2], new.read_text().splitlines()[-2]
    cells = [*second.split(',')[:72], *['?'] * 6]
    last = new.read_text().splitlines()[-1]
    new.write_text('\n'.join([*head, ','.join(cells), last, '']))
    convert = FORMATS['music-emotions']
    store = convert([new], tmp_path / 'b.h5', like=tmp_path / 'songs.h5')
    assert set(store.split) == {'test'}
    assert store.known.tolist() == [True, False, True]
    expected = [[int(c) for c in row.split(',')[72:]] for row in (head[-1], last)]
    assert store.labels[store.known].tolist() == expected
    with pytest.raises(InputError, match=r"song 1 is '\?'"):
        convert([new], tmp_path / 'c.h5')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'cells': ['?', *'01010']}, r"'amazed-suprised' of song 0 is '\?'"),
        ({'labels': list(LABELS)[:4]}, "no 'sad-lonely'"),
        ({'num_songs': 0}, 'ARFF|no songs'),
    ],
)
def test_songs_that_are_refused(options, message, songs, tmp_path):
    new = arff(tmp_path / 'new.arff', **{'num_songs': 3, 'seed': 5, **options})
    with pytest.raises(InputError, match=message):
        FORMATS['music-emotions']([new], tmp_path / 'b.h5', like=tmp_path / 'songs.h5')


def test_songs_are_not_like_dialogues(songs, store, folder, tmp_path):
    with pytest.raises(
        InputError, match=r"'.*a\.h5' has no fitted encoder of 'timbre'"
    ):
        FORMATS['music-emotions']([songs[0]], tmp_path / 'b.h5', like=tmp_path / 'a.h5')
    with pytest.raises(InputError, match=r"songs\.h5' has no fitted encoder of 'text'"):
        meld([folder], tmp_path / 'b.h5', like=tmp_path / 'songs.h5')


@pytest.fixture
def own(tmp_path):
    """A table with arrays, and the store of it."""
    (tmp_path / 'audio').mkdir()
    for i in range(6):
        np.save(tmp_path / 'audio' / f'{i}.npy', np.full((2, 3), i))
    table = tmp_path / 'table.csv'
    rows = [f'{i},{i % 2},{int(i > 2)},g{i}' for i in range(6)]
    table.write_text('\n'.join(['id,joy,anger,group', *rows]))
    features = {'audio': str(tmp_path / 'audio')}
    FORMATS['csv'](
        [table], tmp_path / 'own.h5', features=features, kinds={'audio': 'set'}
    )
    return table, features, tmp_path / 'own.h5'


@pytest.mark.parametrize(
    ('text', 'labels', 'split'),
    [
        ('id\n1\n3\n', None, ['', '']),
        ('id,age\n1,30\n3,20\n', None, ['', '']),
        ('id,anger,age,joy\n1,0,30,1\n3,1,20,1\n', [[1, 0], [1, 1]], ['test'] * 2),
        ('id,ANGER,age,Joy\n1,0,30,1\n3,1,20,1\n', [[1, 0], [1, 1]], ['test'] * 2),
        ('id,joy,anger\n1,1,\n3,1,1\n', None, ['', '']),
        ('id,joy,anger\n1,,\n3,1,1\n', [[255, 255], [1, 1]], ['test'] * 2),
        ('id,joy,anger,split\n1,1,0,valid\n3,1,1,\n', [[1, 0], [1, 1]], ['valid', '']),
        ('id,joy,anger\n1,,\n3,,\n', None, ['', '']),
    ],
)
def test_own_tables_take_kinds_and_labels(text, labels, split, own, tmp_path):
    table, features, like = own
    table.write_text(text)
    new = FORMATS['csv']([table], tmp_path / 'b.h5', features=features, like=like)
    assert new.label_names == ('joy', 'anger')
    assert new.kinds == {'audio': 'set'}
    assert (None if new.labels is None else new.labels.tolist()) == labels
    assert new.split.tolist() == split
    if labels is None and ',,\n3,,' not in text:
        assert any('samples have no labels' in note for note in new.attrs['notes'])


@pytest.mark.parametrize(
    ('options', 'text', 'message'),
    [
        ({'kinds': {'audio': 'sequence'}}, 'id\n1\n', "kind set for 'audio'"),
        ({'labels': ['joy']}, 'id,joy,anger\n1,1,1\n', r"labels \['joy', 'anger'\]"),
        ({}, 'id,joy\n1,1\n', "no label column 'anger'"),
        ({}, 'id,joy,Anger,ANGER\n1,1,0,1\n', "'anger' may be 'Anger' or 'ANGER'"),
        ({}, 'id,joy,anger_score\n1,1,0\n', "is it 'anger_score', which"),
        ({}, 'id,joy,anger\n1,1,2\n', "got '2' for 'anger'"),
    ],
)
def test_own_tables_that_are_refused(options, text, message, own, tmp_path):
    table, features, like = own
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        FORMATS['csv'](
            [table], tmp_path / 'b.h5', features=features, like=like, **options
        )
    assert not (tmp_path / 'b.h5').exists()


def test_labels_in_other_capitals(tmp_path):
    """Those of the file are those of the model, in the order that it has."""
    part = padded(np.random.default_rng(0)) | {
        'id': [f'v{i}$_$0' for i in range(8)],
        'src-text': np.ones((8, 2, 300), 'f4'),
        'tgt': [[2, 4, 3]] * 4 + [[2, 5, 3]] * 4,
    }
    rows = [f'v{i},0,{int(i > 3)},{int(i < 4)}' for i in range(8)]
    (tmp_path / 'l.csv').write_text('\n'.join(['video_id,clip_id,CALM,joy', *rows]))
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'test': part}))
    tgt = {'<s>': 2, '</s>': 3, 'joyful': 4, 'calm': 5}
    torch.save({'test': part, 'dict': {'tgt': tgt}}, tmp_path / 'a.pt')
    for format, name, widths, options in (
        ('mosei-pt', 'a.pt', {'text': 300}, {}),
        (
            *('mmsa-pkl', 'a.pkl', {'text': 300, 'visual': 35, 'audio': 74}),
            {'labels': str(tmp_path / 'l.csv')},
        ),
    ):
        like = tmp_path / f'{format}.h5'
        specs = {m: ModalitySpec(width) for m, width in widths.items()}
        with StoreWriter(like, specs, ['Joy', 'Calm']) as writer:
            writer.add('a', {m: np.ones((2, w)) for m, w in widths.items()}, [1, 0])
        path = tmp_path / name
        new = FORMATS[format]([path], tmp_path / 'b.h5', like=like, **options)
        assert new.label_names == ('Joy', 'Calm')
        assert new.labels.tolist() == [[1, 0]] * 4 + [[0, 1]] * 4
        new.close()


@pytest.mark.parametrize('is_run', [False, True])
@pytest.mark.parametrize('case', ['absent', 'empty folder', 'empty archive', 'no rows'])
def test_own_samples_may_lack_a_modality(case, is_run, own, tmp_path):
    table, features, _ = own
    (tmp_path / 'text').mkdir()
    for i in range(6):
        np.save(tmp_path / 'text' / f'{i}.npy', np.full((4, 5), i))
    both = {**features, 'text': str(tmp_path / 'text')}
    like = tmp_path / 'both.h5'
    rows = [f'{i},{i % 2},1,{s}' for i, s in enumerate(['train', 'valid', 'test'] * 2)]
    table.write_text('\n'.join(['id,joy,anger,split', *rows]))
    kinds = {'text': 'set'}
    FORMATS['csv']([table], like, features=both, kinds=kinds)
    if is_run:
        from hetero_mmer import training
        from hetero_mmer.models import HHMPN

        training.train(HHMPN, data=like, out=tmp_path / 'run', epochs=1, batch_size=2)
        like = tmp_path / 'run'
    (tmp_path / 'none').mkdir()
    (tmp_path / 'none' / '.gitkeep').touch()
    given = dict(both)
    if case == 'absent':
        del given['text']
    elif case == 'empty folder':
        given['text'] = str(tmp_path / 'none')
    elif case == 'empty archive':
        np.savez(tmp_path / 'none.npz')
        given['text'] = str(tmp_path / 'none.npz')
    else:
        np.save(tmp_path / 'none' / '1.npy', np.zeros((0, 5)))
        given['text'] = str(tmp_path / 'none')
    table.write_text('id\n1\n3\n')
    new = FORMATS['csv']([table], tmp_path / 'b.h5', features=given, like=like)
    assert new.in_channels == {'audio': 3, 'text': 5}
    assert new.kinds == {'audio': 'sequence', 'text': 'set'}
    assert new.ptr['text'].tolist() == [0, 0, 0]
    assert new.read('audio', 1).tolist() == [[3] * 3] * 2
    notes = ' '.join(new.attrs['notes'])
    told = "no arrays of 'text' were given" if case == 'absent' else "have no 'text'"
    assert told in notes
    if is_run:
        assert predict(like, tmp_path / 'b.h5', tmp_path / 'p.csv')
    with pytest.raises(InputError):  # Without others, nobody knows the width.
        FORMATS['csv'](
            [table],
            tmp_path / 'c.h5',
            features={'text': str(tmp_path / 'none'), **given},
        )


def test_arrays_of_other_samples_are_not_taken_for_none(own, tmp_path):
    table, features, like = own
    table.write_text('id\n77\n')
    with pytest.raises(InputError, match='has items for some row of the table'):
        FORMATS['csv']([table], tmp_path / 'b.h5', features=features, like=like)


def test_own_samples_may_lack_what_an_encoder_made(tmp_path):
    fitted = {'text': Fitted('tf-idf', ('word',), {'idf': np.ones(1)})}
    specs = {'text': ModalitySpec(4), 'audio': ModalitySpec(2)}
    like = tmp_path / 'like.h5'
    with StoreWriter(like, specs, ['joy'], fitted=fitted) as writer:
        writer.add('a', {'text': np.ones((1, 4))}, [1])
    (tmp_path / 'table.csv').write_text('id\n1\n')
    np.savez(tmp_path / 'a.npz', **{'1': np.ones((3, 2))})
    new = FORMATS['csv'](
        [tmp_path / 'table.csv'],
        tmp_path / 'b.h5',
        features={'audio': str(tmp_path / 'a.npz')},
        like=like,
    )
    assert new.fitted_sha256 == {'text': fitted['text'].sha256}
    assert {m: new.ptr[m].tolist() for m in new.modalities} == {
        'audio': [0, 3],
        'text': [0, 0],
    }


def test_cells_of_own_arrays_are_cleaned_as_before(own, tmp_path):
    table, features, _ = own
    convert, audio = FORMATS['csv'], tmp_path / 'audio'
    np.save(audio / '2.npy', [[np.nan, 1, 1]])
    split = [f'{i},1,0,{"train" if i in (1, 2, 3) else "test"}' for i in range(6)]
    table.write_text('\n'.join(['id,joy,anger,split', *split]))
    like = tmp_path / 'mean.h5'
    one = convert([table], like, features=features, clean='mean')
    assert one.read('audio', 2)[0].tolist() == [2, 1, 1]  # 1, 1, 3, 3
    np.save(audio / '5.npy', [[np.nan, np.inf, 9]])
    table.write_text('id\n5\n')
    new = convert([table], tmp_path / 'b.h5', features=features, like=like)
    assert new.clean == 'mean'
    assert new.read('audio', 0).tolist() == [[2, np.float32((2 + 1 + 6) / 5), 9]]
    with pytest.raises(InputError, match='finite'):
        convert([table], tmp_path / 'c.h5', features=features, like=like, strict=True)
    with pytest.raises(InputError, match=r"'mean' \(got 'zero'\)"):
        convert([table], tmp_path / 'c.h5', features=features, like=like, clean='zero')


def test_features_of_another_hand_are_not_like_fitted_ones(store, tmp_path):
    """Arrays of the right widths: what they mean cannot be known."""
    table = tmp_path / 'table.csv'
    table.write_text('id\n1\n')
    features = {}
    for m, width in store.in_channels.items():
        np.savez(tmp_path / f'{m}.npz', **{'1': np.ones((2, width))})
        features[m] = str(tmp_path / f'{m}.npz')
    with pytest.raises(InputError, match=r"'text' by the encoder hashed-.*none here"):
        FORMATS['csv'](
            [table], tmp_path / 'b.h5', features=features, like=tmp_path / 'a.h5'
        )


def padded(rng):
    arrays = {'text': (8, 5, 300), 'vision': (8, 5, 35), 'audio': (8, 5, 74)}
    return {key: rng.normal(size=shape).astype('f4') for key, shape in arrays.items()}


@pytest.mark.parametrize('format', ['mult-pkl', 'mmsa-pkl'])
def test_pickles_without_emotions(format, tmp_path):
    part = padded(np.random.default_rng(0))
    ids = [[f'v{i}', '0.0', '1.5'] for i in range(8)]
    part['id'] = (
        np.array(ids) if format == 'mult-pkl' else [f'v{i}$_$0' for i in range(8)]
    )
    path, like = tmp_path / 'a.pkl', tmp_path / 'like.h5'
    path.write_bytes(pickle.dumps({'test': part}))
    widths = {'text': 300, 'visual': 35, 'audio': 74}
    specs = {m: ModalitySpec(width) for m, width in widths.items()}
    with StoreWriter(like, specs, ['joy', 'anger', 'calm']) as writer:
        writer.add('a', {m: np.ones((2, w)) for m, w in widths.items()}, [1, 0, 1])
    with pytest.raises(InputError, match='has no emotions'):
        FORMATS[format]([path], tmp_path / 'b.h5')
    store = FORMATS[format]([path], tmp_path / 'b.h5', like=like)
    assert (len(store), store.labels) == (8, None)
    assert store.label_names == ('joy', 'anger', 'calm')
    np.testing.assert_array_equal(store.read('visual', 3), part['vision'][3])
    assert 'no emotions' in ' '.join(store.attrs['notes'])


def test_a_vocabulary_is_that_of_others(tmp_path):
    """The greatest id of a few songs says nothing of the vocabulary."""

    def songs(path, size):
        rng = np.random.default_rng(size)
        part = {
            'src-lyr': [rng.integers(4, size, 6).tolist() for _ in range(4)],
            'tgt': [[2, 4, 3]] * 4,
        }
        path.write_bytes(pickle.dumps(dict.fromkeys(('train', 'valid', 'test'), part)))
        return path

    convert = FORMATS['nemu']
    convert([songs(tmp_path / 'a.job', 50)], tmp_path / 'a.h5', num_embeddings=90)
    small = songs(tmp_path / 'b.job', 20)
    assert convert([small], tmp_path / 'b.h5').num_embeddings['lyrics'] <= 20
    new = convert([small], tmp_path / 'c.h5', like=tmp_path / 'a.h5')
    assert new.num_embeddings == {'lyrics': 90}
    with pytest.raises(InputError, match=r"vocabulary 90 for 'lyrics' \(got 91\)"):
        convert([small], tmp_path / 'd.h5', like=tmp_path / 'a.h5', num_embeddings=91)


@pytest.mark.parametrize('format', FORMATS)
def test_every_format_has_the_option(format):
    parameter = inspect.signature(FORMATS[format]).parameters['like']
    assert parameter.default is None


def test_the_command(store, tmp_path, write_meld, capsys):
    mine = write_meld(tmp_path / 'mine.csv', 3, seed=9, labels=False)
    words = ['data', 'convert', 'meld', str(mine), '--output', str(tmp_path / 'b.h5')]
    assert main([*words, '--like', str(tmp_path / 'a.h5')]) == 0
    out = capsys.readouterr().out
    for sha256 in store.fitted_sha256.values():
        assert sha256[:12] in out
    assert main([*words, '--like', str(tmp_path / 'none.h5')]) == 2
    assert "none.h5' does not exist" in capsys.readouterr().err
    assert main(['data', 'describe', str(tmp_path / 'b.h5')]) == 0
    assert store.fitted_sha256['text'][:12] in capsys.readouterr().out


def test_the_real_files(shared, tmp_path):
    folder = shared / 'data' / 'meld'
    store = meld([folder], tmp_path / 'a.h5', text_channels=16)
    (tmp_path / 'mine.csv').write_bytes((folder / 'test_sent_emo.csv').read_bytes())
    new = meld([tmp_path / 'mine.csv'], tmp_path / 'b.h5', like=tmp_path / 'a.h5')
    assert len(new) == 280
    assert read(new, range(280)) == read(store, rows_of(store, 'test'))
    assert Store(tmp_path / 'b.h5').fitted_sha256 == store.fitted_sha256
