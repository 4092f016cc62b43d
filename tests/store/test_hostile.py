"""Files that are made to do harm, or that a disk has damaged."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import shutil
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, describe, validate
from hetero_mmer.store.structure import check_structure

sys.path.insert(0, str(Path(__file__).parents[1] / 'fuzz'))
import edits
from hostile import (
    as_version_1,
    hostile_stores,
    make_heap_loop,
    refusal,
    write_good,
)


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return write_good(tmp_path_factory.mktemp('good') / 'good.h5')


@pytest.fixture
def path(good, tmp_path):
    return Path(shutil.copy(good, tmp_path / 'a.h5'))


def errors(path):
    """Without the other process, which takes a while to start."""
    with Store(path) as store:
        return [f.sentence for f in validate(store) if f.level == 'error']


def content(path):
    """All that a user of a store sees, as plain text."""
    with Store(path) as store:
        parts = [store.labels, store.intensities, store.extra('score'), store.ids]
        parts += [store.groups, store.split, store.attrs, store.specs, store.dropped]
        parts += [{m: one.sha256 for m, one in store.fitted.items()}, store.fill]
        for m in store.modalities:
            start, length = store.ptr[m][:-1], np.diff(store.ptr[m])
            parts += [start, store.read_slices(m, start, length), store.value_range(m)]
            parts += [store.moments(m), store.cleaned_slices(m, start, length)]
            parts += [None if store.times(m) is None else store.times(m)[()]]
            parts += [store.item_names(m, i) for i in range(len(store))]
            if m in store.segmented:
                parts += [store.segment_slices(m, start, length)]
        with np.printoptions(threshold=10**9, floatmode='unique'):
            return repr(parts)


def test_hostile_stores_get_a_sentence_and_no_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, path in hostile_stores(tmp_path):
        start = time.perf_counter()
        told = refusal(describe, path)
        assert str(path) in told, name
        assert '\n' not in told, name
        assert time.perf_counter() - start < 3, name
        path.unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_what_lies_elsewhere_is_told(tmp_path):
    told = {}
    for name, path in hostile_stores(tmp_path):
        told[name] = refusal(Store, path)
        path.unlink()
    for name in ('external_link', 'soft_link', 'external_link_that_nobody_reads'):
        assert 'link to elsewhere' in told[name]
    assert 'virtual' in told['virtual']
    assert 'another file' in told['external_storage']
    assert '1000000 chunks' in told['trillion_rows']
    assert 'declares 16000000000000' in told['trillion_rows_in_a_row']
    assert 'inflates to more' in told['inflates']
    assert 'nested too deeply' in told['deep_attrs']


@pytest.mark.parametrize(
    'filters',
    [
        {'compression': 'gzip', 'compression_opts': 9, 'shuffle': True},
        {'compression': 'gzip', 'compression_opts': 9, 'fletcher32': True},
        {'compression': 'lzf'},
        {'chunks': True, 'maxshape': None},
    ],
)
@pytest.mark.parametrize('value', [0, 3])
def test_a_store_that_was_packed_is_read(tmp_path, filters, value):
    """Even where all values are the same, which nothing packs better."""
    path = tmp_path / 'a.h5'
    with StoreWriter(path, {'text': ModalitySpec(64)}, ['joy']) as writer:
        for i in range(50):
            writer.add(f'sample {i}', {'text': np.full((900, 64), value)}, [1])
    with h5py.File(path, 'r+') as file:
        for name in ('features/text/values', 'features/text/ptr', 'labels', 'ids'):
            data = file[name][()]
            del file[name]
            options = {**filters, 'chunks': (min(len(data), 4000), *data.shape[1:])}
            if 'maxshape' in filters:
                options['maxshape'] = (None, *data.shape[1:])
            file.create_dataset(name, data=data, **options)
        assert file['features/text/values'].id.get_storage_size() > 0
    with Store(path) as store:
        assert (store.read('text', 0, 50) == value).all()
        rows = store.read_slices('text', store.ptr['text'][[3]], np.array([900]))
        assert rows.shape == (900, 64)
        assert (rows == value).all()
    assert errors(path) == []


def test_a_slice_of_a_chunk_that_inflates_for_ever_is_refused(path):
    with h5py.File(path, 'r+') as file:
        del file['features/text/values']
        values = file.create_dataset(
            'features/text/values', (24, 4), 'f4', chunks=(24, 4), compression='gzip'
        )
        values.id.write_direct_chunk((0, 0), zlib.compress(bytes(300_000_000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Store(path) as store:
        for read in (
            lambda: store.read_slices('text', np.array([0]), np.array([2])),
            lambda: store.read('text', 0),
            lambda: validate(store),
        ):
            with pytest.raises(InputError, match='inflates to more than its 384 bytes'):
                read()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_store_of_release_1_is_as_good(good, path):
    as_version_1(path)
    assert content(path) == content(good)
    assert errors(path) == []
    with Store(path) as store:
        assert store.checksums is None
        told = [f for f in validate(store) if 'checksums' in f.sentence]
    assert [finding.level for finding in told] == ['info']


def test_checksums_are_those_of_the_bytes(path):
    with Store(path) as store, h5py.File(path) as file:
        known = store.checksums
        assert file['about'][()] != b''
        assert known['about'].crc32 == [zlib.crc32(file['about'][()])]
        for name in ('labels', 'features/text/values', 'features/words/values', 'ids'):
            data = file[name][()]
            head = f'{data.dtype.str} {data.shape[1:]}'.encode()
            assert known[name].crc32 == [zlib.crc32(head + data.tobytes())]
        found = []
        file.visititems(
            lambda name, node: found.append(name) if hasattr(node, 'dtype') else None
        )
        assert sorted(known) == sorted(set(found) - {'checksums'})


@pytest.mark.parametrize('clean', ['zero', 'mean'])
def test_checksums_of_many_blocks(tmp_path, monkeypatch, clean):
    """Written as values come, and again where cleaning replaces some."""
    monkeypatch.setattr('hetero_mmer.store.column._BUFFER_BYTES', 7 * 4 * 3)
    rng = np.random.default_rng(1)
    path = tmp_path / 'a.h5'
    samples = [rng.normal(size=(n, 3)) for n in (1, 20, 0, 5, 20, 8, 1)]
    samples[4] = samples[1].copy()
    for rows in samples:
        rows[:1] = 0
    samples[5][3, 1] = np.nan
    spec = {'a': ModalitySpec(3), 'b': ModalitySpec(1)}
    with StoreWriter(path, spec, ['joy'], clean=clean) as writer:
        for i, rows in enumerate(samples):
            writer.add(
                str(i), {'a': rows, 'b': [[1 if i == 4 else i]]}, [1], split='train'
            )
    with Store(path) as store:
        known = store.checksums['features/a/values']
        assert (known.rows, len(known.crc32)) == (7, 8)
        findings = validate(store)
    assert [f.sentence for f in findings if f.level == 'error'] == []
    told = ' '.join(f.sentence for f in findings)
    assert "1 pairs of samples have the same features ('1' and '4')" in told
    assert '4 of 6 samples begin with a row of zeros (1, 3, 4, 5)' in told
    with h5py.File(path, 'r+') as file:
        file['features/a/values'][30, 1] += 1
    assert [s.split(';')[0] for s in errors(path)] == [
        "'features/a/values' is not what was written: its checksum differs in rows 28 "
        'to 34'
    ]


def test_any_flipped_bit_of_any_dataset_is_found(path):
    data = path.read_bytes()
    places = {}

    def add(name, node):
        if isinstance(node, h5py.Dataset):
            start = node.id.get_offset()
            if node.chunks:
                start = node.id.get_chunk_info(0).byte_offset
            places[name] = start, node.nbytes

    with h5py.File(path) as file:
        file.visititems(add)
    rng = random.Random(0)
    assert len(places) > 25
    for name, (start, size) in places.items():
        changed = bytearray(data)
        changed[start + rng.randrange(size)] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            found = errors(path)
        except InputError:  # It contradicts the rest.
            continue
        words = "'text' is damaged" if name.startswith('fitted') else f"'{name}'"
        assert name == 'checksums' or any(words in s for s in found), name
        assert found, name


def test_a_dataset_that_is_read_as_another_type_is_found(path):
    with h5py.File(path, 'r+') as file:
        swapped = file['features/text/values'][()].view('>f4')
        del file['features/text/values']
        file['features/text/values'] = swapped
    assert any("'features/text/values' is not" in s for s in errors(path))


@pytest.mark.parametrize('name', ['labels', 'features/text/time', 'intensities'])
def test_a_part_that_is_gone_is_found(path, name):
    with h5py.File(path, 'r+') as file:
        del file[name]
    assert any(name.split('/')[-1] in s for s in errors(path))


@pytest.mark.parametrize(
    'text',
    [
        '[]',
        '{"ids": 1}',
        '{"ids": {"rows": "many", "crc32": []}}',
        '{"ids": {"rows": 1, "crc32": [1e999]}}',
        '{',
    ],
)
def test_damaged_checksums_are_told(path, text):
    with h5py.File(path, 'r+') as file:
        del file['checksums']
        file['checksums'] = np.bytes_(text)
    assert str(path) in refusal(errors, path) or errors(path)


def test_damage_is_refused_or_told_or_changes_nothing(good, path):
    data, sound = good.read_bytes(), content(good)
    outcomes = []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(edits.BINARY)
    def damage(changes):
        path.write_bytes(edits.edited(data, changes))
        told = refusal(lambda path: errors(path) and content(path), path)
        assert '\n' not in told
        outcomes.append(bool(told))
        if not told and not errors(path):
            assert content(path) == sound

    damage()
    assert set(outcomes) == {True, False}


def test_a_structure_that_never_ends_is_left(path):
    make_heap_loop(as_version_1(path))
    start = time.perf_counter()
    with pytest.raises(InputError, match=rf"'{path}'.*computes .* without end"):
        validate(path)
    assert time.perf_counter() - start < 60  # Two seconds of computing.


def test_a_structure_that_crashes_is_told(path, tmp_path, monkeypatch):
    crash = tmp_path / 'python'
    crash.write_text('#!/bin/sh\nkill -SEGV $$\n')
    crash.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(crash))
    with pytest.raises(InputError, match=rf"'{path}'.*crashes on it \(status -11\)"):
        check_structure([path])


def test_a_sound_structure_needs_nothing_of_the_current_folder(
    good, tmp_path, monkeypatch
):
    for name in ('h5py', 'json', 'hetero_mmer'):
        (tmp_path / f'{name}.py').write_text('raise SystemExit(1)')
    monkeypatch.chdir(tmp_path)
    check_structure([good, good])


def test_a_refusal_of_the_structure_is_the_same_sentence(tmp_path):
    for name, path in hostile_stores(tmp_path):
        if name in ('virtual', 'deep_attrs'):
            words = 'is virtual' if name == 'virtual' else 'nested too deeply'
            told = refusal(lambda path: check_structure([path]), path)
            assert words in told
            assert words in refusal(Store, path)
            assert 'data validate' not in told
        path.unlink()


def test_other_commands_name_the_one_that_looks(path):
    with h5py.File(path, 'r+') as file:
        del file['about']
    with pytest.raises(InputError, match=rf"`validate\('{path}'\)`"):
        describe(path)
    with pytest.raises(InputError) as told:
        validate(path)
    assert 'hetero-mmer' not in str(told.value)


def test_a_store_that_is_being_written_is_told(path):
    with open(path, 'rb') as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # As HDF5 does.
        with pytest.raises(InputError, match='another process has it open to write'):
            Store(path)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'pipe.h5')
    for path, kind in (
        (tmp_path / 'pipe.h5', 'a pipe'),
        (tmp_path, 'a folder'),
        (Path('/dev/null'), 'a device'),
    ):
        for read in (Store, validate, describe):
            with pytest.raises(InputError, match=f"'{path}' is {kind}, not a file"):
                read(path)
