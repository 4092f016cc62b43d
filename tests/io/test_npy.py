"""Damaged and hostile arrays; good ones are read as NumPy reads them."""

from __future__ import annotations

import io
import resource
import struct
import zipfile

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.npy import Archive, read_npy

GOOD = (
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.arange(6, dtype='>f4')[::2],
    np.zeros((0, 5), np.int8),
    np.array(True),
)


def packed(header: str, data: bytes = b'', version: bytes = b'\x01\x00') -> bytes:
    """An .npy with any header."""
    kind = '<H' if version == b'\x01\x00' else '<I'
    return (
        b'\x93NUMPY' + version + struct.pack(kind, len(header)) + header.encode() + data
    )


def header(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize('array', GOOD)
@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_good_arrays_are_read(tmp_path, array, save):
    np.save(tmp_path / 'a.npy', array)
    save(tmp_path / 'a.npz', one=array, two=array * 1)
    archive = Archive(tmp_path / 'a.npz')
    assert archive.names == ['one', 'two']
    for found in (read_npy(tmp_path / 'a.npy'), archive.read('one')):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.flags.writeable
    archive.close()


def test_a_header_of_python_2_is_read_without_a_word(tmp_path, recwarn):
    (tmp_path / 'a.npy').write_bytes(packed(header('(2L,)'), bytes(16)))
    assert read_npy(tmp_path / 'a.npy').tolist() == [0, 0]
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'magic'),
        (packed("{'descr': (((\x00"), 'is not an array'),
        (packed('(' * 5000), 'is not an array'),
        (packed('-' * 9000 + '1'), 'is not an array'),
        (packed(header("('a',)")), 'shape is not valid'),
        (packed(header('(1000000000000,)'), bytes(80)), 'declares 8000000000000 bytes'),
        (packed(header('(2, -1, -4)'), bytes(80)), 'declares the shape'),
        (packed(header('(1' + '0' * 400 + ',)', "'<U0'")), 'is not an array'),
        (packed(header('(2,)', "'|O'")), 'Python objects'),
        (packed(header('(20,)'), bytes(80)), 'declares 160 bytes'),
        (packed(header('(5,)'), bytes(39)), 'it ends after 39 of 40 bytes'),
        (packed(header('(5,)'), bytes(40), b'\x03\x00'), 'version 3.0'),
        (packed(' ' * 60_000), 'is not an array'),
    ],
)
def test_damaged_arrays_are_one_sentence(tmp_path, data, message):
    path = tmp_path / 'a.npy'
    path.write_bytes(data)
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as file:
        file.writestr('a.npy', data)
    for read in (lambda: read_npy(path), lambda: Archive(tmp_path / 'a.npz').read('a')):
        with pytest.raises(InputError, match=message) as told:
            read()
        assert '\n' not in str(told.value)


def test_an_archive_that_inflates_to_much_more_is_refused(tmp_path):
    path, size = tmp_path / 'a.npz', 200 << 20
    with (
        zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file,
        file.open('a.npy', 'w') as member,
    ):
        member.write(packed(header(f'({size // 8},)')))
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=f"'a' of '.*a.npz' .*declares {size} bytes"):
        Archive(path).read('a')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_zeros_that_pack_well_are_read(tmp_path):
    np.savez_compressed(tmp_path / 'a.npz', a=np.zeros((1000, 2000)))
    assert (tmp_path / 'a.npz').stat().st_size < 20_000
    assert not Archive(tmp_path / 'a.npz').read('a').any()


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path, method):
    data = io.BytesIO()
    np.save(data, np.ones(3))
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w', method) as file:
        file.writestr('a.npy', data.getvalue())
    with pytest.raises(InputError, match='compressed in another way'):
        Archive(tmp_path / 'a.npz').read('a')


def test_any_changed_byte_of_an_array_in_an_archive_is_told(tmp_path):
    path = tmp_path / 'a.npz'
    for save in (np.savez, np.savez_compressed):
        save(path, a=np.arange(40.0))
        data = path.read_bytes()
        with zipfile.ZipFile(path) as file:
            size = file.getinfo('a.npy').compress_size
        start = data.index(b'PK\x01\x02') - size
        for place in range(start, start + size, 7):
            path.write_bytes(
                data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
            )
            with pytest.raises(InputError, match=r"'a' of '.*a\.npz'"):
                Archive(path).read('a')


def test_a_member_that_is_encrypted_is_told(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, a=np.ones(3))
    data = bytearray(path.read_bytes())
    for mark, flags in ((b'PK\x01\x02', 8), (b'PK\x03\x04', 6)):
        data[data.index(mark) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match='encrypted'):
        Archive(path).read('a')
