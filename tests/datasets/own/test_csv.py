from __future__ import annotations

import hashlib
import os
import pickle

import numpy as np
import pytest
import yaml

from hetero_mmer.cli import main
from hetero_mmer.datasets.own.csv import convert
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store

TABLE = """\
id,group,split,joy,anger
a,v1,train,1,0
b,v1,train,0,0
c,v2,valid,1,1
d,v3,test,0,1
"""


class Data:
    """A table, text as a folder (none for c) and audio as an archive (none for b)."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.table = folder / 'table.csv'
        self.table.write_text(TABLE)
        self.text = folder / 'text'
        self.text.mkdir()
        self.audio = folder / 'audio.npz'
        self.arrays = {
            'text': {
                i: rng.normal(size=(n, 3))
                for i, n in zip('abd', (4, 1, 2), strict=True)
            },
            'audio': {i: rng.integers(0, 9, (2, 5)) for i in 'acd'},
        }
        for name, array in self.arrays['text'].items():
            np.save(self.text / f'{name}.npy', array)
        np.savez(self.audio, **self.arrays['audio'])
        self.features = {'text': str(self.text), 'audio': str(self.audio)}
        self.output = folder / 'out' / 'own.h5'

    def convert(self, **options):
        options = {'features': self.features, **options}
        return convert([self.table], self.output, **options)

    def save(self, name, array):
        np.save(self.text / f'{name}.npy', array)

    def refused(self, message, **options):
        with pytest.raises(InputError, match=message) as error:
            self.convert(**options)
        assert '\n' not in str(error.value)
        assert not self.output.exists()


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path)


def test_a_table_and_arrays_become_a_store(data):
    store = data.convert()
    assert store.ids.tolist() == ['a', 'b', 'c', 'd']
    assert store.groups.tolist() == ['v1', 'v1', 'v2', 'v3']
    assert store.split.tolist() == ['train', 'train', 'valid', 'test']
    assert store.label_names == ('joy', 'anger')
    assert store.labels.tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]
    assert store.modalities == ('text', 'audio')
    for modality, arrays in data.arrays.items():
        for i, sample_id in enumerate('abcd'):
            expected = arrays.get(sample_id, np.zeros((0, arrays['a'].shape[1])))
            found = store.read(modality, i)
            np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert set(store.raw_sha256) == {'table.csv', 'audio.npz'}
    assert store.attrs['notes'] == [
        "1 rows of the table have no 'text'",
        "1 rows of the table have no 'audio'",
        "WARNING: only 2 samples are in 'train'",
        "WARNING: only 1 sample is in 'valid'",
        "WARNING: only 1 sample is in 'test'",
    ]


def test_one_item_may_be_a_vector(data):
    data.save('b', np.array([1, 2, 3]))
    np.testing.assert_array_equal(data.convert().read('text', 1), [[1, 2, 3]])


def test_only_vectors(data):
    for name in 'abd':
        data.save(name, np.array([1.0, 2.0]))
    assert data.convert().in_channels == {'text': 2, 'audio': 5}


@pytest.mark.parametrize('empty', [np.zeros(0), np.zeros((0, 3)), np.zeros((0, 7))])
def test_an_array_without_items_is_a_missing_modality(data, empty):
    data.save('a', empty)
    store = data.convert()
    assert np.diff(store.ptr['text']).tolist() == [0, 1, 0, 2]
    assert store.attrs['notes'][0] == "2 rows of the table have no 'text'"


def test_kinds(data):
    assert data.convert(kinds={'audio': 'set'}).kinds == {
        'text': 'sequence',
        'audio': 'set',
    }


def test_labels_may_be_chosen(data):
    data.table.write_text(TABLE.replace('joy', 'word').replace(',1,0', ',hello,0'))
    store = data.convert(labels=['anger'])
    assert store.label_names == ('anger',)
    assert store.labels.tolist() == [[0], [0], [1], [1]]


def test_without_groups_and_split(data):
    ids = [f's{i}' for i in range(20)]
    for i in ids:
        data.save(i, np.ones((1, 3)))
    rows = [f'{i},v{k // 2},{k % 2}' for k, i in enumerate(ids)]
    data.table.write_text('\n'.join(['id,group,joy', *rows]))
    features = {'text': data.features['text']}
    one = data.convert(features=features)
    counts = {s: (one.split == s).sum() for s in ('train', 'valid', 'test')}
    assert counts == {'train': 14, 'valid': 2, 'test': 4}
    assert all(one.split[::2] == one.split[1::2])
    note = 'the table has no split: its 10 groups were dealt out with seed 0'
    assert note in one.attrs['notes'][0]
    assert data.convert(features=features).split.tolist() == one.split.tolist()
    others = data.convert(features=features, seed=1)
    assert others.split.tolist() != one.split.tolist()
    data.table.write_text('\n'.join(['id,joy', *(f'{i},1' for i in ids)]))
    store = data.convert(features=features)
    assert store.groups.tolist() == ids
    assert (store.split == 'train').sum() == 14


def test_without_labels(data):
    table = 'id,joy,anger\na,,\nb,,\nc,,\nd,,\n'
    data.table.write_text(table)
    store = data.convert()
    assert store.labels is None
    assert store.label_names == ('joy', 'anger')
    assert set(store.split) == {''}


def test_extra_arrays_are_told(data):
    for name in 'xyzw':
        data.save(name, np.ones((1, 3)))
    (data.text / 'README.txt').touch()
    (data.text / '.DS_Store').touch()
    np.savez(data.audio, **data.arrays['audio'], q=np.ones((1, 5)))
    notes = data.convert().attrs['notes']
    assert notes[1] == (
        f"5 entries of '{data.text}' belong to no row of the table (README.txt, w.npy, "
        f'x.npy, ...)'
    )
    assert notes[3].endswith('belong to no row of the table (q)')


def test_a_sample_without_any_array_is_dropped(data):
    data.table.write_text(TABLE + 'e,v4,test,1,1\n')
    store = data.convert()
    assert list(store.dropped) == [('e', 'it has no items in any modality')]
    assert len(store) == 4
    store.close()
    data.output.unlink()
    data.refused("'e' is: it has no items", strict=True)


def test_values_that_are_not_finite(data):
    data.save('a', np.array([[1, np.nan, 3.0]]))
    store = data.convert()
    assert store.read('text', 0).tolist() == [[1, 0, 3]]
    assert store.non_finite['text'] == 1
    store.close()
    data.output.unlink()
    data.refused("'text' has 1 that are not", strict=True)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('id,', 'name,', "called 'id'.*'name', 'group'"),
        ('b,v1', 'a,v1', r"line 2 and line 3 of '.*table.csv' are both 'a'"),
        ('b,v1', ',v1', "name of a file.*got '' in line 3"),
        ('b,v1', '../b,v1', r"name of a file.*got '\.\./b' in line 3"),
        ('b,v1', '..,v1', 'name of a file'),
        ('b,v1', r'x\b,v1', 'name of a file'),
        (
            'b,v1,train,0',
            'b,v1,train,2',
            "0 or 1 .*'2' for 'joy' of sample 'b', line 3",
        ),
        ('b,v1,train,0', 'b,v1,train,0.5', "'0.5' for 'joy'.*if 'joy' is none, say"),
        ('b,v1,train,0', 'b,v1,train,', "got '' for 'joy' of sample 'b'"),
        ('b,v1,train', 'b,v1,eval', "'split' is one of .*'eval' in line 3"),
        ('b,v1,train', 'b,v1,dev', "'dev' and 'valid' both stand for 'valid'"),
        ('b,v1,train', 'b,v1,test', "group lies in one split, but 'v1'"),
        ('joy,anger', 'joy,joy', 'all different'),
        ('b,v1,train,0,0', 'b,v1,train,0', '5 cells.*got 4 in line 3'),
        (TABLE[TABLE.index('a,') :], '', 'row for each sample'),
        ('joy,anger', ',anger', 'columns have names'),
    ],
)
def test_mistakes_in_the_table(data, old, new, message):
    assert old in TABLE
    data.table.write_text(TABLE.replace(old, new, 1))
    data.refused(message)


def test_no_label_columns(data):
    data.table.write_text('id,split\na,train\n')
    data.refused(r"column for each label \(got only \['id', 'split'\]")


@pytest.mark.parametrize('name', ['joi', 'split', 'id'])
def test_labels_that_are_no_columns(data, name):
    data.refused(f"no label column '{name}'.*'joy', 'anger'", labels=[name])


def test_mistakes_in_the_options(data):
    data.refused(r'lie .got none.*`features=\{', features=None)
    data.refused('lie .got none', features={})
    data.refused(r"are of .*'text', 'audio'.*'vidio'", kinds={'vidio': 'set'})
    data.refused("there is no file or folder 'none'", features={'text': 'none'})
    table = str(data.table)
    data.refused(f"of 'text' lie in .*got '{table}'", features={'text': table})
    data.refused("a modality's name is", features={'te xt': data.features['text']})


def test_a_folder_of_something_else(data):
    other = data.table.with_name('other')
    other.mkdir()
    (other / 'clip-a.npy').touch()
    data.refused(
        r"other' has items for some row of the table, such as 'a.npy' .got 1 other",
        features={'text': str(other)},
    )


def test_another_width(data):
    data.save('d', np.ones((2, 4)))
    data.refused(
        r"'text' are 3 wide, as in '.*text/a.npy', but 4 wide in '.*text/d.npy'"
    )
    data.save('d', np.ones((2, 3)))
    arrays = {**data.arrays['audio'], 'd': np.ones((1, 2))}
    np.savez(data.audio, **arrays)
    data.refused(r"5 wide, as in 'a' of '.*audio.npz', but 2 wide in 'd' of '.*npz'")


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.ones((2, 3, 4)), r'shape \[S, F\].*got \[2, 3, 4\]'),
        (np.float64(3), r'got \[\]'),
        (np.ones((2, 0)), r'got \[2, 0\]'),
        (np.array(['x', 'y']), "hold numbers .got type '<U1'"),
        (np.ones((2, 3), complex), "hold numbers .got type 'complex128'"),
    ],
)
@pytest.mark.parametrize('name', ['a', 'd'])
def test_arrays_that_are_no_items(data, array, message, name):
    data.save(name, array)
    data.refused(f'{message}.*text/{name}.npy')


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('name', ['a', 'd'])
def test_python_objects_are_never_loaded(data, tmp_path, name):
    trap = tmp_path / 'trap'
    bad = np.array([Malicious(trap)], dtype=object)
    np.save(data.text / f'{name}.npy', bad, allow_pickle=True)
    data.refused(f'text/{name}.npy.*Python objects, which are never loaded')
    (data.text / f'{name}.npy').write_bytes(pickle.dumps(Malicious(trap)))
    data.refused(f'text/{name}.npy.*Python objects, which are never loaded')
    np.save(data.text / f'{name}.npy', data.arrays['text'][name])
    np.savez(data.audio, **{**data.arrays['audio'], name: bad}, allow_pickle=True)
    data.refused(f"'{name}' of '.*audio.npz.*Python objects, which are never loaded")
    data.audio.write_bytes(pickle.dumps(Malicious(trap)))
    data.refused('audio.npz.*Python objects, which are never loaded')
    assert not trap.exists()


@pytest.mark.parametrize('keep', [0, 1, 60, 140])
def test_files_that_are_cut(data, keep):
    path = data.text / 'd.npy'
    path.write_bytes(path.read_bytes()[:keep])
    data.refused('text/d.npy. is not an array of numbers')


@pytest.mark.parametrize('keep', [0, 10, 300, 700])
def test_archives_that_are_cut(data, keep):
    data.audio.write_bytes(data.audio.read_bytes()[:keep])
    data.refused('audio.npz. is not an array of numbers')


def test_an_archive_with_a_broken_array(data):
    np.savez_compressed(data.audio, **data.arrays['audio'])
    content = bytearray(data.audio.read_bytes())
    place = content.index(b'd.npy') + 40
    content[place : place + 40] = bytes(40)
    data.audio.write_bytes(content)
    data.refused("'d' of '.*audio.npz' is not an array of numbers")


def test_an_array_under_the_name_of_an_archive(data):
    archive = data.audio.read_bytes()
    with open(data.audio, 'wb') as file:
        np.save(file, np.ones((2, 5)))
    data.refused("an .npz several, but '.*audio.npz' is the other")
    data.audio.write_bytes(archive)
    (data.text / 'd.npy').write_bytes(archive)
    data.refused("an .npz several, but '.*text/d.npy' is the other")


def test_ids_as_numpy_would_not_spell_them(data):
    name = 'clip 1[2]é'
    data.table.write_text(TABLE.replace('a,', f'{name},', 1), encoding='utf-8')
    data.save(name, np.full((1, 3), 7))
    store = data.convert()
    assert store.ids[0] == name
    assert store.read('text', 0).tolist() == [[7, 7, 7]]


def test_the_command(data, capsys):
    words = ['data', 'convert', 'csv', str(data.table), '--output', str(data.output)]
    features = yaml.safe_dump(data.features, default_flow_style=True).strip()
    options = ['--features', features, '--kinds', '{audio: set}', '--labels', '[joy]']
    assert main([*words, *options]) == 0
    out = capsys.readouterr().out
    assert "1 rows of the table have no 'text'" in out
    assert '4 samples kept, 0 dropped' in out
    with Store(data.output) as store:
        assert store.kinds['audio'] == 'set'
        assert store.label_names == ('joy',)
    assert main(['data', 'validate', str(data.output)]) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], "'features' says for each modality"),
        (['--features', 'text'], '--features'),
        (['--features', '{text: [1]}'], "'--features.text' is text (got [1])"),
        (['--features', '{text: t}', '--kinds', '{text: list}'], "(got 'list')"),
        (
            ['--features', '{text t}'],
            "'--features' is '{NAME: VALUE}' or null (got '{text t}')",
        ),
        (['--features', 'text=t'], "'{NAME: VALUE}' or null (got 'text=t')"),
        (['--labels', 'joy,fear'], "is '[ITEM, ITEM]' or null (got 'joy,fear')"),
        (['--feature', '{text: t}'], "did you mean '--features'"),
    ],
)
def test_mistakes_in_the_command(data, options, message, capsys):
    words = ['data', 'convert', 'csv', str(data.table), '--output', str(data.output)]
    assert main([*words, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('head', 'words'),
    [
        ('ID,Video_ID,SET,joy,anger', {'train': 'Train', 'valid': 'DEV'}),
        ('id,dialogue,Split,joy,anger', {'valid': 'validation', 'test': 'tst'}),
        ('Id,Group,phase,joy,anger', {'train': 'trn', 'valid': 'val'}),
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_other_spellings_of_columns_and_splits(data, head, words, encoding):
    table = TABLE.replace('id,group,split,joy,anger', head)
    for split, word in words.items():
        table = table.replace(split, word)
    data.table.write_text(table, encoding=encoding)
    store = data.convert(labels=['joy', 'anger'])
    assert store.ids.tolist() == ['a', 'b', 'c', 'd']
    assert store.groups.tolist() == ['v1', 'v1', 'v2', 'v3']
    assert store.split.tolist() == ['train', 'train', 'valid', 'test']
    assert store.labels.tolist() == [[1, 0], [0, 0], [1, 1], [0, 1]]


def test_columns_that_are_left_out_are_told(data, capsys):
    data.table.write_text(TABLE.replace('joy', 'fold').replace('split', 'part'))
    words = ['data', 'convert', 'csv', str(data.table), '--output', str(data.output)]
    features = yaml.safe_dump(data.features, default_flow_style=True).strip()
    words += ['--features', features, '--labels', '[anger]', '--ignore', '[part]']
    assert main(words) == 2  # A fold and no split: which clip is in which?
    assert "'fold' of" in capsys.readouterr().err
    assert main([*words[:-1], '[part, fold]']) == 0
    out = capsys.readouterr().out
    assert 'columns that are not used: part, fold' in out
    assert 'its 3 groups were dealt out' in out
    assert 'WARNING: ' in out


def test_archives_of_one_name_have_both_their_hashes(data, tmp_path):
    for name, size in (('one', 3), ('two', 5)):
        (tmp_path / name).mkdir()
        arrays = {i: np.full((2, size), size) for i in 'abcd'}
        np.savez(tmp_path / name / 'x.npz', **arrays)
    features = {m: str(tmp_path / m / 'x.npz') for m in ('one', 'two')}
    store = data.convert(features=features)
    expected = {f'{m}/x.npz': (tmp_path / m / 'x.npz').read_bytes() for m in features}
    expected['table.csv'] = data.table.read_bytes()
    assert store.raw_sha256 == {
        name: hashlib.sha256(content).hexdigest() for name, content in expected.items()
    }


@pytest.mark.parametrize('name', ['joy_true', 'joy_predicted', 'sample_id'])
def test_labels_that_collide_with_columns_of_predictions(data, name):
    data.table.write_text(TABLE.replace('anger', name))
    data.refused(f"a label cannot be called '{name}'")


def test_groups_that_may_be_one_are_told(data):
    data.table.write_text(TABLE.replace('v2', 'V1').replace('d,v3', 'd,'))
    notes = data.convert().attrs['notes']
    assert "WARNING: groups that may be one are several: 'v1' and 'V1'" in notes
    assert '1 rows have no group: each is one of its own' in notes


def test_new_samples_are_not_dealt_out(data, tmp_path):
    data.convert().close()
    rows = ['a,s1,0,1,0', 'b,s1,1,0,1', 'c,s2,2,1,1', 'd,s2,3,0,0']
    data.table.write_text('\n'.join(['id,speaker,fold,joy,anger', *rows]))
    store = convert(
        [data.table], tmp_path / 'b.h5', features=data.features, like=data.output
    )
    assert set(store.split) == {'test'}
    assert not any('WARNING' in note for note in store.attrs['notes'])
    data.output.unlink()
    data.refused(r"'fold' of .* may say the split", labels=['joy', 'anger'])


def with_rows(*cells):
    rows = TABLE.splitlines()
    rows[3:5] = [f'{name},{cell}' for name, cell in zip('cd', cells, strict=True)]
    return '\n'.join(rows) + '\n'


def test_rows_of_test_without_labels_are_unknown(data):
    data.table.write_text(TABLE.replace('test,0,1', 'test,,'))
    store = data.convert()
    assert store.ids.tolist() == list('abcd')
    assert store.known.tolist() == [True, True, True, False]
    assert store.labels.tolist() == [[1, 0], [0, 0], [1, 1], [255, 255]]
    assert store.attrs['notes'][-1] == 'labels of 1 samples are unknown: 1 in test'


def test_rows_without_a_split_may_be_unknown(data):
    data.table.write_text(with_rows('v2,valid,1,1', 'v3,,,'))
    assert data.convert().known.tolist() == [True, True, True, False]


def test_new_rows_without_labels_are_unknown(data, tmp_path):
    data.convert()
    data.table.write_text('id,joy,anger\na,1,0\nb,,\nc,,\nd,0,1\n')
    like, data.output = data.output, tmp_path / 'new.h5'
    store = data.convert(like=like)
    assert set(store.split) == {'test'}
    assert store.labels.tolist() == [[1, 0], [255, 255], [255, 255], [0, 1]]


@pytest.mark.parametrize(
    ('table', 'message'),
    [
        (TABLE.replace('test,0,1', 'test,,1'), "'' for 'joy' of sample 'd', line 5"),
        (TABLE.replace('test,0,1', 'test,0,'), 'all of the row are empty'),
        (TABLE.replace('test,0,1', 'test,?,?'), r"'\?' .* all of the row are empty"),
        (TABLE.replace('test,0,1', 'test,NA,'), "'NA' .* all of the row are empty"),
        (TABLE.replace('test,0,1', 'test,255,255'), "got '255'"),
        (TABLE.replace('valid,1,1', 'valid,,'), "'c' are empty .line 4 .*'test'"),
        (TABLE.replace('b,v1,train,0,0', 'b,v1,train,,'), "'b' are empty .line 3"),
        # Whichever split the row would be dealt to.
        ('id,joy,anger\na,,\nb,1,0\nc,0,1\nd,1,1\n', 'at random .*line 2'),
        ('id,joy,anger\na,1,0\nb,,\nc,0,1\nd,1,1\n', 'at random .*line 3'),
        ('id,joy,anger\na,1,0\nb,0,1\nc,,\nd,1,1\n', 'at random .*line 4'),
        ('id,joy,anger\na,1,0\nb,0,1\nc,1,1\nd,,\n', 'at random .*line 5'),
        ('id,split,joy,anger\na,,1,0\nb,,,\nc,,0,1\nd,,1,1\n', 'at random .*line 3'),
    ],
)
def test_rows_that_have_to_have_labels(data, table, message):
    data.table.write_text(table)
    data.refused(message)
