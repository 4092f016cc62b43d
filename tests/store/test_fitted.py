from __future__ import annotations

import hashlib
import json
import shutil

import h5py
import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.store import (
    ModalitySpec,
    Store,
    StoreWriter,
    describe,
    read_like,
    validate,
)
from hetero_mmer.store.fitted import read_encoders, write_encoders

SPECS = {
    'text': ModalitySpec(3, columns=('a', 'b', 'c')),
    'audio': ModalitySpec(2, 'set'),
    'words': ModalitySpec(1, num_embeddings=9),
}
LABELS = ['joy', 'anger']
FITTED = {
    'text': Fitted(
        'toy-1',
        ('Zoë', '日本', 'a\0b'),
        {
            'mean': np.array([0.5, -0.0, np.nan]),
            'half': np.arange(6, dtype=np.float16).reshape(2, 3),
            'none': np.zeros((0, 4), np.int32),
        },
    ),
    'audio': Fitted('named', ('a/b',)),
}
FEATURES = {'text': np.ones((2, 3)), 'audio': [[1, 2]], 'words': [3, 4]}


def write(path, specs=SPECS, labels=LABELS, features=FEATURES, **options):
    options = {'fitted': FITTED, **options}
    with StoreWriter(path, specs, labels, labelled=False, **options) as writer:
        writer.add('s', {m: features[m] for m in specs})
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / 'a.h5')


def test_the_hash_by_hand():
    array = np.array([[1, 2], [3, -4]], np.int16)
    head = '["tool-2", ["\\u00e9"], [["b", "<i2", [2, 2]], ["c", "<f8", [1]]]]'
    raw = b'\1\0\2\0\3\0\xfc\xff' + b'\0\0\0\0\0\0\xf8\x3f'
    expected = hashlib.sha256(head.encode() + raw).hexdigest()
    one = np.array([1.5])
    orders = ({'b': array, 'c': one}, {'c': one, 'b': array})
    others = ({'b': np.asfortranarray(array), 'c': one.astype('>f8')},)
    for arrays in (*orders, *others):
        assert Fitted('tool-2', ('é',), arrays).sha256 == expected


def test_anything_else_has_another_hash():
    array = np.array([1.0, 2.0])
    different = [
        Fitted('a', ('b',), {'c': array}),
        Fitted('b', ('a',), {'c': array}),
        Fitted('a', ('b', ''), {'c': array}),
        Fitted('a', ('b',), {'d': array}),
        Fitted('a', ('b',), {'c': array[::-1]}),
        Fitted('a', ('b',), {'c': array.reshape(1, 2)}),
        Fitted('a', ('b',), {'c': array.astype(np.float32)}),
        Fitted('a', ('b',)),
    ]
    assert len({one.sha256 for one in different}) == len(different)


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for modality, one in ours.items():
        other = theirs[modality]
        assert (one.encoder, one.names) == (other.encoder, other.names)
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            assert array.dtype == other.arrays[name].dtype
            np.testing.assert_array_equal(array, other.arrays[name])


def test_a_store_keeps_what_was_learned(path, tmp_path):
    with Store(path) as store:
        same(store.fitted, FITTED)
        assert store.fitted_sha256 == {m: one.sha256 for m, one in FITTED.items()}
    assert write(tmp_path / 'b.h5').read_bytes() == path.read_bytes()
    shorts = {m: row.fitted for m, row in describe(path).modalities.items()}
    assert shorts['words'] is None
    assert all(FITTED[m].sha256.startswith(shorts[m]) for m in FITTED)


def test_a_file_of_encoders_alone(tmp_path):
    fill = {'text': np.array([1.0, 2.5])}
    for name in ('a', 'b'):
        write_encoders(tmp_path / name, FITTED, fill)
    fitted, again = read_encoders(tmp_path / 'a')
    same(fitted, FITTED)
    assert again['text'].tolist() == [1, 2.5]
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_a_store_without_any(tmp_path):
    path = write(tmp_path / 'a.h5', fitted=None)
    with h5py.File(path) as file:
        assert 'fitted' not in file
    with Store(path) as store:
        assert (store.fitted, store.fitted_sha256) == ({}, {})
    like = read_like(path)
    with pytest.raises(InputError, match=r"'text' \(it has \[\]\).*version 0\.1"):
        like.encoder('text')


def change_array(group):
    group['arrays/mean'][0] = 3


def change_name(group):
    about = json.loads(group['about'][()])
    del group['about']
    group['about'] = json.dumps({**about, 'names': ['another']})


def remove_arrays(group):
    del group['arrays']


def add_group_for_an_array(group):
    group.create_group('arrays/more')


@pytest.mark.parametrize(
    'damage', [change_array, change_name, remove_arrays, add_group_for_an_array]
)
def test_a_damaged_encoder_is_refused_when_it_is_used(damage, path, tmp_path):
    with h5py.File(path, 'r+') as file:
        damage(file['fitted/text'])
    with Store(path) as store:
        assert store.read('text', 0).shape == (2, 3)  # Features are what they were.
        with pytest.raises(InputError, match=r"'.*a\.h5'.*'text' is damaged"):
            _ = store.fitted
    with pytest.raises(InputError, match=r"'text' is damaged"):
        read_like(path)
    assert [f.level for f in validate(path) if 'damaged' in f.sentence] == ['error']


@pytest.mark.parametrize('about', ['[]', '{', '{"encoder": "a"}', 'null'])
def test_a_store_whose_encoder_has_no_hash(about, path):
    with h5py.File(path, 'r+') as file:
        del file['fitted/text/about']
        file['fitted/text/about'] = about
    with pytest.raises(InputError, match=r'a part is (damaged|missing)'):
        Store(path)


def test_an_encoder_of_no_modality(path):
    with h5py.File(path, 'r+') as file:
        file.move('fitted/text', 'fitted/smell')
    with pytest.raises(InputError, match="encoder of 'smell'"):
        Store(path)


def test_files_that_are_no_encoders(path, tmp_path):
    other = tmp_path / 'text'
    other.write_text('hello')
    for file in (path, other, tmp_path / 'none'):
        with pytest.raises(InputError, match='cannot read the encoders') as error:
            read_encoders(file)
        assert str(file) in str(error.value)


def with_spec(modality, **change):
    spec = {**vars(SPECS[modality]), **change}
    return {'specs': {**SPECS, modality: ModalitySpec(**spec)}}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'specs': {m: SPECS[m] for m in ('text', 'words')}}, r"'audio' .got only \["),
        ({'specs': {**SPECS, 'new': ModalitySpec(1)}}, "got 'new'"),
        (
            with_spec('text', channels=4, columns=()),
            r"width 3 for 'text' \(got 4\)",
        ),
        (with_spec('audio', kind='sequence'), r"kind set for 'audio' \(got sequence"),
        (with_spec('words', num_embeddings=10), r"y 9 for 'words' \(got 10\)"),
        (with_spec('text', columns=('a', 'c', 'b')), r"columns \['a', 'b', 'c'\]"),
        ({'labels': ['anger', 'joy']}, r"labels \['joy', 'anger'\]"),
        ({'labels': ['joy']}, r"got \['joy'\]"),
        ({'fitted': {'text': FITTED['text']}}, "'audio' by the encoder named .*none"),
        (
            {'fitted': {**FITTED, 'audio': Fitted('named', ('a/c',))}},
            f'named {FITTED["audio"].sha256[:12]} .got named [0-9a-f]{{12}}',
        ),
        ({'clean': 'mean'}, r"cleaned by 'zero' \(got 'mean'\)"),
    ],
)
def test_what_is_not_like_a_store_is_refused(change, message, path, tmp_path):
    output = tmp_path / 'b.h5'
    with pytest.raises(InputError, match=message) as error:
        write(output, like=read_like(path), **change)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)
    assert not output.exists()


def test_what_is_like_a_store(path, tmp_path):
    order = {m: SPECS[m] for m in reversed(SPECS)}
    order['text'] = ModalitySpec(3)  # Whose columns are not known.
    output = write(tmp_path / 'b.h5', order, like=read_like(path), clean='zero')
    with Store(output) as store:
        assert str(path) in store.attrs['notes'][0]
        assert FITTED['text'].sha256[:12] in store.attrs['notes'][0]
        same(store.fitted, FITTED)


def test_a_store_is_not_replaced_by_what_is_like_it(path, tmp_path):
    before = path.read_bytes()
    (tmp_path / 'link.h5').symlink_to(path)
    for output in (path, tmp_path / 'x' / '..' / 'a.h5', tmp_path / 'link.h5'):
        (tmp_path / 'x').mkdir(exist_ok=True)
        with pytest.raises(InputError, match='the store to write is another'):
            write(output, like=read_like(path))
    assert path.read_bytes() == before


def test_like_nothing_or_something_else(tmp_path):
    assert read_like(None) is None
    with pytest.raises(InputError, match=r"'like' is a store .*does not exist"):
        read_like(tmp_path / 'none')
    with pytest.raises(InputError, match=r'has no model\.json'):
        read_like(tmp_path)
    (tmp_path / 'model.json').write_text('{"format_version": 1, "modalities": []}')
    with pytest.raises(InputError, match=r"no 'model' in '.*model\.json'"):
        read_like(tmp_path)


NAN = np.nan


def cells(path, rows, like=None, clean='mean'):
    specs = {'audio': ModalitySpec(2)}
    options = {'clean': clean, 'like': read_like(like), 'labelled': False}
    with StoreWriter(path, specs, LABELS, **options) as writer:
        for i, row in enumerate(rows):
            writer.add(str(i), {'audio': [row]}, split='train')
    with Store(path) as store:
        return store.read('audio', 0, len(rows))


def test_the_mean_that_cleans_is_kept_with_the_store(tmp_path):
    one, two, three = (tmp_path / f'{i}.h5' for i in range(3))
    assert cells(one, [[1, NAN], [2, 30], [6, 50]])[0].tolist() == [1, 40]
    assert cells(two, [[NAN, 7], [NAN, NAN]], one).tolist() == [[3, 7], [3, 40]]
    # Like samples that were themselves like others.
    assert cells(three, [[NAN, NAN]], two).tolist() == [[3, 40]]
    with pytest.raises(InputError, match=r"cleaned by 'mean' \(got 'zero'\)"):
        cells(tmp_path / '3.h5', [[NAN, NAN]], one, clean='zero')


def test_a_store_of_before_has_its_mean_all_the_same(tmp_path):
    old = tmp_path / 'old.h5'
    cells(old, [[1, 2], [3, NAN]])
    with h5py.File(old, 'r+') as file:
        del file['features/audio/fill']
    assert cells(tmp_path / 'new.h5', [[NAN, 5]], old).tolist() == [[2, 5]]


def test_a_folder_with_files_of_two_runs(path, tmp_path):
    about = {
        'format_version': 1,
        'model': {'class_path': 'hetero_mmer.models.HHMPN'},
        'label_names': LABELS,
        'left_out': ['words'],
        'skip_empty': False,
        'label_graph': None,
        'threshold': 0.5,
        'thresholds': {'tuned': 0.5, 'per-label': dict.fromkeys(LABELS, 0.5)},
        'best_epoch': 1,
        'data': {'name': 'a.h5', 'sha256': ''},
        'versions': {},
        'modalities': {
            m: {
                'channels': SPECS[m].channels,
                'kind': SPECS[m].kind,
                'extractor': SPECS[m].extractor,
                'fitted': FITTED[m].sha256,
                'scale': None,
            }
            for m in FITTED
        },
    }
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'model.json').write_text(json.dumps(about))
    write_encoders(run / 'encoders.h5', FITTED, {})
    like = read_like(run)
    assert (tuple(like.specs), like.left_out) == (('text', 'audio'), ('words',))
    write(tmp_path / 'b.h5', like=like)
    shutil.copy(tmp_path / 'b.h5', tmp_path / 'c.h5')
    write_encoders(run / 'encoders.h5', {**FITTED, 'audio': FITTED['text']}, {})
    with pytest.raises(
        InputError, match=r"of 'audio', but .*both files are of one run"
    ):
        read_like(run)
    (run / 'encoders.h5').unlink()
    with pytest.raises(InputError, match=r"'encoders\.h5' there has none"):
        read_like(run)
