"""Computational sequences that are made to do harm, or that a disk has damaged."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings

from hetero_mmer.datasets.mosei.cmu_mosei import convert
from hetero_mmer.datasets.mosei.csd_roles import find_roles
from hetero_mmer.errors import InputError
from hetero_mmer.io.csd import CsdFile

sys.path.insert(0, str(Path(__file__).parents[2] / 'fuzz'))
import edits
from hostile import make_heap_loop, refusal
from hostile_csd import hostile_csd, write_good_csd


@pytest.fixture
def path(tmp_path):
    return write_good_csd(tmp_path / 'a.csd')


def read_all(path):
    with CsdFile(path) as file:
        parts = [file.root, file.metadata, file.attributes]
        parts += [file.read_parts(video) for video in file.videos]
        return repr(parts)


def test_hostile_files_get_a_sentence_and_no_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {name: refusal(read_all, path) for name, path in hostile_csd(tmp_path)}
    for name, sentence in told.items():
        assert str(tmp_path / f'{name}.csd') in sentence, name
        assert '\n' not in sentence, name
    assert all(
        'link to elsewhere' in told[n] for n in ('external_link', 'external_root')
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_metadata_that_leads_back_to_itself_is_read_once(path):
    with h5py.File(path, 'r+') as file:
        about = file['glove_vectors/metadata']
        for i in range(20):
            about[f'again {i}'] = about
            about[f'file {i}'] = file['/']
    with CsdFile(path) as file:
        assert file.metadata['dimension names'] == ['a', 'b', 'c']


@pytest.mark.parametrize(
    'text', ['[' * 100_000, '{"a":' * 100_000, '[],' * 2_000_000, '(' * 3_000_000]
)
def test_metadata_of_any_depth_and_size_are_text(path, text):
    with h5py.File(path, 'r+') as file:
        file['glove_vectors/metadata/more'] = np.bytes_(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with CsdFile(path) as file:
        assert file.metadata['more'] == text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_strings_that_declare_gigabytes_are_refused(path):
    with h5py.File(path) as file:
        offset = file['glove_vectors/metadata/dimension names'].id.get_offset()
    with open(path, 'rb+') as file:
        file.seek(offset)
        file.write((2**32 - 1).to_bytes(4, 'little'))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 'declares strings of 4294967295 bytes' in refusal(read_all, path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_file_that_never_ends_is_left(path, tmp_path):
    make_heap_loop(path)
    with pytest.raises(InputError, match=rf"'{path}'.* computes .* without end"):
        find_roles([path], {})
    with pytest.raises(InputError, match=rf"'{path}'.* computes .* without end"):
        convert([tmp_path], tmp_path / 'out.h5')
    assert not (tmp_path / 'out.h5').exists()


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'a.csd')
    for sources in ([tmp_path / 'a.csd'], [tmp_path]):
        with pytest.raises(InputError, match=r"a\.csd' is a pipe, not a file"):
            find_roles(sources, {})


def test_damage_is_one_sentence(path, tmp_path):
    data = path.read_bytes()
    bad = tmp_path / 'bad.csd'
    outcomes = []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(edits.BINARY)
    def damage(changes):  # None of these makes HDF5 loop.
        bad.write_bytes(edits.edited(data, changes))
        told = refusal(read_all, bad)
        assert '\n' not in told
        outcomes.append(bool(told))

    damage()
    assert set(outcomes) == {True, False}
