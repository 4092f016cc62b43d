from __future__ import annotations

import argparse
import bz2
import collections
import contextlib
import copyreg
import gzip
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict, defaultdict

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hetero_mmer.errors import InputError
from hetero_mmer.io.pickle.load import load_joblib, load_pickle, load_torch

LOADERS = [load_pickle, load_joblib, load_torch]


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def assert_same(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    elif isinstance(theirs, argparse.Namespace):
        assert_same(vars(ours), vars(theirs))
    elif isinstance(theirs, np.ndarray | np.generic):
        # joblib.load swaps the bytes of another machine; the values must agree.
        assert ours.dtype.newbyteorder('=') == theirs.dtype.newbyteorder('=')
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)
    elif theirs != theirs:
        assert ours != ours
    else:
        assert ours == theirs


DTYPES = st.sampled_from(
    ['f2', 'f4', 'f8', '>f4', '<i8', '>i2', 'i1', 'u1', 'u4', '?', 'c8', 'S3', 'U4']
)
ARRAYS = DTYPES.flatmap(
    lambda code: hnp.arrays(code, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
OBJECTS = st.lists(st.text(max_size=4), min_size=1, max_size=4).map(
    lambda items: np.array(items, dtype=object)
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=9),
    st.binary(max_size=9),
    ARRAYS,
    ARRAYS.filter(lambda a: a.ndim == 2).map(np.transpose),
    ARRAYS.filter(lambda a: a.size and a.ndim).map(lambda a: a.flat[0]),
    OBJECTS,
    st.sets(st.integers(), max_size=3),
    st.frozensets(st.text(max_size=2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2).map(
        lambda d: argparse.Namespace(**d)
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        st.dictionaries(st.integers(), inner, max_size=3).map(OrderedDict),
        st.dictionaries(st.text(max_size=5), inner, max_size=2).map(
            lambda d: defaultdict(list, d)
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(tree=TREES, protocol=st.integers(0, 5))
def test_agrees_with_pickle(tmp_path_factory, tree, protocol):
    path = tmp_path_factory.mktemp('pickle') / 'a.pkl'
    data = pickle.dumps(tree, protocol)
    path.write_bytes(data)
    assert_same(load_pickle(path), pickle.loads(data))


@settings(max_examples=60, deadline=None)
@given(tree=TREES, protocol=st.integers(0, 5), compress=st.sampled_from([0, 3]))
def test_agrees_with_joblib(tmp_path_factory, tree, protocol, compress):
    path = tmp_path_factory.mktemp('joblib') / 'a.job'
    joblib.dump(tree, path, compress=compress, protocol=protocol)
    assert_same(load_joblib(path), joblib.load(path))


@settings(max_examples=40, deadline=None)
@given(tree=TREES, legacy=st.booleans(), protocol=st.integers(2, 5))
def test_agrees_with_torch(tmp_path_factory, tree, legacy, protocol):
    path = tmp_path_factory.mktemp('torch') / 'a.pt'
    torch.save(
        tree,
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    assert_same(load_torch(path), torch.load(path, weights_only=False))


@pytest.mark.parametrize('opener', [gzip.open, bz2.open, lzma.open])
def test_compressed(tmp_path, opener):
    value = {'a': np.arange(50_000.0), 'b': ['x'] * 10}
    with opener(tmp_path / 'a.pkl', 'wb') as file:
        pickle.dump(value, file)
    assert_same(load_pickle(tmp_path / 'a.pkl'), value)


@pytest.mark.parametrize('opener', [gzip.open, bz2.open, lzma.open])
def test_what_inflates_to_much_more_is_refused(tmp_path, monkeypatch, opener):
    path = tmp_path / 'a.pkl'
    with opener(path, 'wb') as file:
        pickle.dump(bytes(30 << 20), file)
    assert load_pickle(path) == bytes(30 << 20)
    monkeypatch.setattr('hetero_mmer.files.input._SLACK', 1 << 20)
    with pytest.raises(InputError, match=r"'.*a\.pkl' .*it inflates to more than"):
        load_pickle(path)


def test_a_torch_file_that_inflates_to_much_more_is_refused(tmp_path, monkeypatch):
    torch.save(torch.zeros(5 << 20), tmp_path / 'a.pt')
    with (
        zipfile.ZipFile(tmp_path / 'a.pt') as whole,
        zipfile.ZipFile(tmp_path / 'b.pt', 'w', zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert not load_torch(tmp_path / 'b.pt').any()
    monkeypatch.setattr('hetero_mmer.files.input._SLACK', 1 << 20)
    assert not load_torch(tmp_path / 'a.pt').any()
    with pytest.raises(InputError, match=r"'.*b\.pt' .*it inflates to 209"):
        load_torch(tmp_path / 'b.pt')


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize('order', '<>')
def test_text_of_numbers_that_are_no_letters_is_refused(tmp_path, protocol, order):
    text = np.array([0x41, 0x10FFFF], f'{order}u4').view(f'{order}U1')
    bad = np.array([0x41, 0x110000], f'{order}u4').view(f'{order}U1')
    path = tmp_path / 'a.pkl'
    for dump, load in (
        (lambda value: path.write_bytes(pickle.dumps(value, protocol)), load_pickle),
        (lambda value: joblib.dump(value, path, protocol=protocol), load_joblib),
    ):
        dump(text)
        assert load(path).tolist() == ['A', '\U0010ffff']
        dump(bad)
        with pytest.raises(InputError, match='asks for text that is not Unicode'):
            load(path)


@pytest.mark.parametrize('protocol', range(6))
def test_whole_numbers_without_end_are_refused(tmp_path, protocol):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps([2**62, -(10**200), True], protocol))
    assert load_pickle(path) == [2**62, -(10**200), True]
    path.write_bytes(pickle.dumps(10**400, protocol))
    with pytest.raises(InputError, match='asks for a number of 1329 bits'):
        load_pickle(path)


@pytest.mark.parametrize('level', [0, 1, 6, 9])
def test_zlib(tmp_path, level):
    value = {'a': np.random.default_rng(0).random(400_000), 'b': 'x'}
    (tmp_path / 'a.pkl').write_bytes(zlib.compress(pickle.dumps(value), level))
    assert_same(load_pickle(tmp_path / 'a.pkl'), value)


@pytest.mark.parametrize('method', ['zlib', 'gzip', 'bz2', 'lzma', 'xz'])
def test_joblib_compressed(tmp_path, method):
    value = {
        'img': np.random.default_rng(0).random((300, 700)),
        'lyr': [np.arange(3), np.arange(5)],
        'ragged': np.array([[1, 2], [3], ['x']], dtype=object),
        'tgt': [[2, 4, 3], [2, 3]],
        'again': np.asfortranarray(np.ones((3, 4), np.float32)),
    }
    joblib.dump(value, tmp_path / 'a.job', compress=(method, 3))
    assert_same(load_joblib(tmp_path / 'a.job'), value)


def test_joblib_before_alignment(tmp_path):
    """Up to 1.1, the wrapper had no alignment and the bytes came at once."""
    array = np.arange(12.0).reshape(3, 4)
    wrapper = joblib.numpy_pickle.NumpyArrayWrapper(
        np.ndarray, array.shape, 'C', array.dtype, allow_mmap=True
    )
    del wrapper.numpy_array_alignment_bytes
    start = pickle.dumps({'x': wrapper, 'y': 1}, protocol=2)
    at = start.index(b'b', start.index(b'allow_mmap'))  # The BUILD opcode.
    data = start[: at + 1] + array.tobytes() + start[at + 1 :]
    (tmp_path / 'a.job').write_bytes(data)
    assert_same(load_joblib(tmp_path / 'a.job'), {'x': array, 'y': 1})
    assert_same(joblib.load(tmp_path / 'a.job'), {'x': array, 'y': 1})


def test_names_of_numpy_1_and_2(tmp_path):
    value = [np.arange(3.0), np.float32(7), np.array(['a', 'bc'])]
    for protocol in (0, 2, 3):
        data = pickle.dumps(value, protocol)
        assert b'numpy._core.multiarray' in data
        for name in (b'numpy.core.multiarray', b'numpy._core.multiarray'):
            path = tmp_path / 'a.pkl'
            path.write_bytes(data.replace(b'numpy._core.multiarray', name))
            assert_same(load_pickle(path), value)


def test_memory_maps_become_arrays(tmp_path):
    array = np.memmap(tmp_path / 'm', 'f4', 'w+', shape=(2, 3))
    array[:] = 5
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'x': array}, 4))
    ours = load_pickle(tmp_path / 'a.pkl')['x']
    assert type(ours) is np.ndarray
    np.testing.assert_array_equal(ours, np.full((2, 3), 5))


@pytest.mark.parametrize('protocol', range(6))
def test_a_bytearray_becomes_bytes(tmp_path, protocol):
    value = [bytearray(b'a\xff' * 9), bytearray()]
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(value, protocol))
    assert_same(load_pickle(tmp_path / 'a.pkl'), [b'a\xff' * 9, b''])


def python_2_string(data):
    return b'T' + struct.pack('<i', len(data)) + data


def test_python_2(tmp_path):
    """Protocol 2 as cPickle of Python 2 wrote it, assembled by hand."""
    numbers = np.arange(-3, 3, dtype='<f8')
    zeros = np.zeros(2, '<i4')  # Bytes that are also a text.

    def array(a, code):
        return (
            b'cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b'
            b'\x87R(K\x01K' + bytes([len(a)]) + b'\x85cnumpy\ndtype\nU\x02' + code +
            b'K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb'
            b'\x89' + python_2_string(a.tobytes()) + b'tb'
        )  # fmt: skip

    data = (
        b'\x80\x02}('
        b'U\x05train' + array(numbers, b'f8') + b'U\x01z' + array(zeros, b'i4') +
        b'U\x02id]U\x04caf\xe9a'  # Latin 1
        b'U\x01u' + python_2_string('café'.encode()) +
        b'X\x01\x00\x00\x00vX\x03\x00\x00\x00abc'
        b'U\x01sc__builtin__\nset\n]K\x05a\x85R'
        b'U\x01occollections\nOrderedDict\n]]K\x01aK\x02aa\x85R'
        b'U\x01nccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject'
        b'\nNtR}U\x01aK\x07sb'
        b'u.'
    ).replace(b']]K\x01aK\x02aa', b']](K\x01K\x02ea')  # fmt: skip
    (tmp_path / 'a.pkl').write_bytes(data)
    ours = load_pickle(tmp_path / 'a.pkl')
    expected = {
        'train': numbers, 'z': zeros, 'id': [b'caf\xe9'], 'u': 'café', 'v': 'abc',
        's': {5}, 'o': OrderedDict([(1, 2)]), 'n': argparse.Namespace(a=7),
    }  # fmt: skip
    assert_same(ours, expected)
    # Python's own reader agrees, except that it must choose one reading of strings.
    theirs = pickle.loads(data, encoding='latin-1')
    np.testing.assert_array_equal(theirs['train'], ours['train'])
    np.testing.assert_array_equal(theirs['z'], ours['z'])
    assert theirs['n'] == ours['n']


@pytest.mark.parametrize('legacy', [False, True])
def test_tensors_become_arrays(tmp_path, legacy):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    value = {
        'a': base, 'view': base[1:, ::2], 't': base.t(), 'i': torch.tensor([1, 2]),
        'scalar': torch.tensor(3.5, dtype=torch.float64), 'none': torch.empty(0, 3),
        'bool': torch.tensor([True, False]), 'half': base.half(),
        'parameter': torch.nn.Parameter(base.clone()),
        'expanded': torch.ones(1, 2).expand(3, 2),
    }  # fmt: skip
    path = tmp_path / 'a.pt'
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    ours = load_torch(path)
    for name, tensor in value.items():
        np.testing.assert_array_equal(ours[name], tensor.detach().numpy())
        assert ours[name].dtype == tensor.detach().numpy().dtype


def test_tensors_in_a_plain_pickle(tmp_path):
    base = torch.arange(6.0).reshape(2, 3)
    value = {'a': base, 'view': base[:, 1:], 'i': torch.tensor([1, 2])}
    for protocol in (2, 4, 5):
        (tmp_path / 'a.pkl').write_bytes(pickle.dumps(value, protocol))
        ours = load_pickle(tmp_path / 'a.pkl')
        for name, tensor in value.items():
            np.testing.assert_array_equal(ours[name], tensor.numpy())


def test_nothing_runs_inside_the_bytes_of_a_tensor(tmp_path):
    inner = pickle.dumps(Evil(tmp_path / 'created'))
    stream = b'ctorch.storage\n_load_from_bytes\nC' + bytes([len(inner)]) + inner
    (tmp_path / 'a.pkl').write_bytes(stream + b'\x85R.')
    with pytest.raises(InputError, match=r'asks for posix\.system'):
        load_pickle(tmp_path / 'a.pkl')
    assert not (tmp_path / 'created').exists()


def test_compressed_members_of_a_torch_file(tmp_path):
    torch.save({'a': torch.arange(9.0)}, tmp_path / 'a.pt')
    with (
        zipfile.ZipFile(tmp_path / 'a.pt') as one,
        zipfile.ZipFile(tmp_path / 'b.pt', 'w', zipfile.ZIP_DEFLATED) as other,
    ):
        for name in one.namelist():
            other.writestr(name, one.read(name))
    np.testing.assert_array_equal(load_torch(tmp_path / 'b.pt')['a'], np.arange(9.0))


def write_evil(loader, value, path, protocol=4):
    if loader is load_torch:
        torch.save(value, path, pickle_protocol=protocol)
    elif loader is load_joblib:
        joblib.dump(value, path, protocol=protocol)
    else:
        path.write_bytes(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    ('loader', 'protocol'),  # torch.save needs protocol 2.
    [(f, p) for f in LOADERS for p in range(2 if f is load_torch else 0, 6)],
)
def test_nothing_runs(tmp_path, loader, protocol):
    evil = {'train': {'text': np.zeros(3), 'x': [Evil(tmp_path / 'created')]}}
    write_evil(loader, evil, tmp_path / 'a.pkl', protocol)
    with pytest.raises(InputError, match=r"a\.pkl' asks for (posix|nt)\.system:"):
        loader(tmp_path / 'a.pkl')
    assert not (tmp_path / 'created').exists()


def test_nothing_runs_in_a_legacy_torch_file(tmp_path):
    torch.save(
        [Evil(tmp_path / 'created')],
        tmp_path / 'a.pt',
        _use_new_zipfile_serialization=False,
    )
    with pytest.raises(InputError, match=r'asks for posix\.system'):
        load_torch(tmp_path / 'a.pt')
    # The first pickle of such a file is a number; it may be evil instead.
    (tmp_path / 'b.pt').write_bytes(pickle.dumps(Evil(tmp_path / 'created')))
    with pytest.raises(InputError, match=r'asks for posix\.system'):
        load_torch(tmp_path / 'b.pt')
    assert not (tmp_path / 'created').exists()


def test_nothing_runs_inside_object_arrays(tmp_path):
    array = np.array([1, Evil(tmp_path / 'created')], dtype=object)
    for loader in LOADERS:
        for protocol in (2, 4, 5):
            write_evil(loader, {'x': array}, tmp_path / 'a.pkl', protocol)
            with pytest.raises(InputError, match=r'asks for posix\.system'):
                loader(tmp_path / 'a.pkl')
    assert not (tmp_path / 'created').exists()


@pytest.mark.parametrize('method', ['zlib', 'gzip', 'bz2', 'lzma', 'xz'])
def test_nothing_runs_in_compressed_files(tmp_path, method):
    joblib.dump([Evil(tmp_path / 'created')], tmp_path / 'a', compress=(method, 3))
    for loader in (load_pickle, load_joblib):
        with pytest.raises(InputError, match=r'asks for posix\.system'):
            loader(tmp_path / 'a')
    assert not (tmp_path / 'created').exists()


def text(value):
    return b'\x8c' + bytes([len(value)]) + value.encode()


FORGED_DTYPE = (  # A type of 8 raw bytes that says it holds objects.
    b'cnumpy\ndtype\n' + text('O') + b'\x89\x88\x87R(K\x03' + text('|') +
    b'NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb'
)  # fmt: skip
EMPTY = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR'
INT8 = b'cnumpy\ndtype\n' + text('i1') + b'\x89\x88\x87R'


@pytest.mark.parametrize(
    ('stream', 'message'),
    [
        (b'cbuiltins\neval\n.', r'builtins\.eval'),
        (b'c__builtin__\neval\n.', r'builtins\.eval'),
        (b'\x80\x04' + text('numpy') + text('core.multiarray._reconstruct') + b'\x93.',
         r'numpy\.core\.multiarray\._reconstruct'),
        (b'\x80\x04' + text('collections') + text('OrderedDict.__init__') + b'\x93.',
         r'collections\.OrderedDict\.__init__'),
        (b'\x80\x04' + text('numpy') + text('f2py.os.system') + b'\x93.',
         r'numpy\.f2py\.os\.system'),
        (b'(S"touch x"\nios\nsystem\n.', r'os\.system'),
        (b'(cos\nsystem\nS"touch x"\no.', r'os\.system'),
        (b'(cnumpy\nndarray\nK\x05o.', r'a call of numpy\.ndarray'),
        (b'cnumpy\nndarray\nK\x05\x85R.', r'a call of numpy\.ndarray'),
        (b'cbuiltins\nint\nK\x05\x85\x81.', r'a call of builtins\.int'),
        (b'\x80\x04cargparse\nNamespace\n)}\x92.', 'with keywords'),
        (b'cargparse\nNamespace\nK\x05\x85R.', 'with other arguments'),
        (b'cargparse\nNamespace\n}' + text('a') + b'K\x01sb.', 'the state of a Name'),
        (b'ccollections\nOrderedDict\n)R}' + text('a') + b'K\x01sb.',
         'the state of a OrderedDict'),
        (b'ccollections\ndefaultdict\n' + text('x') + b'\x85R.', 'a defaultdict of x'),
        (b'ccollections\ndefaultdict\ncos\nsystem\n\x85R.', r'os\.system'),
        (b'cbuiltins\nbytes\nJ\x00\x00\x00\x7f\x85R.', 'other arguments'),
        (b'cbuiltins\nbytearray\nJ\x00\x00\x00\x7f\x85R.', 'a bytearray of'),
        (b'c_codecs\nencode\n' + text('x') + text('rot13') + b'\x86R.', "'rot13'"),
        (b'ccopyreg\n_reconstructor\n(cbuiltins\nlist\ncbuiltins\nobject\nNtR.',
         r'builtins\.list'),
        (b'K\x01)R.', 'a call of a int'),
        (b'\x82\x01.', 'the extension code 1'),
        (b'\x83\x01\x00.', 'the extension code 1'),
        (b'\x84\x01\x00\x00\x00.', 'the extension code 1'),
        (b'Psomething\n.', 'outside of the file'),
        (b'K\x01Q.', 'outside of the file'),
        (b'\x80\x05\x97.', 'a buffer outside'),
        (b'\x80\x05' + EMPTY + b'\x98.', 'a buffer outside'),
        (FORGED_DTYPE + b'.', 'a forged type'),
        (b'cnumpy\ndtype\n]\x85R.', 'an array of the type'),
        (b'cnumpy\ndtype\n' + text('V8') + b'\x85R.', "the type 'V8'"),
        (b'cnumpy\ndtype\n' + text('O,O') + b'\x85R.', "the type 'O,O'"),
        (b'cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nlist\n)C\x01btR.',
         r'an array of the class builtins\.list'),
        (EMPTY + b'(K\x01K\x05\x85' + INT8 + b'\x89C\x02xxtb.', 'the shape'),
        (EMPTY + b'(K\x01J\xff\xff\xff\xff\x85' + INT8 + b'\x89C\x00tb.', 'the shape'),
        (EMPTY + b'(K\x01K\x05\x85cnumpy\ndtype\n' + text('U0') +
         b'\x85R\x89C\x00tb.', 'the shape'),
        (EMPTY + b'(K\x01K\x02\x85cnumpy\ndtype\n' + text('O8') + b'\x85R\x89]tb.',
         'the shape'),
        # A second state would free numbers that others may look at.
        (EMPTY + 2 * (b'(K\x01K\x02\x85' + INT8 + b'\x89C\x02xxtb') + b'.',
         'the state of a ndarray'),
        (b'cnumpy.core.numeric\n_frombuffer\n(' + EMPTY + INT8 + b'K\x00\x85' +
         text('C') + b'tR.', 'something else than bytes'),
        (b'cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n' + text('O8') +
         b'\x85RC\x08xxxxxxxxtR.', 'not of numbers'),
        (b'cnumpy.core.multiarray\nscalar\n(' + INT8 + b'C\x08xxxxxxxxtR.', '8 bytes'),
        (EMPTY + b'K\x00K\x01s.', 'items in a ndarray'),
        (EMPTY + b'K\x00a.', 'items in a ndarray'),
        (EMPTY + b'(K\x00K\x01u.', 'items in a ndarray'),
        (EMPTY + b'(K\x00e.', 'items in a ndarray'),
        (b'\x80\x04](K\x01\x90.', 'items in a list'),
        (b'cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81.', 'NumpyArrayWrapper'),
        (b'ctorch._utils\n_rebuild_tensor_v3\n.', '_rebuild_tensor_v3'),
        (b'ctorch.storage\n_load_from_bytes\nK\x01\x85R.', 'a tensor of something'),
    ],
)  # fmt: skip
def test_refusals(tmp_path, stream, message):
    (tmp_path / 'a.pkl').write_bytes(stream)
    with pytest.raises(InputError, match=message) as error:
        load_pickle(tmp_path / 'a.pkl')
    assert 'asks for' in str(error.value)
    assert str(tmp_path / 'a.pkl') in str(error.value)
    assert '\n' not in str(error.value)


def test_a_name_cannot_write_to_the_terminal(tmp_path):
    name = 'a\n\x1b[31mred' + 'x' * 90
    (tmp_path / 'a.pkl').write_bytes(b'\x80\x04' + text('os') + text(name) + b'\x93.')
    with pytest.raises(InputError, match=r'asks for os\.a \[31mredx') as error:
        load_pickle(tmp_path / 'a.pkl')
    assert str(error.value).isprintable()


def test_a_compressed_torch_file_is_refused(tmp_path):
    torch.save({'a': torch.ones(9)}, tmp_path / 'a.pt')
    packed = gzip.compress((tmp_path / 'a.pt').read_bytes())
    (tmp_path / 'b.pt').write_bytes(packed)
    with pytest.raises(InputError, match='cannot be read as a pickle'):
        load_torch(tmp_path / 'b.pt')


def test_extensions_of_the_process_are_not_used(tmp_path):
    copyreg.add_extension('os', 'system', 77)
    try:
        (tmp_path / 'a.pkl').write_bytes(b'\x82\x4d.')
        with pytest.raises(InputError, match='the extension code 77'):
            load_pickle(tmp_path / 'a.pkl')
    finally:
        copyreg.remove_extension('os', 'system', 77)


def test_a_state_does_not_reach_a_class(tmp_path):
    evil = argparse.Namespace(a=1)
    vars(evil).update({'__class__': 'x', '__dict__': 'y', '__eq__': 'z'})
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps([evil, collections.OrderedDict()]))
    ours = load_pickle(tmp_path / 'a.pkl')[0]
    assert type(ours) is argparse.Namespace
    assert argparse.Namespace() == argparse.Namespace()
    assert 'a' not in vars(argparse.Namespace)


def test_a_type_of_numpys_own_is_not_changed(tmp_path):
    """The name without the copy would be numpy's float64 itself."""
    stream = (
        b'cnumpy\ndtype\n' + text('f8') + b'\x85R(K\x03' + text('>') +
        b'NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.'
    )  # fmt: skip
    (tmp_path / 'a.pkl').write_bytes(stream)
    assert load_pickle(tmp_path / 'a.pkl') == np.dtype('>f8')
    assert np.dtype('f8').isnative
    assert np.dtype(float).isnative


def torch_zip(path, stream, **members):
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a/data.pkl', stream)
        for name, data in members.items():
            file.writestr(f'a/data/{name}', data)


def tensor(count, offset, shape, stride, kind='FloatStorage', view=b''):
    storage = (
        b'(' + text('storage') + b'ctorch\n' + kind.encode() + b'\n' + text('0') +
        text('cpu') + b'K' + bytes([count]) + view + b'tQ'
    )  # fmt: skip
    return (
        b'ctorch._utils\n_rebuild_tensor_v2\n(' + storage + b'K' + bytes([offset]) +
        b'K' + bytes([shape]) + b'\x85J' + struct.pack('<i', stride) +
        b'\x85\x89ccollections\nOrderedDict\n)RtR.'
    )  # fmt: skip


@pytest.mark.parametrize(
    ('stream', 'message'),
    [
        (tensor(4, 0, 5, 1), '5 numbers of a tensor that has 4'),
        (tensor(4, 1, 4, 1), '5 numbers of a tensor that has 4'),
        (tensor(4, 0, 2, -1), 'an array of the shape'),
        (tensor(9, 0, 5, 1), 'ends too early'),
        (tensor(4, 0, 2, 1, kind='BFloat16Storage'), r'torch\.BFloat16Storage'),
        (tensor(4, 0, 2, 1, view=b'K\x01'), 'outside of the pickle'),
        (text('module') + b'Q.', 'outside of the pickle'),
        (b'ctorch._utils\n_rebuild_tensor_v2\n(' + EMPTY + b'K\x00)))tR.',
         'a tensor without numbers'),
        (b'ctorch\nFloatStorage\n)R.', r'a call of torch\.FloatStorage'),
    ],
)  # fmt: skip
def test_forged_tensors(tmp_path, stream, message):
    torch_zip(tmp_path / 'a.pt', stream, **{'0': np.arange(4.0, dtype='f4').tobytes()})
    with pytest.raises(InputError, match=message):
        load_torch(tmp_path / 'a.pt')


def test_other_zip_files(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.pt', 'w') as file:
        file.writestr('readme', 'x')
    with pytest.raises(InputError, match=r'without one data\.pkl'):
        load_torch(tmp_path / 'a.pt')


@pytest.mark.parametrize('loader', LOADERS)
def test_truncated_files(tmp_path, loader):
    value = {'a': np.arange(900.0), 'b': ['text'] * 3, 'c': torch.ones(3).numpy()}
    write_evil(loader, value, tmp_path / 'whole')
    whole = (tmp_path / 'whole').read_bytes()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        (tmp_path / 'a.pkl').write_bytes(whole[:length])
        with pytest.raises(InputError, match=r'ends too early|cannot be read') as error:
            loader(tmp_path / 'a.pkl')
        assert '\n' not in str(error.value)


def test_truncated_legacy_torch_file(tmp_path):
    torch.save({'a': torch.ones(9)}, tmp_path / 'w', _use_new_zipfile_serialization=0)
    whole = (tmp_path / 'w').read_bytes()
    assert load_torch(tmp_path / 'w')['a'].tolist() == [1] * 9
    for length in range(len(whole)):
        (tmp_path / 'a.pt').write_bytes(whole[:length])
        with pytest.raises(InputError):
            load_torch(tmp_path / 'a.pt')


@pytest.mark.parametrize(
    'opener', [gzip.compress, bz2.compress, lzma.compress, zlib.compress]
)
def test_truncated_compressed_files(tmp_path, opener):
    whole = opener(pickle.dumps(np.random.default_rng(0).random(999)))
    for length in (8, len(whole) // 2, len(whole) - 30):
        (tmp_path / 'a.pkl').write_bytes(whole[:length])
        with pytest.raises(InputError, match='ends too early'):
            load_pickle(tmp_path / 'a.pkl')


@pytest.mark.parametrize('loader', LOADERS)
@pytest.mark.parametrize(
    'data',
    [
        b'', b'\x00', b'hello, world\n', b'<html>not found</html>', b'\x89HDF\r\n',
        b'\x1f\x8bnot gzip', b'x\x9cnot zlib', b'BZhnot bz2', b'ZF0x10', b'a,b\n1,2\n',
        b'\x80\x09.', b'.', b'K\x01', b'\x8e\xff\xff\xff\xff\xff\xff\xff\x7f',
    ],
)  # fmt: skip
def test_no_pickles(tmp_path, loader, data):
    (tmp_path / 'a.pkl').write_bytes(data)
    with pytest.raises(InputError, match=r"a\.pkl' ") as error:
        loader(tmp_path / 'a.pkl')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('loader', LOADERS)
def test_no_file(tmp_path, loader):
    with pytest.raises(InputError, match='there is no file'):
        loader(tmp_path / 'none')
    with pytest.raises(InputError, match='cannot be read'):
        loader(tmp_path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes_never_run(tmp_path_factory, data):
    """Whatever is changed, it is read or refused in one sentence."""
    folder = tmp_path_factory.mktemp('fuzz')
    value = {'a': np.arange(3.0), 'b': np.array(['x', None], object), 'n': {1, 2}}
    whole = bytearray(pickle.dumps(value, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    (folder / 'a.pkl').write_bytes(whole)
    for loader in (load_pickle, load_joblib):
        with contextlib.suppress(InputError):
            loader(folder / 'a.pkl')


def test_a_file_is_read_to_the_end_of_its_pickle(tmp_path):
    buffer = io.BytesIO()
    pickle.dump(1, buffer)
    pickle.dump(2, buffer)
    (tmp_path / 'a.pkl').write_bytes(buffer.getvalue())
    assert load_pickle(tmp_path / 'a.pkl') == 1
