"""Foreign pickles, read without running anything that is in them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import math
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, cast

import numpy as np

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source, existing, inflated_limit
from hetero_mmer.io.pickle.arrays import Refused, check_shape, check_text, read_exactly
from hetero_mmer.io.pickle.torch_file import TensorUnpickler, load_legacy, load_zip
from hetero_mmer.io.pickle.unpickler import ARRAYS, Name, SafeUnpickler

#: First bytes of a compressed file, and what opens it.
_COMPRESSED: Final[dict[bytes, Callable[[Any], Any]]] = {
    b'\x1f\x8b': gzip.open,
    b'BZh': bz2.open,
    b'\xfd7zXZ\x00': lzma.open,
    b'\x5d\x00\x00': lzma.open,
    b'x\x01': lambda file: _Inflate(file),
    b'x\x5e': lambda file: _Inflate(file),
    b'x\x9c': lambda file: _Inflate(file),
    b'x\xda': lambda file: _Inflate(file),
}
_BUFFER: Final = 1 << 20


def load_pickle(path: Source) -> Any:
    """Reads a pickle, also a compressed one (gzip, bz2, xz, zlib).

    Its arrays may be read-only; tensors become arrays.

    Args:
        path: The file.

    Raises:
        InputError: For a file that is not a whole pickle, or that asks for anything
            but arrays, containers, numbers, strings and ``argparse.Namespace``.

    Example:
        >>> import pickle, tempfile
        >>> path = f'{tempfile.mkdtemp()}/toy.pkl'
        >>> with open(path, 'wb') as file:
        ...     pickle.dump({'train': np.ones(2)}, file)
        >>> load_pickle(path)
        {'train': array([1., 1.])}
    """
    with _reading(path) as file:
        return TensorUnpickler(file).load()


def load_joblib(path: Source) -> Any:
    """Reads what joblib 0.10 or newer dumped, compressed or not.

    Args:
        path: The file.

    Raises:
        InputError: As :func:`load_pickle`.
    """
    with _reading(path) as file:
        return _JoblibUnpickler(file).load()


def load_torch(path: Source) -> Any:
    """Reads what ``torch.save`` wrote, of today and before 1.6; tensors become arrays.

    Arrays of a file of today are mapped: they take memory when they are read.

    Args:
        path: The file.

    Raises:
        InputError: As :func:`load_pickle`.
    """
    with _reading(path, inflate=False) as file:  # Arrays are mapped where they lie.
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return load_zip(path, archive)
        file.seek(0)
        return load_legacy(file)


class _JoblibUnpickler(SafeUnpickler):
    """joblib writes the bytes of an array behind the pickled description of it."""

    objects = SafeUnpickler.objects | {
        Name('joblib.numpy_pickle', 'NumpyArrayWrapper'),
        Name('sklearn.externals.joblib.numpy_pickle', 'NumpyArrayWrapper'),
    }

    def calls(self) -> dict[Name, Callable[..., Any]]:
        calls = super().calls()
        return {**dict.fromkeys(self.objects, _Wrapper), **calls}

    def build(self, target: Any, state: Any) -> Any:
        if type(target) is not _Wrapper or type(state) is not dict:
            return super().build(target, state)
        shape, dtype = check_shape(state.get('shape')), state.get('dtype')
        kind, order = state.get('subclass'), state.get('order')
        if kind not in ARRAYS or order not in ('C', 'F'):
            raise Refused(f'an array of the class {kind}')
        if not isinstance(dtype, np.dtype):
            raise Refused('an array without a type')
        if dtype.hasobject:
            return _JoblibUnpickler(self.file).load()
        if state.get('numpy_array_alignment_bytes') is not None:  # From 1.2 on.
            read_exactly(self.file, read_exactly(self.file, 1)[0])
        data = read_exactly(self.file, math.prod(shape) * dtype.itemsize)
        array = check_text(np.frombuffer(data, dtype))
        return array.reshape(shape, order=order)


class _Wrapper:
    """Stands for an array until its bytes are read."""


class _Limited(io.RawIOBase):
    """Reads so many bytes of a file, and fails if there are more."""

    def __init__(self, file: Any, limit: int) -> None:
        self._file = file
        self._limit = self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # By parts: their readers take what is asked for twice.
        count = self._file.readinto(memoryview(buffer)[:_BUFFER])
        self._left -= count
        if self._left < 0:
            raise pickle.UnpicklingError(
                f'it inflates to more than {self._limit} bytes'
            )
        return count


class _Inflate(io.RawIOBase):
    """Reads a zlib stream, for which Python has no file object."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b''
        while not data and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(_BUFFER)
            if not packed:
                raise EOFError
            data = self._inflate.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _reading(path: Source, *, inflate: bool = True) -> Iterator[BinaryIO]:
    """The file without its compression; whatever goes wrong is one sentence."""
    try:
        with existing(path).open('rb') as raw:
            start = raw.peek(8)
            for magic, opener in _COMPRESSED.items():
                if inflate and start.startswith(magic):
                    limit = inflated_limit(os.fstat(raw.fileno()).st_size)
                    inflated = _Limited(opener(raw), limit)
                    file = cast(BinaryIO, io.BufferedReader(inflated, _BUFFER))
                    break
            else:
                file = raw
            yield file
    except InputError:
        raise
    except Refused as error:
        raise InputError(
            f"'{path}' asks for {_plain(error)}: only arrays, containers, numbers and "
            f'strings are read, and nothing of it was run'
        ) from error
    except (EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"'{path}' ends too early: part of a download, perhaps"
        ) from error
    except MemoryError as error:
        raise InputError(f"'{path}' needs more memory than there is") from error
    except Exception as error:  # A stream of bytes can go wrong in many ways.
        raise InputError(
            f"'{path}' cannot be read as a pickle ({type(error).__name__}: "
            f'{_plain(error)})'
        ) from error


def _plain(error: Exception) -> str:
    """What an error says, which may quote the file, on one short line."""
    text = ''.join(c if c.isprintable() else ' ' for c in str(error))
    return f'{" ".join(text.split()):.200}'
