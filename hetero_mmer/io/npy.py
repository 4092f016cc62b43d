"""Arrays in NumPy's files, believed only as far as the files are long."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import check_file, inflated_limit

#: The longest header that NumPy reads, and more.
_HEADER: Final = 1 << 14
_BLOCK: Final = 1 << 20
_ZIP: Final = b'PK'
_PICKLE: Final = b'\x80'


class _Refused(Exception):
    """What is wrong with a file."""


class Archive:
    """The arrays of an ``.npz``, by name.

    Args:
        path: The file.

    Raises:
        InputError: For a file that cannot be read, or is no archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(f"'{path}'"):
            self._length = check_file(path).stat().st_size
            with path.open('rb') as file:
                start = file.read(len(npy.MAGIC_PREFIX))
            if start == npy.MAGIC_PREFIX:
                raise _other(path)
            if start.startswith(_PICKLE):
                raise _Refused('it holds Python objects, which are never loaded')
            self._archive = zipfile.ZipFile(path)
        members = self._archive.infolist()
        self._members = {one.filename.removesuffix('.npy'): one for one in members}

    @property
    def names(self) -> list[str]:
        """Of its arrays, without ``.npy``."""
        return list(self._members)

    def read(self, name: str) -> NDArray:
        """An array.

        Args:
            name: Its name.

        Raises:
            InputError: If it is damaged, compressed as NumPy never does, or larger than
                the archive by far.
        """
        one = self._members[name]
        with _reading(f"'{name}' of '{self.path}'"):
            if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _Refused('it is compressed in another way than deflated')
            with self._archive.open(one) as file:
                limit = min(one.file_size, inflated_limit(self._length))
                array = _read(cast(io.BufferedIOBase, file), limit)
                file.read(1)  # At the end its checksum is looked at.
                return array

    def close(self) -> None:
        """Closes the file."""
        self._archive.close()


def read_npy(path: Path) -> NDArray:
    """The array of an ``.npy``.

    Args:
        path: The file.

    Raises:
        InputError: For a file that cannot be read, or is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), 'a.npy')
        >>> np.save(path, [1, 2])
        >>> read_npy(path)
        array([1, 2])
    """
    with _reading(f"'{path}'"), check_file(path).open('rb') as file:
        if file.peek(len(_ZIP)).startswith(_ZIP):
            raise _other(path)
        return _read(file, path.stat().st_size)


def _read(file: io.BufferedIOBase, length: int) -> NDArray:
    """Reads an array from a file of a length."""
    start = io.BytesIO(file.read(_HEADER))
    shape, fortran, dtype = _header(start)
    size = math.prod(shape) * dtype.itemsize
    if size > length:
        raise _Refused(
            f'it declares {size} bytes of the shape {list(shape)!s:.80}, and there is '
            f'room for {length}'
        )
    data = memoryview(bytearray(size))
    done = start.readinto(data)
    while done < size and (count := file.readinto(data[done : done + _BLOCK])):
        done += count
    if done < size:
        raise _Refused(f'it ends after {done} of {size} bytes')
    array: NDArray = np.ndarray(shape, dtype, data, order='F' if fortran else 'C')
    return array


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    if file.getbuffer()[:1] == _PICKLE:
        raise _Refused('it holds Python objects, which are never loaded')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Of Python 2, or old names of types.
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(file)
        else:  # Those of version 3 have named fields.
            raise _Refused(f'its format is of version {version[0]}.{version[1]}')
    if dtype.hasobject:
        raise _Refused('it holds Python objects, which are never loaded')
    if any(size < 0 for size in shape):
        raise _Refused(f'it declares the shape {list(shape)!s:.80}')
    return shape, fortran, dtype


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Whatever goes wrong is one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Each layer of the format has errors of its own.
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise InputError(
            f'{where} is not an array of numbers ({reason:.200})'
        ) from error


def _other(path: Path) -> InputError:
    return InputError(
        f"an .npy holds one array and an .npz several, but '{path}' is the other one "
        f'of the two'
    )
