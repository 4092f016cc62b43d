from __future__ import annotations

import os
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.store.slices import SliceReader

LAYOUTS = {
    'chunks': {'chunks': (3, 2)},
    'contiguous': {},
    'half': {'chunks': (3, 2), 'dtype': np.float16},
    'big-endian': {'chunks': (3, 2), 'dtype': '>f4'},
    'compressed': {'chunks': (3, 2), 'compression': 'gzip'},
    'narrow chunks': {'chunks': (3, 1)},
}


def make_file(path, values, **layout):
    if 'chunks' in layout:
        layout['maxshape'] = (None, values.shape[1])  # Allows chunks beyond the end.
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', data=values, **layout)
    return h5py.File(path)


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    data=st.data(),
)
def test_agrees_with_a_loop(tmp_path_factory, layout, lengths, data):
    stop = np.cumsum(lengths)
    values = np.arange(2.0 * stop[-1], dtype=np.float32).reshape(-1, 2)
    pick = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=10))
    length = np.array([lengths[k] for k in pick], dtype=np.int64)
    start = np.array([stop[k] - lengths[k] for k in pick], dtype=np.int64)
    with make_file(tmp_path_factory.mktemp('x') / 'x.h5', values, **layout) as file:
        out = SliceReader(file['x']).read(start, length)
        assert out.dtype == file['x'].dtype
    expected = [row for k in pick for row in values[stop[k] - lengths[k] : stop[k]]]
    assert out.shape == (len(expected), 2)
    assert out.tolist() == [row.tolist() for row in expected]


def test_chunks_that_were_never_written(tmp_path):
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        values = file.create_dataset('x', (6, 1), 'f4', chunks=(2, 1), fillvalue=7)
        values[2:4] = 1
    with h5py.File(tmp_path / 'x.h5') as file:
        out = SliceReader(file['x']).read(np.array([3, 0]), np.array([2, 1]))
    assert out.ravel().tolist() == [1, 7, 7]


def test_neighbours_are_read_in_one_go(tmp_path, monkeypatch):
    values = np.arange(20.0, dtype=np.float32).reshape(10, 2)
    reads = []
    preadv = os.preadv
    monkeypatch.setattr(os, 'preadv', lambda *args: reads.append(1) or preadv(*args))
    with make_file(tmp_path / 'x.h5', values) as file:
        start, length = np.array([2, 2, 5, 0, 9]), np.array([0, 3, 2, 2, 1])
        out = SliceReader(file['x']).read(start, length)
    assert out.tolist() == values[[2, 3, 4, 5, 6, 0, 1, 9]].tolist()
    assert len(reads) == 3


def test_reads_on_where_the_system_stops_early(tmp_path, monkeypatch):
    values = np.arange(200.0).reshape(100, 2)
    preadv = os.preadv

    def some(file, buffers, offset):
        return preadv(file, [buffers[0][:17]], offset)

    monkeypatch.setattr(os, 'preadv', some)
    with make_file(tmp_path / 'x.h5', values, chunks=(7, 2)) as file:
        out = SliceReader(file['x']).read(np.array([50, 0]), np.array([50, 20]))
    assert out.tolist() == [*values[50:].tolist(), *values[:20].tolist()]


def test_file_that_ends_too_early(tmp_path):
    values = np.zeros((100_000, 2))
    with make_file(tmp_path / 'x.h5', values) as file:
        reader = SliceReader(file['x'])
        os.truncate(tmp_path / 'x.h5', 100_000)
        with pytest.raises(OSError, match='ends too early'):
            reader.read(np.array([0]), np.array([100_000]))


def test_store_that_was_closed_or_sent_elsewhere(tmp_path):
    with StoreWriter(tmp_path / 's.h5', {'text': ModalitySpec(2)}, ['joy']) as writer:
        for i in range(3):
            writer.add(f'{i}', {'text': np.full((2, 2), i)}, [0])
    store = Store(tmp_path / 's.h5')
    slices = np.array([4, 0]), np.array([2, 1])
    for _ in range(2):
        assert store.read_slices('text', *slices)[:, 0].tolist() == [2, 2, 0]
        store.close()
    store = pickle.loads(pickle.dumps(store))
    assert store.read_slices('text', *slices)[:, 0].tolist() == [2, 2, 0]


@pytest.mark.parametrize(('start', 'length'), [(-1, 1), (5, 2), (9, 1)])
@pytest.mark.parametrize('layout', ['chunks', 'compressed'])
def test_rows_that_are_not_there(tmp_path, start, length, layout):
    values = np.zeros((6, 2), np.float32)
    with make_file(tmp_path / 'x.h5', values, **LAYOUTS[layout]) as file:
        reader = SliceReader(file['x'])
        with pytest.raises(IndexError, match='of 6'):
            reader.read(np.array([start]), np.array([length]))


@pytest.mark.skipif(not hasattr(os, 'posix_fadvise'), reason='a call of Linux')
@pytest.mark.parametrize('layout', ['chunks', 'contiguous'])
def test_what_is_prefetched_is_what_is_read(tmp_path, layout, monkeypatch):
    prefetched, read, preadv = [], [], os.preadv

    def keep(file, buffers, offset):
        read.append((offset, len(buffers[0])))
        return preadv(file, buffers, offset)

    monkeypatch.setattr(
        os, 'posix_fadvise', lambda file, offset, n, _: prefetched.append((offset, n))
    )
    monkeypatch.setattr(os, 'preadv', keep)
    values = np.arange(40, dtype=np.float32).reshape(20, 2)
    start, length = np.array([9, 0, 4]), np.array([5, 0, 3])
    with make_file(tmp_path / 'x.h5', values, **LAYOUTS[layout]) as file:
        reader = SliceReader(file['x'])
        reader.prefetch(start, length)
        reader.read(start, length)
    assert len(prefetched) >= 2
    assert prefetched == read
