from __future__ import annotations

import signal

import h5py
import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

SPECS = {'text': ModalitySpec(3), 'audio': ModalitySpec(2, 'set')}
LABELS = ['joy', 'anger']
TEXT = np.arange(6).reshape(2, 3)
NAN, INF = np.nan, np.inf


def write(path, samples, **options):
    """Samples are (id, features, labels, keyword arguments)."""
    with StoreWriter(path, SPECS, LABELS, **options) as writer:
        for sample_id, features, labels, choices in samples:
            writer.add(sample_id, features, labels, **choices)
    return Store(path)


def test_what_is_written_is_in_the_file(tmp_path):
    path = tmp_path / 'new' / 'a.h5'
    with StoreWriter(
        path, SPECS, LABELS, source='s', timed=['audio'], intensities=True
    ) as w:
        w.add(
            'ä1', {'text': TEXT, 'audio': [[1, 2]]}, [1, 0],
            split='train', group='g', intensities=[0.5, 3], times={'audio': [[0, 1.5]]},
        )  # fmt: skip
        w.add('b', {'text': None, 'audio': [[3, 4], [5, 6]]}, [True, False],
              intensities=[0, 0], times={'audio': [[0, 1], [1, 2]]})  # fmt: skip
        w.drop('c', 'no audio')
        w.extra('truth', [[1], [2]])
        w.attrs['note'] = {'deep': [1, None]}
    with h5py.File(path) as file:
        assert file['features/text/values'][()].tolist() == TEXT.tolist()
        assert file['features/text/ptr'][()].tolist() == [0, 2, 2]
        assert file['features/audio/ptr'][()].tolist() == [0, 1, 3]
        assert file['features/audio/time'][()].tolist() == [[0, 1.5], [0, 1], [1, 2]]
        assert file['features/audio/minimum'][()].tolist() == [1, 2]
        assert file['features/audio/maximum'][()].tolist() == [5, 6]
        assert file['labels'][()].tolist() == [[1, 0], [1, 0]]
        assert file['labels'].dtype == np.uint8
        assert file['features/text/values'].dtype == np.float32
    store = Store(path)
    assert store.ids.tolist() == ['ä1', 'b']
    assert store.groups.tolist() == ['g', 'b']
    assert store.split.tolist() == ['train', '']
    assert store.intensities.tolist() == [[0.5, 3], [0, 0]]
    assert store.times('audio')[2].tolist() == [1, 2]
    assert store.times('text') is None
    assert store.dropped == [('c', 'no audio')]
    assert store.extra('truth').tolist() == [[1], [2]]
    assert store.attrs == {'note': {'deep': [1, None]}}
    assert store.kinds == {'text': 'sequence', 'audio': 'set'}
    assert (store.source, store.clean) == ('s', None)


def test_a_writer_is_used_once(tmp_path):
    path = tmp_path / 'a.h5'
    writer = StoreWriter(path, {'text': ModalitySpec(2)}, ['joy'])
    with writer:
        writer.add('a', {'text': np.ones((1, 2))}, [1])
    before = path.read_bytes()
    with pytest.raises(InputError, match='one store'), writer:
        pass
    assert path.read_bytes() == before


def test_names_of_attributes_are_free(tmp_path):
    path = tmp_path / 'a.h5'
    with StoreWriter(path, {'text': ModalitySpec(2)}, ['joy']) as writer:
        writer.add('a', {'text': np.ones((1, 2))}, [1])
        writer.attrs['a/b'] = {'c': [1, None]}
    with Store(path) as store:
        assert store.attrs == {'a/b': {'c': [1, None]}}


def test_text_that_is_no_unicode_is_refused_at_once(tmp_path):
    name = b'caf\xe9'.decode('utf-8', 'surrogateescape')
    with StoreWriter(tmp_path / 'a.h5', {'text': ModalitySpec(2)}, ['joy']) as writer:
        writer.add('a', {'text': np.ones((1, 2))}, [1])
        with pytest.raises(InputError, match='Unicode'):
            writer.add(name, {'text': np.ones((1, 2))}, [1])
        with pytest.raises(InputError, match='Unicode'):
            writer.drop(name, 'too short')
    with Store(tmp_path / 'a.h5') as store:
        assert store.ids.tolist() == ['a']


def test_same_input_same_bytes(tmp_path):
    samples = [(f's{i}', {'text': TEXT + i}, [0, 1], {}) for i in range(9)]
    first = write(tmp_path / 'a.h5', samples)
    assert write(tmp_path / 'b.h5', samples).sha256() == first.sha256()


def test_a_buffer_that_fills_many_times_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr('hetero_mmer.store.column._BUFFER_BYTES', 5 * 3 * 4)
    rng = np.random.default_rng(0)
    arrays = [rng.random((n, 3), dtype=np.float32) for n in (1, 12, 5, 4, 30)]
    samples = [(f'{i}', {'text': a}, [0, 0], {}) for i, a in enumerate(arrays)]
    store = write(tmp_path / 'a.h5', samples)
    np.testing.assert_array_equal(store.values('text')[()], np.concatenate(arrays))


def test_arrays_may_change_after_they_were_added(tmp_path):
    array = np.ones((2, 3), np.float32)
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS) as w:
        w.add('a', {'text': array}, [0, 0])
        array[:] = 7
    assert (Store(tmp_path / 'a.h5').read('text', 0) == 1).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'features': {'text': None}}, "'new' has none"),
        ({'features': {'text': np.zeros((0, 3)), 'audio': []}}, "'new' has none"),
        ({'features': {'video': [[1]]}}, "got 'video' in sample 'new'"),
        ({'features': {'text': [[1, 2]]}}, r"'text'.*width 3.*got shape \[1, 2\]"),
        ({'features': {'text': [1, 2, 3]}}, r'got shape \[3\]'),
        ({'features': {'text': [['a', 'b', 'c']]}}, 'are numbers'),
        ({'features': {'text': [[1, 2, 3], [1]]}}, "'text' of sample 'new'"),
        ({'features': {'text': [[1e39, 0, 0]]}}, 'too large for float32.*1e\\+39'),
        ({'labels': [0, 2]}, r"labels of sample 'new'.*got \[0 2\]"),
        ({'labels': [0.5, 1]}, "labels of sample 'new'"),
        ({'labels': [NAN, 1]}, "labels of sample 'new'"),
        ({'labels': [1]}, '2 zeros and ones'),
        ({'labels': None}, "has labels.*none for 'new'"),
        ({'sample_id': 'old'}, "got 'old' twice"),
        ({'sample_id': ''}, 'empty'),
        ({'sample_id': 3}, 'is a string'),
        ({'split': 'dev'}, "'split' of sample 'new'.*got 'dev'"),
        ({'split': 'test', 'group': 'g'}, "'g' is in 'train'.*'new', in 'test'"),
        ({'intensities': [1, 2]}, 'not stored'),
        ({'times': {'text': [[0, 1]]}}, "'times' are for"),
    ],
)
def test_a_refused_sample_leaves_the_writer_as_it_was(tmp_path, change, message):
    good = {'sample_id': 'new', 'features': {'text': TEXT}, 'labels': [0, 1]}
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS) as w:
        w.add('old', {'text': TEXT}, [1, 1], group='g', split='train')
        with pytest.raises(InputError, match=message):
            w.add(**{**good, **change})
        w.add(**good)
    store = Store(tmp_path / 'a.h5')
    assert store.ids.tolist() == ['old', 'new']
    assert store.ptr['text'].tolist() == [0, 2, 4]


def test_times_and_intensities_are_checked(tmp_path):
    options = {'timed': ['text'], 'intensities': True}
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS, **options) as w:
        good = {'intensities': [0, 1], 'times': {'text': [[0, 1], [1, 2]]}}
        for wrong in (
            {'times': {'text': [[0, 1]]}},
            {'times': None},
            {'times': {'text': [[0, 1], [1, NAN]]}},
            {'intensities': [0]},
            {'intensities': None},
            {'intensities': [NAN, 1]},
        ):
            with pytest.raises(InputError, match="sample 'a'"):
                w.add('a', {'text': TEXT}, [0, 0], **{**good, **wrong})
        w.add('a', {'text': TEXT}, [0, 0], **good)


def test_a_store_without_labels(tmp_path):
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS, labelled=False) as w:
        with pytest.raises(InputError, match='has no labels'):
            w.add('a', {'text': TEXT}, [0, 1])
        w.add('a', {'text': TEXT})
    assert Store(tmp_path / 'a.h5').labels is None


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        (({}, LABELS), {}, 'at least one modality'),
        (({'label': SPECS['text']}, LABELS), {}, 'reserved'),
        (({'a/b': SPECS['text']}, LABELS), {}, 'letters'),
        ((SPECS, []), {}, 'label names'),
        ((SPECS, ['a', 'a']), {}, 'label names'),
        ((SPECS, LABELS), {'clean': 'median'}, "got 'median'"),
        ((SPECS, LABELS), {'timed': ['video']}, "'timed'"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, arguments, options, message):
    with pytest.raises(InputError, match=message):
        StoreWriter(tmp_path / 'a.h5', *arguments, **options)


@pytest.mark.parametrize(
    'arguments', [{'channels': 0}, {'kind': 'bag'}, {'columns': ('only one',)}]
)
def test_a_wrong_modality_is_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        ModalitySpec(**{'channels': 2, **arguments})


def fail(writer):
    raise ZeroDivisionError


def interrupt(writer):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # A process in the background may ignore it.
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def add_nan(writer):
    writer.add('b', {'text': [[0, NAN, INF]]}, [0, 0])


def add_short_extra(writer):
    writer.extra('truth', [1, 2, 3])


def add_no_json(writer):
    writer.attrs['note'] = {1, 2}


@pytest.mark.parametrize(
    ('accident', 'error'),
    [
        (fail, ZeroDivisionError),
        (interrupt, KeyboardInterrupt),
        (add_nan, InputError),
        (add_short_extra, InputError),
        (add_no_json, InputError),
    ],
)
def test_an_accident_leaves_nothing_behind_and_an_old_file_whole(
    tmp_path, accident, error
):
    old = write(tmp_path / 'a.h5', [('old', {'text': TEXT}, [0, 0], {})]).sha256()

    def attempt():
        with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS) as w:
            w.add('a', {'text': TEXT}, [0, 1])
            accident(w)

    with pytest.raises(error):
        attempt()
    assert [p.name for p in tmp_path.iterdir()] == ['a.h5']
    assert Store(tmp_path / 'a.h5').sha256() == old


@pytest.mark.parametrize('step', ['os.fsync', 'os.replace'])
def test_an_interrupt_while_closing_leaves_nothing_behind(tmp_path, monkeypatch, step):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / 'a.h5', [('a', {'text': TEXT}, [0, 0], {})])
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_not_there_before_the_end(tmp_path):
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS) as w:
        w.add('a', {'text': TEXT}, [0, 1])
        assert not (tmp_path / 'a.h5').exists()


def test_no_samples_no_file(tmp_path):
    writer = StoreWriter(tmp_path / 'a.h5', SPECS, LABELS)
    writer.drop('a', 'bad')
    with pytest.raises(InputError, match=r'at least one sample.*1 dropped'), writer:
        pass
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').touch()
    for path in (tmp_path, tmp_path / 'file' / 'a.h5'):
        writer = StoreWriter(path, SPECS, LABELS)
        with pytest.raises(InputError, match='file'), writer:
            pass
    with pytest.raises(InputError, match='with StoreWriter'):
        StoreWriter(tmp_path / 'a.h5', SPECS, LABELS).add('a', {'text': TEXT})


DIRTY = [
    ('a', {'text': [[1, NAN, 0], [3, 5, INF]]}, [0, 0], {'split': 'train'}),
    ('b', {'text': [[-INF, 7, 0]]}, [0, 0], {'split': 'train'}),
    ('c', {'text': [[NAN, 100, 9]]}, [0, 0], {'split': 'test'}),
]


def test_values_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'text' has 4 .* 3 of 3 .*`clean='zero'`"):
        write(tmp_path / 'a.h5', DIRTY)


@pytest.mark.parametrize('float16', [False, True])
@pytest.mark.parametrize(
    ('clean', 'expected'),
    [
        ('zero', [[1, 0, 0], [3, 5, 0], [0, 7, 0], [0, 100, 9]]),
        # Train means: (1 + 3) / 2, (5 + 7) / 2, (0 + 0) / 2.
        ('mean', [[1, 6, 0], [3, 5, 0], [2, 7, 0], [2, 100, 9]]),
    ],
)
def test_clean(tmp_path, clean, expected, float16):
    store = write(tmp_path / 'a.h5', DIRTY, clean=clean, float16=float16)
    assert store.values('text')[()].tolist() == expected
    assert store.non_finite == {'text': 4, 'audio': 0}
    assert store.clean == clean
    low, high = store.value_range('text')
    assert low.tolist() == np.min(expected, axis=0).tolist()
    assert high.tolist() == np.max(expected, axis=0).tolist()
    with h5py.File(store.path) as file:
        assert file['features/text/non_finite'][()].tolist() == [2, 1, 1]


def test_clean_mean_without_a_train_split_takes_all_samples(tmp_path):
    samples = [(name, features, y, {}) for name, features, y, _ in DIRTY]
    store = write(tmp_path / 'a.h5', samples, clean='mean')
    column = [0.0, 5, 7, 100]
    assert store.values('text')[0, 1] == pytest.approx(np.mean(column[1:]), rel=1e-6)


def test_float16_is_half_and_refuses_what_does_not_fit(tmp_path):
    store = write(tmp_path / 'a.h5', [('a', {'text': TEXT}, [0, 0], {})], float16=True)
    assert store.values('text').dtype == np.float16
    with pytest.raises(InputError, match='too large for float16'):
        write(
            tmp_path / 'b.h5', [('a', {'text': TEXT * 1e5}, [0, 0], {})], float16=True
        )


@pytest.mark.parametrize(('name', 'array'), [('a/b', [1]), ('a', ['x']), ('a', 3)])
def test_wrong_extra_arrays_are_refused(tmp_path, name, array):
    with StoreWriter(tmp_path / 'a.h5', SPECS, LABELS) as w:
        w.add('a', {'text': TEXT}, [0, 0])
        with pytest.raises(InputError, match='extra array'):
            w.extra(name, array)


def test_labels_that_collide_with_columns_of_predictions(tmp_path):
    for names in (['joy', 'joy_true'], ['joy_predicted', 'joy'], ['sample_id']):
        with pytest.raises(InputError, match='a label cannot be called'):
            StoreWriter(tmp_path / 'a.h5', SPECS, names)
    StoreWriter(tmp_path / 'a.h5', SPECS, ['joy_true', 'anger'])
