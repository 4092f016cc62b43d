from __future__ import annotations

import os
import socket

import numpy as np
import pytest

from hetero_mmer.datasets.own.arrays import OwnArrays
from hetero_mmer.errors import InputError
from hetero_mmer.files.input import check_file, existing
from hetero_mmer.files.unique_yaml import read_yaml
from hetero_mmer.io.pickle.load import load_joblib, load_pickle, load_torch
from hetero_mmer.io.text_file import read_text
from hetero_mmer.store.fitted import read_encoders


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / 'pipe.npz')
    return tmp_path / 'pipe.npz'


@pytest.mark.parametrize(
    'read',
    [
        *(check_file, existing, read_text, load_pickle, load_joblib, load_torch),
        *(read_encoders, read_yaml, lambda path: OwnArrays('text', path, ['a'])),
    ],
)
def test_a_pipe_is_never_waited_for(pipe, read):
    with pytest.raises(InputError, match=r"pipe\.npz' is a pipe, not a file"):
        read(pipe)


def test_a_folder_with_a_pipe_for_an_array(tmp_path):
    os.mkfifo(tmp_path / 'a.npy')
    with pytest.raises(InputError, match=r"a\.npy' is no file that can be read"):
        OwnArrays('text', tmp_path, ['a'])


def test_kinds_of_files(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / 's'))
        with pytest.raises(InputError, match="s' is a socket, not a file"):
            check_file(tmp_path / 's')
    with pytest.raises(InputError, match=r'/dev/zero.* is a device'):
        existing('/dev/zero')
    with pytest.raises(InputError, match="none': No such file"):
        check_file(tmp_path / 'none')
    with pytest.raises(InputError, match='null'):
        check_file('a\0b')
    np.save(tmp_path / 'a.npy', np.ones(1))
    (tmp_path / 'link').symlink_to(tmp_path / 'a.npy')
    assert check_file(tmp_path / 'link') == tmp_path / 'link'
    assert existing(tmp_path) == tmp_path
