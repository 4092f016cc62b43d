from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.own import arff as own_arff
from hetero_mmer.datasets.own.arff import convert
from hetero_mmer.errors import InputError
from hetero_mmer.models import HHMPN
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, validate
from hetero_mmer.training import train

LABELS = ('joy', 'anger', 'fear')
NUMBERS = tuple(f'x{i}' for i in range(5))
COLOURS = ('red', 'green', 'deep blue')


class Toy:
    """Rows of numbers, a colour, yes or no, and labels; written in many ways."""

    def __init__(self, num_rows=40, seed=0):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(num_rows, 5)).round(3)
        self.x[rng.random(self.x.shape) < 0.3] = 0
        self.colour = rng.integers(0, 3, num_rows)
        self.live = rng.integers(0, 2, num_rows)
        self.y = rng.integers(0, 2, (num_rows, 3))

    def cells(self, i):
        numbers = dict(zip(NUMBERS, map(str, self.x[i]), strict=True))
        labels = dict(zip(LABELS, map(str, self.y[i]), strict=True))
        colour = {'colour': f"'{COLOURS[self.colour[i]]}'"}
        return {**numbers, **colour, 'live': ('no', 'yes')[self.live[i]], **labels}

    def expected(self):
        """One column a number, three of colours, one of live."""
        return np.column_stack([self.x, np.eye(3)[self.colour], self.live])

    def write(
        self,
        path,
        *,
        order=(*NUMBERS, 'colour', 'live', *LABELS),
        colours=COLOURS,
        relation='toy',
        label='{0,1}',
        sparse=False,
        change=lambda i, cells: cells,
    ):
        kinds = {
            **dict.fromkeys(NUMBERS, 'numeric'),
            'colour': '{' + ','.join(f"'{c}'" for c in colours) + '}',
            'live': '{no,yes}',
            'title': 'string',
            'id': 'numeric',
            **dict.fromkeys(LABELS, label),
        }
        lines = [
            f"@relation '{relation}'",
            *(f'@attribute {n} {kinds[n]}' for n in order),
        ]
        absent = {n: kinds[n].strip('{}').split(',')[0] for n in order}
        absent |= dict.fromkeys(NUMBERS, '0.0')
        lines.append('@data')
        for i in range(len(self.x)):
            cells = change(i, self.cells(i))
            if sparse:
                pairs = [
                    f'{j} {cells[n]}'
                    for j, n in enumerate(order)
                    if cells[n] != absent[n]
                ]
                lines.append('{' + ', '.join(pairs) + '}')
            else:
                lines.append(','.join(cells[n] for n in order))
        path.write_text('\n'.join([*lines, '']))
        return path


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'toy.arff'


def features(store, modality='features'):
    return store.read(modality, 0, len(store))


def check(store, toy):
    np.testing.assert_array_equal(features(store), toy.expected().astype(np.float32))
    np.testing.assert_array_equal(store.labels, toy.y)
    assert store.label_names == LABELS


def notes(store):
    return '\n'.join(store.attrs['notes'])


@pytest.fixture
def refused(tmp_path):
    def refused(message, sources, **options):
        output = tmp_path / 'refused.h5'
        with pytest.raises(InputError, match=message) as error:
            convert(sources, output, **options)
        assert '\n' not in str(error.value)
        assert not list(tmp_path.glob('*refused*'))

    return refused


@pytest.mark.parametrize('label', ['{0,1}', '{1,0}', "{'0','1'}", 'numeric'])
@pytest.mark.parametrize('sparse', [False, True])
def test_the_store_of_a_file(toy, path, tmp_path, label, sparse):
    toy.write(path, label=label, sparse=sparse)
    store = convert([path], tmp_path / 'a.h5', labels=-3)
    check(store, toy)
    assert store.columns['features'] == (
        *NUMBERS, 'colour=red', 'colour=green', 'colour=deep blue', 'live',
    )  # fmt: skip
    assert store.kinds == {'features': 'set'}
    assert store.ids.tolist() == [f'row-{i}' for i in range(40)]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.raw_sha256 == {'toy.arff': sha256}
    assert {f.level for f in validate(store)} <= {'info'}
    is_trap = sparse and label == '{1,0}'
    assert ('the first value of 3 labels' in notes(store)) == is_trap


@pytest.mark.parametrize(
    ('no', 'yes'), [('no', 'yes'), ('FALSE', 'TRUE'), ('n', 'Y'), ('0.0', '1.0')]
)
@pytest.mark.parametrize('yes_first', [False, True])
def test_words_for_no_and_yes(toy, path, tmp_path, no, yes, yes_first):
    listed = [yes, no] if yes_first else [no, yes]
    words = {str(i): word for i, word in enumerate((no, yes))}
    change = lambda i, cells: {**cells, **{n: words[cells[n]] for n in LABELS}}  # noqa: E731
    toy.write(path, label=f'{{{",".join(listed)}}}', change=change)
    check(convert([path], tmp_path / 'a.h5', labels=-3), toy)


XML = """\
<?xml version="1.0" encoding="{encoding}"?>
<labels xmlns="http://mulan.sourceforge.net/labels">
  <label name="joy"><label name="anger"></label></label>
  <label name="fear"/>
</labels>
"""


def with_xml(tmp_path, name='labels.xml', encoding='utf-8'):
    (tmp_path / name).write_bytes(XML.format(encoding=encoding).encode(encoding))
    return str(tmp_path / name)


LABELS_FIRST = (*LABELS, *NUMBERS, 'colour', 'live')


@pytest.mark.parametrize(
    ('labels', 'options'),
    [
        (-3, {}),
        (3, {'order': LABELS_FIRST}),
        (list(LABELS), {'order': tuple(reversed(LABELS_FIRST))}),
        ('labels.xml', {}),
        ('labels.xml', {'order': ('joy', *NUMBERS, 'anger', 'colour', 'fear', 'live')}),
        (None, {'relation': 'toy: -C -3'}),
        (None, {'relation': 'toy: -C 3 -split-number 20', 'order': LABELS_FIRST}),
        (None, {'relation': 'toy: -c 3', 'order': LABELS_FIRST}),
    ],
)
def test_ways_to_say_which_are_labels(toy, path, tmp_path, labels, options):
    if labels == 'labels.xml':
        labels = with_xml(tmp_path)
    store = convert([toy.write(path, **options)], tmp_path / 'a.h5', labels=labels)
    assert store.label_names == LABELS
    np.testing.assert_array_equal(store.labels, toy.y)
    for j, name in enumerate(store.columns['features']):
        k = (*NUMBERS, *(f'colour={c}' for c in COLOURS), 'live').index(name)
        np.testing.assert_array_equal(
            features(store)[:, j], toy.expected()[:, k].astype(np.float32)
        )
    assert ('in the relation counts' in notes(store)) == (labels is None)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'latin-1'])
def test_labels_of_a_file_beside(toy, path, tmp_path, encoding):
    with_xml(tmp_path, 'toy.xml', encoding)
    store = convert([toy.write(path)], tmp_path / 'a.h5')
    check(store, toy)
    assert f"labels are those of '{tmp_path / 'toy.xml'}'" in notes(store)
    assert set(store.raw_sha256) == {'toy.arff', 'toy.xml'}


def test_labels_that_are_not_named_are_told(toy, path, tmp_path):
    def told(**options):
        store = convert([path], tmp_path / 'a.h5', **options)
        return re.search('beside the labels .* values: (.*); if', notes(store))

    toy.write(path)
    assert told(labels=['fear'])[1] == 'joy, anger'
    assert told(labels=['joy', 'fear'])[1] == 'anger'
    assert told(labels=list(LABELS)) is None
    assert told(labels=['fear'], ignore=['joy', 'anger']) is None
    assert told(labels=-1) is None


def test_labels_are_in_the_order_that_is_given(toy, path, tmp_path):
    names = ['fear', 'joy']
    store = convert(
        [toy.write(path)], tmp_path / 'a.h5', labels=names, ignore=['anger']
    )
    assert store.label_names == ('fear', 'joy')
    np.testing.assert_array_equal(store.labels, toy.y[:, [2, 0]])
    assert 'attributes that are not used: anger' in notes(store)


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (None, r'nothing says which attributes .*labels\.xml.*`labels=-6`'),
        (0, r'from 1 to 9, or negative .*got 0'),
        (10, 'got 10'),
        (-10, 'got -10'),
        (4, r"labels are 0 or 1 \(got -?\d.* for 'x[0-3]' in line 1\d of"),
        (-5, r"'colour' of .* is {red, green, deep blue}"),
        ('joi', r"no attribute 'joi', .*did you mean 'joy'"),
        (['joy', 'joy'], 'all different'),
        (['x0'], r"labels are 0 or 1 \(got -?\d.* for 'x0' in line \d+ of"),
        ('none.xml', 'cannot read'),
    ],
)
def test_wrong_labels(toy, path, refused, labels, message):
    refused(message, [toy.write(path)], labels=labels)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'not an XML file of labels'),
        ('<labels>', 'not an XML file of labels'),
        ('<labels/>', r'has a <label name=\.\.\.> for each'),
        ('<labels><label/></labels>', 'no name'),
        ('<labels><label name="joy"/><label name="joy"/></labels>', 'all different'),
        ('<labels><label name="jou"/></labels>', r"no attribute 'jou'.*joy'"),
        ('<?xml version="1.0" encoding="x-none"?><labels/>', 'not an XML file'),
        ('<!DOCTYPE a [<!ENTITY b "joy">]><labels><label name="&b;"/></labels>',
         'document type'),
    ],
)  # fmt: skip
def test_wrong_files_of_labels(toy, path, tmp_path, refused, text, message):
    (tmp_path / 'wrong.xml').write_text(text)
    refused(message, [toy.write(path)], labels=str(tmp_path / 'wrong.xml'))


def test_all_attributes_are_no_labels(path, refused):
    path.write_text('@attribute a {0,1}\n@data\n1\n')
    refused("all 1 of '.*' are labels", [path], labels=['a'])
    path.write_text('@attribute a {0,1}\n@attribute b string\n@data\n1,x\n')
    refused("'features' has no feature", [path], labels=['a'])


def test_modalities(toy, path, tmp_path):
    chosen = {'even': ['x[02]', 'x4'], 'odd': ['x3', 'x1'], 'other': ['l*', 'colour']}
    toy.write(path)
    store = convert([path], tmp_path / 'a.h5', labels=-3, features=chosen)
    assert store.modalities == ('even', 'odd', 'other')
    expected = toy.expected().astype(np.float32)
    np.testing.assert_array_equal(features(store, 'even'), expected[:, [0, 2, 4]])
    np.testing.assert_array_equal(features(store, 'odd'), expected[:, [1, 3]])
    np.testing.assert_array_equal(features(store, 'other'), expected[:, 5:])
    chosen = {'first': 'x0..x2', 'all': 'x3..fear'}
    store = convert([path], tmp_path / 'b.h5', labels=-3, features=chosen)
    np.testing.assert_array_equal(features(store, 'first'), expected[:, :3])
    np.testing.assert_array_equal(features(store, 'all'), expected[:, 3:])
    store = convert([path], tmp_path / 'c.h5', labels=-3, features={'one': 'x1'})
    assert 'not used: x0, x2, x3, x4, colour, ... (6 in all)' in notes(store)


@pytest.mark.parametrize(
    ('chosen', 'message'),
    [
        ({'a': 'y*'}, "`features=`: .* has no attribute 'y*'"),
        ({'a': 'X0'}, "did you mean 'x0'"),
        ({'a': 'x3..x1'}, "'x1' comes before 'x3'"),
        ({'a': 'joy'}, "'a' has no feature"),
        ({'a': 'x*', 'b': 'x1'}, "belongs to one modality, but 'x1' to 'a' and 'b'"),
        ({'modality': 'x*'}, 'reserved'),
    ],
)
def test_wrong_modalities(toy, path, refused, chosen, message):
    message = message.replace('y*', r'y\*')
    refused(message, [toy.write(path)], labels=-3, features=chosen)


def test_ids_and_text(toy, path, tmp_path, refused):
    def named(i, cells):
        return {**cells, 'title': f"'song, {i}'", 'id': f'{i:03}'}

    order = ('title', *NUMBERS, 'id', 'colour', 'live', *LABELS)
    toy.write(path, order=order, change=named)
    store = convert([path], tmp_path / 'a.h5', labels=-3)
    check(store, toy)
    assert store.ids[7] == '007'
    assert "the attribute 'id' is taken as the samples' ids" in notes(store)
    assert 'not used: title' in notes(store)
    store = convert([path], tmp_path / 'b.h5', labels=-3, ids='title')
    assert store.ids[7] == 'song, 7'
    store = convert([path], tmp_path / 'c.h5', labels=-3, ignore=['id'])
    check(store, toy)
    assert store.ids[7] == 'row-7'
    refused("no attribute 'titel'", [path], labels=-3, ids='titel')
    refused("'joy' is a label", [path], labels=-3, ids='joy')
    refused("has no attribute 'idd'", [path], labels=-3, ignore=['idd'])
    refused(r"ids are unique \(got 'yes' twice\)|got 'no' twice", [path], labels=-3,
            ids='live')  # fmt: skip
    toy.write(path, order=order, change=lambda i, c: {**named(i, c), 'title': '?'})
    refused("'title' is empty or unknown in line", [path], labels=-3, ids='title')


def test_one_file_is_dealt_out(path, tmp_path):
    toy = Toy(200)
    store = convert([toy.write(path)], tmp_path / 'a.h5', labels=-3)
    assert Counter(store.split) == {'train': 140, 'valid': 20, 'test': 40}
    overall = toy.y.mean(axis=0)
    for split in ('train', 'valid', 'test'):
        share = toy.y[store.rows(split)].mean(axis=0)
        np.testing.assert_allclose(share, overall, atol=0.05)
    again = convert([path], tmp_path / 'b.h5', labels=-3)
    assert again.split.tolist() == store.split.tolist()
    other = convert([path], tmp_path / 'c.h5', labels=-3, seed=1)
    assert other.split.tolist() != store.split.tolist()
    assert 'dealt out evenly in each label, with seed 1' in notes(other)


@pytest.mark.parametrize(
    ('option', 'count'),
    [('-split-number 24', 24), ('-split-percentage 66', 26), ('-split-number 999', 40)],
)
def test_meka_says_what_is_train(toy, path, tmp_path, option, count):
    toy.write(path, relation=f'toy: -C -3 {option}')
    store = convert([path], tmp_path / 'a.h5')
    assert set(store.split[:count]) == {'train', 'valid'}
    assert set(store.split[count:]) <= {'test'}
    assert len(store.rows('valid')) == round(count / 8)
    assert f'as {option} in the relation says' in notes(store)


@pytest.mark.parametrize(
    'names',
    [
        ('toy-train.arff', 'toy-test.arff'),
        ('Toy_TRAIN.arff', 'Toy_Test.arff'),
        ('tr.arff', 'te.arff'),
        ('emotions-fold1-training.arff', 'emotions-fold1-testing.arff'),
    ],
)
def test_a_file_for_each_split(tmp_path, names):
    one, two = Toy(40, seed=1), Toy(10, seed=2)
    with_xml(tmp_path)
    one.write(tmp_path / names[0])
    # Another order of values, and another way to write rows.
    two.write(tmp_path / names[1], colours=COLOURS[::-1], sparse=True)
    files = [tmp_path / name for name in names]
    labels = str(tmp_path / 'labels.xml')
    store = convert(files, tmp_path / 'a.h5', labels=labels)
    expected = np.concatenate([one.expected(), two.expected()]).astype(np.float32)
    np.testing.assert_array_equal(features(store), expected)
    np.testing.assert_array_equal(store.labels, np.concatenate([one.y, two.y]))
    assert Counter(store.split[:40]) == {'train': 35, 'valid': 5}
    assert set(store.split[40:]) == {'test'}
    assert (store.ids[3], store.ids[43]) == ('train-3', 'test-3')
    assert 'an eighth of train was dealt out' in notes(store)


def test_a_file_of_valid_is_left_as_it_is(tmp_path):
    files = [
        Toy(9, seed).write(tmp_path / f'toy-{part}.arff')
        for seed, part in enumerate(('test', 'dev', 'train'))
    ]
    store = convert(files, tmp_path / 'a.h5', labels=-3)
    assert store.split.tolist() == ['test'] * 9 + ['valid'] * 9 + ['train'] * 9


def test_files_that_do_not_belong_together(toy, tmp_path, refused):
    train = toy.write(tmp_path / 'train.arff')
    test = tmp_path / 'test.arff'
    for text, other, message in (
        ('x3 numeric', 'x3 string', r"number 4 is 'x3' numeric in .* and 'x3' string"),
        ('x3 numeric', 'x9 numeric', "'x3' numeric in .* and 'x9' numeric"),
        ("'red'", "'rot'", r"number 6 is 'colour' {red, green, deep blue} in"),
        ('@attribute fear {0,1}\n', '', "number 10 is 'fear' {0, 1} in .* and none in"),
    ):
        test.write_text(train.read_text().replace(text, other))
        refused(message, [train, test], labels=['joy'])
    other = toy.write(tmp_path / 'more.arff')
    refused(
        'each of several files has its split in its name', [train, other], labels=-3
    )
    again = toy.write(tmp_path / 'more-train.arff')
    refused("are both 'train'", [train, again], labels=-3)
    refused('there is no file', [train, tmp_path / 'none-test.arff'], labels=-3)
    refused('one ARFF file or more', [], labels=-3)


def test_unknown_features_are_cleaned(toy, path, tmp_path, refused):
    def change(i, cells):
        return {**cells, 'x0': '?', 'colour': '?'} if i == 3 else cells

    toy.write(path, change=change)
    refused(
        r"'features' has 4 that are not.*`clean='zero'`", [path], labels=-3, strict=True
    )
    store = convert([path], tmp_path / 'a.h5', labels=-3)
    expected = toy.expected()
    expected[3, [0, 5, 6, 7]] = 0
    np.testing.assert_array_equal(features(store), expected.astype(np.float32))
    assert store.non_finite['features'] == 4
    store = convert([path], tmp_path / 'b.h5', labels=-3, clean='mean', strict=True)
    rows = [i for i in store.rows('train') if i != 3]
    expected[3, [0, 5, 6, 7]] = expected[rows][:, [0, 5, 6, 7]].mean(axis=0)
    np.testing.assert_allclose(features(store), expected, rtol=1e-5, atol=1e-6)


def test_samples_with_an_unknown_label_are_dropped(toy, path, tmp_path, refused):
    toy.write(path, change=lambda i, c: {**c, 'anger': '?'} if i in (3, 5) else c)
    store = convert([path], tmp_path / 'a.h5', labels=-3)
    kept = [i for i in range(40) if i not in (3, 5)]
    assert store.ids.tolist() == [f'row-{i}' for i in kept]
    np.testing.assert_array_equal(store.labels, toy.y[kept])
    expected = toy.expected()[kept].astype(np.float32)
    np.testing.assert_array_equal(features(store), expected)
    reason = "its label 'anger' is unknown"
    assert store.dropped == [('row-3', reason), ('row-5', reason)]
    refused("no sample is dropped, but 'row-3' is: its label 'anger'", [path],
            labels=-3, strict=True)  # fmt: skip
    toy.write(path, change=lambda i, c: {**c, **dict.fromkeys(LABELS, '?')})
    store = convert([path], tmp_path / 'b.h5', labels=-3)
    assert store.labels is None
    assert set(store.split) == {''}
    assert 'samples have no labels' in notes(store)


def test_weights_are_told(toy, path, tmp_path):
    toy.write(path, change=lambda i, c: {**c, 'fear': f'{c["fear"]},{{2}}'})
    store = convert([path], tmp_path / 'a.h5', labels=-3)
    check(store, toy)
    assert '40 rows have a weight, which is not used' in notes(store)


@pytest.fixture
def model(toy, path, tmp_path):
    """A store that others are like."""
    chosen = {'other': ['live', 'colour'], 'numbers': 'x*'}
    toy.write(path)
    convert([path], tmp_path / 'model.h5', labels=-3, features=chosen, clean='zero')
    return tmp_path / 'model.h5'


def test_new_samples_are_read_by_name(model, tmp_path):
    new = Toy(7, seed=3)
    path = tmp_path / 'new.arff'
    order = ('live', *LABELS, *NUMBERS[::-1], 'colour', 'title')
    new.write(path, order=order, colours=COLOURS[1:] + COLOURS[:1],
              change=lambda i, c: {**c, 'title': 'x'})  # fmt: skip
    store = convert([path], tmp_path / 'new.h5', like=model)
    expected = new.expected().astype(np.float32)
    np.testing.assert_array_equal(features(store, 'numbers'), expected[:, :5])
    np.testing.assert_array_equal(features(store, 'other'), expected[:, 5:])
    np.testing.assert_array_equal(store.labels, new.y)
    assert store.split.tolist() == ['test'] * 7
    assert 'not used: title' in notes(store)
    with Store(model) as other:
        assert store.fitted_sha256 == other.fitted_sha256


def test_new_samples_without_labels(model, tmp_path):
    new = Toy(7, seed=3)
    for order, change in (
        ((*NUMBERS, 'colour', 'live'), lambda i, c: c),
        ((*LABELS_FIRST,), lambda i, c: {**c, **dict.fromkeys(LABELS, '?')}),
    ):
        path = new.write(tmp_path / 'new.arff', order=order, change=change)
        store = convert([path], tmp_path / 'new.h5', like=model)
        assert store.labels is None
        assert store.label_names == LABELS
        assert set(store.split) == {''}
        assert 'samples have no labels' in notes(store)
        expected = new.expected().astype(np.float32)
        np.testing.assert_array_equal(features(store, 'numbers'), expected[:, :5])


def test_files_of_new_samples(model, tmp_path):
    files = [Toy(3, seed).write(tmp_path / f'{seed}.arff') for seed in (1, 2)]
    store = convert(files, tmp_path / 'new.h5', like=model)
    assert store.ids.tolist() == ['1-0', '1-1', '1-2', '2-0', '2-1', '2-2']
    assert set(store.split) == {'test'}


def test_new_samples_of_another_kind(model, tmp_path, refused):
    new = Toy(7, seed=3)
    path = tmp_path / 'new.arff'
    new.write(path, order=(*NUMBERS[1:], 'colour', 'live'))
    refused(r"no attribute for the column 'x0'", [path], like=model)
    new.write(path, colours=(*COLOURS, 'pink'))
    convert([path], tmp_path / 'b.h5', like=model)  # Which no row has.
    new.write(
        path, colours=(*COLOURS, 'pink'), change=lambda i, c: {**c, 'colour': 'pink'}
    )
    refused(r"'pink' of 'colour' has no column \(in line 13", [path], like=model)
    new.colour[:] = 0
    store = convert(
        [new.write(path, colours=COLOURS[:1])], tmp_path / 'c.h5', like=model
    )
    np.testing.assert_array_equal(features(store, 'other')[:, :3], [[1, 0, 0]] * 7)
    new.write(path, order=('joy', *NUMBERS, 'colour', 'live'))
    refused("no attribute 'anger', a name of a label of", [path], like=model)
    new.write(path)
    refused('has the labels', [path], like=model, labels=['anger', 'joy'])
    refused('which has', [path], like=model, features={'numbers': 'x*'})
    other = tmp_path / 'other.h5'
    with StoreWriter(other, {'numbers': ModalitySpec(5, 'set')}, LABELS) as w:
        w.add('a', {'numbers': np.ones((1, 5))}, [0, 1, 0])
    refused('another format', [path], like=other)


def test_a_run_keeps_which_column_is_which(path, tmp_path):
    """It keeps no names of columns but those of the encoder."""
    train_rows = Toy(60)
    train_rows.write(path)
    convert([path], tmp_path / 'a.h5', labels=-3).close()
    train(HHMPN, tmp_path / 'a.h5', tmp_path / 'run', epochs=1)
    new = Toy(5, seed=1)
    new.write(path, order=('live', 'colour', *NUMBERS), colours=COLOURS[::-1])
    store = convert([path], tmp_path / 'new.h5', like=tmp_path / 'run')
    np.testing.assert_array_equal(features(store), new.expected().astype(np.float32))
    words = ['predict', str(tmp_path / 'run'), str(tmp_path / 'new.h5')]
    assert main([*words, '--output', str(tmp_path / 'p.csv')]) == 0
    assert (tmp_path / 'p.csv').read_text().count('row-') == 5


def test_columns_of_one_name(path, refused):
    path.write_text(
        '@attribute a {x,y,z}\n@attribute a=x real\n@attribute b {0,1}\n@data\n'
    )
    refused(r"two would be 'a=x': leave out .*`ignore=\['a=x'\]`", [path], labels=['b'])


def test_no_rows(path, refused):
    path.write_text('@attribute a real\n@attribute b {0,1}\n@data\n% none\n')
    refused('has no rows', [path], labels=['b'])


def test_a_store_that_the_disk_cannot_hold(path, tmp_path, refused, monkeypatch):
    """Each row of a few letters has all its columns in the store."""
    attributes = ''.join(f'@attribute a{i} real\n' for i in range(1000))
    rows = '{0 1}\n{}\n' * 500
    path.write_text(f'{attributes}@data\n{rows}')
    usage = type('Usage', (), {'free': 4 * 999 * 1000 - 1})
    monkeypatch.setattr(own_arff.shutil, 'disk_usage', lambda folder: usage)
    refused('the store needs .* GB left', [path], labels=1)
    usage.free += 1
    store = convert([path], tmp_path / 'a.h5', labels=1)
    assert len(store) == 1000


def test_the_command(toy, path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy.write(path)
    with_xml(tmp_path)
    words = ['data', 'convert', 'arff', 'toy.arff', '--output', 'a.h5']
    for labels in (['--labels', '-3'], ['--labels=-3'], ['--labels', 'labels.xml'],
                   ['--labels', '[joy, anger, fear]']):  # fmt: skip
        assert (
            main([*words, *labels, '--features', '{numbers: x0..x4, live: live}']) == 0
        )
        assert 'a.h5: Store(40 samples, numbers=5, live=1' in capsys.readouterr().out
    assert main([*words, '--labels', 'live']) == 0
    assert "labels=['live']" in capsys.readouterr().out
    assert main(words) == 2
    assert capsys.readouterr().err.count('\n') == 1
    assert main(['data', 'convert', 'arff', '--help']) == 0
    text = re.sub(r'\s+', ' ', capsys.readouterr().out)
    assert "`'[joy, anger]'`" in text
    assert 'Which attributes are features of each modality' in text


def secret(rows, names=LABELS):
    """Cells of rows whose labels nobody tells."""

    def change(i, cells):
        return cells | dict.fromkeys(names, '?') if i in rows else cells

    return change


@pytest.mark.parametrize('hidden', [range(8), [1, 5]])
@pytest.mark.parametrize('way', ['files', 'option'])
def test_rows_of_test_without_labels_are_unknown(tmp_path, hidden, way):
    train, test = Toy(30), Toy(8, seed=1)
    if way == 'files':
        paths = [tmp_path / 'toy-train.arff', tmp_path / 'toy-test.arff']
        train.write(paths[0])
        test.write(paths[1], change=secret(hidden))
    else:
        paths = [tmp_path / 'toy.arff']
        for name in ('x', 'colour', 'live', 'y'):
            both = [getattr(one, name) for one in (train, test)]
            setattr(train, name, np.concatenate(both))
        rows = [30 + i for i in hidden]
        relation = 'toy: -split-number 30'
        train.write(paths[0], relation=relation, change=secret(rows))
    with convert(paths, tmp_path / 'a.h5', labels=-3) as store:
        assert len(store) == 38
        assert not store.dropped
        rows = store.rows('test')
        assert (~store.known[rows]).nonzero()[0].tolist() == list(hidden)
        for i, row in enumerate(rows):
            expected = [255] * 3 if i in hidden else test.y[i].tolist()
            assert store.labels[row].tolist() == expected
        assert store.known[store.split != 'test'].all()


def test_other_rows_without_labels_are_dropped(tmp_path):
    """Of train, or of test with some of the labels, or where rows are dealt out."""
    train, test = tmp_path / 'toy-train.arff', tmp_path / 'toy-test.arff'
    Toy(30).write(train, change=secret([4]))
    Toy(8, seed=1).write(test, change=secret([2], LABELS[1:]))
    with convert([train, test], tmp_path / 'a.h5', labels=-3) as store:
        assert [name for name, _ in store.dropped] == ['train-4', 'test-2']
        assert store.known.all()
    with convert([train], tmp_path / 'b.h5', labels=-3) as store:
        assert [name for name, _ in store.dropped] == ['row-4']
        assert store.known.all()


@pytest.mark.parametrize('names', [LABELS, LABELS[1:]])
def test_new_rows_may_be_without_labels(tmp_path, names):
    Toy(30).write(tmp_path / 'old.arff')
    convert([tmp_path / 'old.arff'], tmp_path / 'a.h5', labels=-3).close()
    new = Toy(8, seed=1)
    new.write(tmp_path / 'new.arff', change=secret([3, 6], names))
    paths = [tmp_path / 'new.arff']
    with convert(paths, tmp_path / 'b.h5', like=tmp_path / 'a.h5') as store:
        assert len(store) == 8
        if names != LABELS:
            assert store.labels is None
            return
        assert set(store.split) == {'test'}
        expected = [
            [255] * 3 if i in (3, 6) else y for i, y in enumerate(new.y.tolist())
        ]
        assert store.labels.tolist() == expected
