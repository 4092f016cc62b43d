"""Foreign pickles, read without running anything that is in them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.sources.common import Source, existing
from hetero_mmer.sources.safe_arrays import Refused, check_shape
from hetero_mmer.sources.safe_unpickler import (
    ARRAYS,
    Name,
    SafeUnpickler,
)
from hetero_mmer.typing import InputError

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

    Its arrays may be read-only.

    Args:
        path: The file.

    Raises:
        InputError: For a file that is not a whole pickle, or that asks for anything
            but arrays, containers, numbers, strings and ``argparse.Namespace``.

    Example:
        >>> import tempfile
        >>> path = f'{tempfile.mkdtemp()}/toy.pkl'
        >>> with open(path, 'wb') as file:
        ...     pickle.dump({'train': np.ones(2)}, file)
        >>> load_pickle(path)
        {'train': array([1., 1.])}
    """
    with _reading(path) as file:
        return SafeUnpickler(file).load()


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
    with _reading(path) as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return _load_torch_zip(path, archive)
        file.seek(0)
        return _load_torch_legacy(file)


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
            _read(self.file, _read(self.file, 1)[0])
        array = np.frombuffer(
            _read(self.file, math.prod(shape) * dtype.itemsize), dtype
        )
        return array.reshape(shape, order=order)


class _Wrapper:
    """Stands for an array until its bytes are read."""


class _Storage:
    """The numbers of tensors, which are views of it; no pickle can change them."""

    def __init__(self, numbers: NDArray) -> None:
        self.numbers = numbers


class _TorchUnpickler(SafeUnpickler):
    """torch writes the numbers of tensors beside the pickle."""

    STORAGES: Final = {
        Name('torch', f'{name}Storage'): np.dtype(code)
        for name, code in {
            'Float': 'f4', 'Double': 'f8', 'Half': 'f2', 'Long': 'i8', 'Int': 'i4',
            'Short': 'i2', 'Char': 'i1', 'Byte': 'u1', 'Bool': '?',
            'ComplexFloat': 'c8', 'ComplexDouble': 'c16',
        }.items()
    }  # fmt: skip

    def __init__(
        self, file: BinaryIO, storage: Callable[[str, np.dtype, int], NDArray]
    ) -> None:
        super().__init__(file)
        self.storage = storage
        self.storages: dict[str, _Storage] = {}
        self._inert.update(self.STORAGES)

    def calls(self) -> dict[Name, Callable[..., Any]]:
        rebuild = {
            Name('torch._utils', '_rebuild_tensor'): _tensor,
            Name('torch._utils', '_rebuild_tensor_v2'): _tensor,
            Name('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
        }
        return {**super().calls(), **rebuild}

    def persistent_load(self, pid: Any) -> Any:
        what, kind, key, _, count, *view = pid if type(pid) is tuple else [None] * 5
        if what != 'storage' or kind not in self.STORAGES or any(view):
            raise Refused(f'{kind or pid!r:.80} as an object outside of the pickle')
        if type(key) is not str or type(count) is not int or count < 0:
            raise Refused('a tensor without a size')
        if key not in self.storages:
            self.storages[key] = _Storage(self.storage(key, self.STORAGES[kind], count))
        return self.storages[key]


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> NDArray:
    if type(storage) is not _Storage or len(check_shape(shape)) != len(strides):
        raise Refused('a tensor without numbers')
    numbers, (offset,) = storage.numbers, check_shape((offset,))
    steps = zip(shape, check_shape(strides), strict=True)
    stop = offset + 1 + sum((size - 1) * step for size, step in steps)
    if 0 in shape:
        return np.empty(shape, numbers.dtype)
    if stop > len(numbers):
        raise Refused(f'{stop} numbers of a tensor that has {len(numbers)}')
    return np.lib.stride_tricks.as_strided(
        numbers[offset:stop], shape, [numbers.itemsize * step for step in strides]
    )


def _load_torch_zip(path: Source, archive: zipfile.ZipFile) -> Any:
    members = {info.filename: info for info in archive.infolist()}
    mains = [name for name in members if name.endswith('/data.pkl')]
    if len(mains) != 1:
        raise pickle.UnpicklingError('it is a zip file without one data.pkl')
    folder = mains[0].removesuffix('data.pkl')
    order: Literal['<', '>'] = '<'
    if f'{folder}byteorder' in members:
        order = '>' if archive.read(f'{folder}byteorder') == b'big' else '<'

    def storage(key: str, dtype: np.dtype, count: int) -> NDArray:
        info, dtype = members[f'{folder}data/{key}'], dtype.newbyteorder(order)
        if info.file_size < count * dtype.itemsize:
            raise EOFError
        if info.compress_type != zipfile.ZIP_STORED or not count:
            return np.frombuffer(archive.read(info), dtype, count)
        with open(path, 'rb') as file:  # The name and an extra field come first.
            file.seek(info.header_offset + 26)
            sizes = struct.unpack('<HH', file.read(4))
        start = info.header_offset + 30 + sum(sizes)
        return np.memmap(path, dtype, 'r', start, (count,))

    with archive.open(mains[0]) as raw:
        file = io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER)
        return _TorchUnpickler(cast(BinaryIO, file), storage).load()


def _load_torch_legacy(file: BinaryIO) -> Any:
    """Before torch 1.6: pickles in a row, then the numbers in the order of a list."""
    if SafeUnpickler(file).load() != 0x1950A86A20F9469CFC6C:
        raise pickle.UnpicklingError('torch.save did not write it')
    SafeUnpickler(file).load()  # The version, which never changed.
    if not SafeUnpickler(file).load()['little_endian']:
        raise pickle.UnpicklingError('it comes from a big-endian machine')
    numbers: dict[str, NDArray] = {}

    def storage(key: str, dtype: np.dtype, count: int) -> NDArray:
        return numbers.setdefault(key, np.empty(count, dtype))

    loaded = _TorchUnpickler(file, storage).load()
    for key in SafeUnpickler(file).load():
        array = numbers.pop(key)
        if int.from_bytes(_read(file, 8), 'little') != len(array):
            raise pickle.UnpicklingError('the size of a tensor changes in it')
        array[:] = np.frombuffer(_read(file, array.nbytes), array.dtype)
    if numbers:
        raise EOFError
    return loaded


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data


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
def _reading(path: Source) -> Iterator[BinaryIO]:
    """The file without its compression; whatever goes wrong is one sentence."""
    try:
        with existing(path).open('rb') as raw:
            start = raw.peek(8)
            for magic, opener in _COMPRESSED.items():
                if start.startswith(magic):
                    file = io.BufferedReader(opener(raw), _BUFFER)
                    break
            else:
                file = raw
            yield cast(BinaryIO, file)
    except InputError:
        raise
    except Refused as error:
        raise InputError(
            f"'{path}' asks for {error}: only arrays, containers, numbers and strings "
            f'are read, and nothing of it was run'
        ) from error
    except (EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"'{path}' ends too early: part of a download, perhaps"
        ) from error
    except MemoryError as error:
        raise InputError(f"'{path}' needs more memory than there is") from error
    except Exception as error:  # A stream of bytes can go wrong in many ways.
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise InputError(
            f"'{path}' cannot be read as a pickle ({reason:.200})"
        ) from error
