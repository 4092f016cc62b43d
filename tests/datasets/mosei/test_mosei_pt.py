from __future__ import annotations

import argparse
import os
import pickle

import numpy as np
import pytest
import torch

from hetero_mmer.cli import main
from hetero_mmer.datasets.mosei.mosei_pt import convert
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store, validate

IDS = {
    '<blank>': 0, '<unk>': 1, '<s>': 2, '</s>': 3,
    'anger': 4, 'disgust': 5, 'fear': 6, 'happy': 7, 'sad': 8, 'surprise': 9,
}  # fmt: skip
WIDTHS = {'text': 300, 'visual': 35, 'audio': 74}
SIZES = {'train': 6, 'valid': 2, 'test': 3}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def fake(ids=IDS, num_rows=60, seed=0):
    """What HHMPN's preprocessing saved, and the samples before their padding."""
    rng = np.random.default_rng(seed)
    options = argparse.Namespace(max_text_seq_len=60, keep_case=False, lr=np.float64(1))
    data = {'settings': options, 'dict': {'src': None, 'tgt': dict(ids)}}
    truth = {}
    emotions = [name for name in ids if not name.startswith('<')]
    for split, size in SIZES.items():
        part = {f'src-{m}': np.zeros((size, num_rows, w), 'f4')
                for m, w in WIDTHS.items()}  # fmt: skip
        part['tgt'] = []
        for i in range(size):
            length = int(rng.integers(2, num_rows + 1))
            sample = {}
            for m, w in WIDTHS.items():
                x = rng.normal(size=(length, w)).astype('f4')
                if m == 'audio':
                    x[0, 5] = -np.inf
                if m == 'visual' and length > 2:
                    x[1] = 0  # An imputed word.
                part[f'src-{m}'][i, num_rows - length :] = x
                sample[m] = x
            names = [n for n in emotions if rng.random() < 0.4] if i else []
            part['tgt'].append([ids['<s>'], *(ids[n] for n in names), ids['</s>']])
            truth[f'{split}-{i:05d}'] = sample, set(names)
        data[split] = part
    return data, truth


@pytest.fixture
def source(tmp_path):
    data, truth = fake()
    torch.save(data, tmp_path / 'train_valid_test.pt')
    return tmp_path / 'train_valid_test.pt', truth


OURS = {'happy': 'happiness', 'sad': 'sadness'}


def assert_holds(store, truth):
    assert store.ids.tolist() == list(truth)
    for i, (sample, names) in enumerate(truth.values()):
        for m, x in sample.items():
            expected = np.where(np.isfinite(x), x, 0)
            np.testing.assert_array_equal(store.read(m, i), expected)
        ours = {n for n, y in zip(store.label_names, store.labels[i], strict=True) if y}
        assert ours == {OURS.get(n, n) for n in names}
        assert store.split[i] == store.ids[i].split('-')[0]


def test_round_trip(source, tmp_path):
    path, truth = source
    store = convert([path], tmp_path / 'a.h5')
    assert_holds(store, truth)
    assert store.label_names == (
        'happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear',
    )  # fmt: skip
    assert store.in_channels == WIDTHS
    assert store.non_finite == {'text': 0, 'visual': 0, 'audio': 11}
    assert store.attrs['settings'] == {
        'max_text_seq_len': 60, 'keep_case': False, 'lr': 1.0,
    }  # fmt: skip
    assert store.attrs['target_ids'] == IDS
    notes = ' | '.join(store.attrs['notes'])
    assert '6 train, 2 valid and 3 test samples, unlike' in notes
    assert 'padded on the left' in notes
    assert 'aligned' in notes
    assert 'no ids' in notes
    assert 'anger, disgust, fear, happy, sad, surprise' in notes
    assert not [f for f in validate(store) if f.level == 'error']


@pytest.mark.parametrize('seed', [1, 2])
def test_any_order_of_labels(tmp_path, seed):
    order = np.random.default_rng(seed).permutation(10)
    ids = {name: int(order[i]) for name, i in IDS.items()}
    data, truth = fake(ids)
    torch.save(data, tmp_path / 'a.pt', _use_new_zipfile_serialization=False)
    assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5'), truth)


def test_tensors_lists_and_other_emotions(tmp_path):
    ids = {'<blank>': 0, '<unk>': 1, '<s>': 2, '</s>': 3, 'calm': 4, 'bored': 5}
    data, truth = fake(ids)
    for split in SIZES:
        for m in WIDTHS:
            data[split][f'src-{m}'] = torch.tensor(data[split][f'src-{m}'])
        data[split]['tgt'] = [torch.tensor(t) for t in data[split]['tgt']]
    data['valid']['src-text'] = list(data['valid']['src-text'].numpy())
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.label_names == ('calm', 'bored')
    assert_holds(store, truth)


def test_padding_on_the_right_and_a_missing_modality(tmp_path):
    data, truth = fake()
    for split in SIZES:
        for m in WIDTHS:
            data[split][f'src-{m}'] = data[split][f'src-{m}'][:, ::-1].copy()
    data['train']['src-audio'][1] = 0
    data['test']['src-text'][2] = data['test']['src-visual'][2] = 0
    data['test']['src-audio'][2] = 0
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.dropped == [('test-00002', 'all of its rows are zero')]
    np.testing.assert_array_equal(
        store.read('text', 1), truth['train-00001'][0]['text'][::-1]
    )
    assert len(store.read('audio', 1)) == 0
    with pytest.raises(InputError, match="'test-00002' is: all of its rows"):
        convert([tmp_path / 'a.pt'], tmp_path / 'b.h5', strict=True, clean='zero')
    assert not (tmp_path / 'b.h5').exists()


def test_strict_refuses_infinite_values(source, tmp_path):
    with pytest.raises(InputError, match="'audio' has 11 that are not"):
        convert([source[0]], tmp_path / 'a.h5', strict=True)


def test_the_command(source, tmp_path, capsys):
    path, truth = source
    out = tmp_path / 'a.h5'
    assert main(['data', 'convert', 'mosei-pt', str(path), '--output', str(out)]) == 0
    assert 'padded on the left' in capsys.readouterr().out
    assert_holds(Store(out), truth)


def without(*keys):
    def change(data):
        *path, last = keys
        for key in path:
            data = data[key]
        del data[last]

    return change


def put(value, *keys):
    def change(data):
        *path, last = keys
        for key in path:
            data = data[key]
        data[last] = value

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without('dict'), r"dict\['tgt'\] which id is which"),
        (put({'<s>': 2}, 'dict', 'tgt'), r"dict\['tgt'\] which id is which"),
        (put({'happy': 1, 'sad': 1}, 'dict', 'tgt'), 'each another one'),
        (put({'happy': 1, 'joy': 2}, 'dict', 'tgt'), 'different names'),
        (put([2, 11, 3], 'valid', 'tgt', 1), "'valid-00001' .* has 11"),
        (put([2, 1, 3], 'valid', 'tgt', 1), "'valid-00001' .* has 1 "),
        (put([[2, 3]], 'train', 'tgt'), r"'tgt' of train .* each of 6 samples \(got"),
        (without('valid', 'tgt'), r'\(got none\)'),
        (without('train', 'src-text'), 'all splits have the same modalities'),
        (put(np.ones((6, 60)), 'train', 'src-text'), r'got shape \[6, 60\]'),
        (put([[[1.0]], [[1.0], [2.0]]], 'train', 'src-text'), 'one padded array'),
        (put(np.ones((6, 60, 3)), 'train', 'src-text'), 'all splits have the same'),
        (put(np.ones((5, 60, 300)), 'train', 'src-text'), r'5 samples \(got 6\)'),
        (put(np.ones((5, 60, 35)), 'train', 'src-visual'), "'visual': 5"),
        (put({'x': 1}, 'train'), r"\(got \['x'\]\)"),
        (put([1], 'train'), 'is a dictionary'),
    ],
)
def test_other_layouts_are_refused(tmp_path, change, message):
    data, _ = fake()
    change(data)
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match=message) as error:
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert '\n' not in str(error.value)
    assert not list(tmp_path.glob('*.h5*'))


@pytest.mark.parametrize('value', [[1, 2], {'a': 1}, 'text', None])
def test_another_object_is_refused(tmp_path, value):
    torch.save(value, tmp_path / 'a.pt')
    with pytest.raises(InputError, match='a dictionary with train, valid, test'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


@pytest.mark.parametrize('legacy', [False, True])
def test_nothing_runs(tmp_path, legacy):
    data, _ = fake()
    data['settings'] = Evil(tmp_path / 'created')
    torch.save(data, tmp_path / 'a.pt', _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r'asks for posix\.system'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    (tmp_path / 'b.pt').write_bytes(pickle.dumps(data))
    with pytest.raises(InputError, match=r'asks for posix\.system|cannot be read'):
        convert([tmp_path / 'b.pt'], tmp_path / 'b.h5')
    assert not (tmp_path / 'created').exists()
    assert not list(tmp_path.glob('*.h5*'))


def test_new_samples_are_like_others(source, tmp_path):
    path, _ = source
    one = convert([path], tmp_path / 'a.h5')
    assert len(convert([path], tmp_path / 'b.h5', like=tmp_path / 'a.h5')) == len(one)
    data, _ = fake({'<s>': 2, '</s>': 3, 'calm': 4, 'tense': 5})
    torch.save(data, tmp_path / 'other.pt')
    with pytest.raises(InputError, match=r"got \['calm', 'tense'\]"):
        convert([tmp_path / 'other.pt'], tmp_path / 'c.h5', like=tmp_path / 'a.h5')


@pytest.mark.parametrize('word', ['val', 'DEV', 'validation'])
def test_other_names_of_splits(tmp_path, word):
    data, truth = fake()
    data[word] = data.pop('valid')
    torch.save(data, tmp_path / 'a.pt')
    assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5'), truth)
    torch.save({**data, 'extra': dict(data['test'])}, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'b.h5')
    assert_holds(store, truth)
    assert any(n.startswith("WARNING: 'extra' of") for n in store.attrs['notes'])


ORDERS = {
    'the SDK': ['happy', 'sad', 'anger', 'surprise', 'disgust', 'fear'],
    'as the file': list(IDS)[4:],
    'turned': list(IDS)[:3:-1],
    'mixed': ['sad', 'fear', 'anger', 'surprise', 'happy', 'disgust'],
}
FORMS = {
    'lists': lambda y: y.tolist(),
    'int64': lambda y: y,
    'bool': lambda y: y.astype(bool),
    'float tensor': lambda y: torch.tensor(y, dtype=torch.float32),
    'list of arrays': lambda y: list(y.astype(np.int8)),
}


def with_vectors(order, first, form):
    """Vectors whose columns are the labels in the order of their ids."""
    ids = {name: i for i, name in enumerate(order, start=first)}
    marks = {'<s>': 2, '</s>': 3} if first > 3 else {}
    data, truth = fake({'<s>': 90, '</s>': 91, **IDS})
    data['dict']['tgt'] = {**marks, **ids}
    for split in SIZES:
        names = [v for key, (_, v) in truth.items() if key.startswith(split)]
        y = np.array([[name in some for name in order] for some in names], np.int64)
        data[split]['tgt'] = FORMS[form](y)
    return data, truth


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('first', [0, 1, 4])
@pytest.mark.parametrize('order', ORDERS.values(), ids=ORDERS)
def test_targets_may_be_vectors(order, first, form, tmp_path):
    data, truth = with_vectors(order, first, form)
    torch.save(data, tmp_path / 'a.pt')
    is_ours = order == ORDERS['the SDK']
    if not is_ours:
        with pytest.raises(InputError, match='say it with `vector_order=`'):
            convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    for chosen in (order, [OURS.get(name, name) for name in order]):
        store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5', vector_order=chosen)
        assert_holds(store, truth)
    if is_ours:
        assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5'), truth)
    note = f'targets are vectors of zeros and ones: {", ".join(order)}'
    assert note in store.attrs['notes']


def test_vectors_may_have_another_order_than_the_ids(tmp_path):
    data, truth = with_vectors(ORDERS['the SDK'], 4, 'lists')
    names = ORDERS['turned']
    data['dict']['tgt'] = {name: i for i, name in enumerate(names, start=4)}
    torch.save(data, tmp_path / 'a.pt')
    words = ['data', 'convert', 'mosei-pt', str(tmp_path / 'a.pt'), '--output']
    words = [*words, str(tmp_path / 'a.h5')]
    assert main(words) == 2
    order = f'[{",".join(ORDERS["the SDK"])}]'
    assert main([*words, '--vector_order', order]) == 0
    assert_holds(Store(tmp_path / 'a.h5'), truth)


@pytest.mark.parametrize(
    'order', [['happy'], [*ORDERS['mixed'][:5], 'joy'], [*ORDERS['mixed'], 'calm']]
)
def test_an_order_has_each_label_once(order, tmp_path):
    data, _ = with_vectors(ORDERS['mixed'], 4, 'lists')
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match="'vector_order' has each label"):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5', vector_order=order)
    data, _ = fake()
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match='lists of ids'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5', vector_order=list(IDS)[4:])


def test_a_list_may_name_a_label_twice(tmp_path):
    data, truth = fake()
    for split in SIZES:
        data[split]['tgt'] = [[*t, *t] for t in data[split]['tgt']]
    torch.save(data, tmp_path / 'a.pt')
    assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5'), truth)


def test_lists_of_ids_may_be_padded_and_from_zero(tmp_path):
    data, truth = fake()
    for split in SIZES:  # Six entries, as a vector would have, or more.
        rows = [[*t, *[0] * (9 - len(t))] for t in data[split]['tgt']]
        data[split]['tgt'] = np.array(rows)
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert_holds(store, truth)
    assert not any('vectors' in n for n in store.attrs['notes'])
    zero = {name: i for i, name in enumerate(list(IDS)[4:])}
    for split in SIZES:
        names = [v for key, (_, v) in truth.items() if key.startswith(split)]
        data[split]['tgt'] = [[zero[n] for n in sorted(some)] for some in names]
    data['dict']['tgt'] = zero
    torch.save(data, tmp_path / 'b.pt')
    assert_holds(convert([tmp_path / 'b.pt'], tmp_path / 'b.h5'), truth)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ([0, 1, 0, 0, 2, 0], "zeros and ones, as most are, but that of 'valid-00001'"),
        ([0, 1, 0, 0, 0.5, 0], "'valid-00001'"),
        ([0, 1, 0, 0, float('nan'), 0], "'valid-00001'"),
        ([0, 1, 0], "'valid-00001'"),
    ],
)
def test_vectors_of_other_values_are_refused(change, message, tmp_path):
    data, _ = with_vectors(ORDERS['mixed'], 4, 'lists')
    data['valid']['tgt'][1] = change
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match=message):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


def test_ids_are_whole_numbers(tmp_path):
    data, _ = fake()
    data['test']['tgt'][2] = [2, 4.5, 3]
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match=r"'test-00002' .* has 4\.5"):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


def test_targets_that_may_be_both_are_refused(tmp_path):
    data, _ = fake({'<s>': 8, '</s>': 9, 'calm': 4, 'tense': 5})
    data['dict']['tgt'] = {'calm': 0, 'tense': 1}
    for split, size in SIZES.items():
        data[split]['tgt'] = [[i % 2, 1 - i % 2] for i in range(size)]
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match='say different labels'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    data['test']['tgt'][0] = [1, 1]  # No list names a label twice.
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.labels[:2].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize('first', [0, 4])
def test_vectors_may_be_rows_of_objects(first, tmp_path):
    data, truth = with_vectors(ORDERS['mixed'], first, 'int64')
    for split in SIZES:
        data[split]['tgt'] = data[split]['tgt'].astype(object)
    torch.save(data, tmp_path / 'a.pt')
    order = {'vector_order': ORDERS['mixed']}
    assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5', **order), truth)


@pytest.mark.parametrize(
    ('target', 'message'),
    [
        ([2, [4, 5], 3], "one list of numbers, but that of 'test-00001'"),
        ({7: 1}, "one list of numbers, but that of 'test-00001'"),
        (None, "one list of numbers, but that of 'test-00001'"),
        ([True, False], "'test-00001'"),
    ],
)
def test_lists_of_something_else_are_refused(target, message, tmp_path):
    data, _ = fake()
    data['test']['tgt'][1] = target
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match=message):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert not (tmp_path / 'a.h5').exists()


@pytest.mark.parametrize('value', [7.5, float('inf'), float('nan'), True])
def test_ids_of_labels_are_whole_numbers(value, tmp_path):
    data, _ = fake()
    del data['dict']['tgt']['<unk>']  # Its id is True, too.
    data['dict']['tgt']['happy'] = value
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match='which id is which label'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


def tiny(ids, targets):
    """Two or three labels, so that lists of ids may look like vectors."""
    data, _ = fake({'<s>': 8, '</s>': 9, 'calm': 4, 'tense': 5})
    data['dict']['tgt'] = ids
    for split, size in SIZES.items():
        data[split]['tgt'] = [targets[i % len(targets)] for i in range(size)]
    return data


def test_both_ways_that_say_the_same_are_taken(tmp_path):
    data = tiny({'<blank>': 0, 'calm': 1, 'tense': 2}, [[1, 0], [0, 0]])
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.labels[:2].tolist() == [[1, 0], [0, 0]]


def test_marks_may_be_repeated_and_decide_nothing(tmp_path):
    ids = {'<blank>': 0, 'calm': 1, 'tense': 2, 'dull': 3}
    torch.save(tiny(ids, [[0, 0, 1], [0, 1, 0]]), tmp_path / 'a.pt')
    with pytest.raises(InputError, match='say different labels'):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


def test_booleans_are_no_ids(tmp_path):
    ids = {'calm': 0, 'tense': 1}
    torch.save(tiny(ids, [[False, True], [True, False]]), tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.labels[:2].tolist() == [[0, 1], [1, 0]]


def test_vectors_are_seen_where_marks_are_zero_and_one(tmp_path):
    ids = {'<s>': 0, '</s>': 1, 'calm': 2, 'tense': 3}
    torch.save(tiny(ids, [[0, 1], [1, 1]]), tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert store.labels[:2].tolist() == [[0, 1], [1, 1]]


def test_lists_beside_the_splits_are_no_splits(tmp_path):
    data, truth = fake()
    data |= {'train_ids': ['a'], 'test_list': [1], 'valid_dataset': None}
    torch.save(data, tmp_path / 'a.pt')
    assert_holds(convert([tmp_path / 'a.pt'], tmp_path / 'a.h5'), truth)
    data['dev'] = dict(data['valid'])
    torch.save(data, tmp_path / 'a.pt')
    with pytest.raises(InputError, match="'valid' and 'dev' both stand for 'valid'"):
        convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')


@pytest.mark.parametrize('nothing', ['absent', None, [None] * 3, [[np.nan] * 6] * 3])
def test_a_test_split_without_targets_is_unknown(tmp_path, nothing):
    data, truth = fake()
    data['test']['tgt'] = nothing
    if nothing == 'absent':
        del data['test']['tgt']
    torch.save(data, tmp_path / 'a.pt')
    store = convert([tmp_path / 'a.pt'], tmp_path / 'a.h5')
    assert set(store.ids) == set(truth)
    for sample_id, y in zip(store.ids.tolist(), store.labels, strict=True):
        names = {OURS.get(name, name) for name in truth[sample_id][1]}
        expected = [int(name in names) for name in store.label_names]
        is_test = sample_id.startswith('test')
        assert y.tolist() == ([255] * 6 if is_test else expected)
    del data['train'], data['valid']  # As new samples for a model.
    torch.save(data, tmp_path / 'b.pt')
    for above in (None, 0):
        new = convert(
            [tmp_path / 'b.pt'],
            tmp_path / 'b.h5',
            like=tmp_path / 'a.h5',
            positive_above=above,
        )
        assert len(new) == SIZES['test']
        assert not new.known.any()
