"""Files that ``torch.save`` wrote, read as arrays and without torch."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.files.input import Source, inflated_limit
from hetero_mmer.io.pickle.arrays import Refused, check_shape, read_exactly
from hetero_mmer.io.pickle.unpickler import Name, SafeUnpickler

_BUFFER: Final = 1 << 20
_MAGIC: Final = 0x1950A86A20F9469CFC6C

STORAGES: Final = {
    Name('torch', f'{name}Storage'): np.dtype(code)
    for name, code in {
        'Float': 'f4', 'Double': 'f8', 'Half': 'f2', 'Long': 'i8', 'Int': 'i4',
        'Short': 'i2', 'Char': 'i1', 'Byte': 'u1', 'Bool': '?',
        'ComplexFloat': 'c8', 'ComplexDouble': 'c16',
    }.items()
}  # fmt: skip


class _Storage:
    """The numbers of tensors, which are views of it; no pickle can change them."""

    def __init__(self, numbers: NDArray) -> None:
        self.numbers = numbers


class TensorUnpickler(SafeUnpickler):
    """Reads a pickle with tensors, whose numbers are bytes in it.

    Args:
        file: A buffered file.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._inert.update(STORAGES)

    def calls(self) -> dict[Name, Callable[..., Any]]:
        """Tensors too."""
        rebuild: dict[Name, Callable[..., Any]] = {
            Name('torch._utils', '_rebuild_tensor'): _tensor,
            Name('torch._utils', '_rebuild_tensor_v2'): _tensor,
            Name('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
            Name('torch.storage', '_load_from_bytes'): _from_bytes,
        }
        return {**super().calls(), **rebuild}


class _FileUnpickler(TensorUnpickler):
    """Reads a pickle with tensors, whose numbers are elsewhere in the file."""

    def __init__(
        self, file: BinaryIO, storage: Callable[[str, np.dtype, int], NDArray]
    ) -> None:
        super().__init__(file)
        self.storage = storage
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> Any:
        what, kind, key, _, count, *view = pid if type(pid) is tuple else [None] * 5
        if what != 'storage' or kind not in STORAGES or any(view):
            raise Refused(f'{kind or pid!r:.80} as an object outside of the pickle')
        if type(key) is not str or type(count) is not int or count < 0:
            raise Refused('a tensor without a size')
        if key not in self.storages:
            self.storages[key] = _Storage(self.storage(key, STORAGES[kind], count))
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


def _from_bytes(data: Any) -> Any:
    if type(data) is not bytes:
        raise Refused('a tensor of something else than bytes')
    return load_legacy(io.BytesIO(data))


def load_zip(path: Source, archive: zipfile.ZipFile) -> Any:
    """Reads a file of today; its arrays are mapped.

    Args:
        path: The file.
        archive: The same, opened.
    """
    members = {info.filename: info for info in archive.infolist()}
    inflated = sum(info.file_size for info in members.values())
    if inflated > inflated_limit(Path(path).stat().st_size):
        raise pickle.UnpicklingError(f'it inflates to {inflated} bytes')
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
        return _FileUnpickler(cast(BinaryIO, file), storage).load()


def load_legacy(file: BinaryIO) -> Any:
    """Reads a file from before torch 1.6: pickles in a row, then numbers by a list.

    Args:
        file: The file.
    """
    if SafeUnpickler(file).load() != _MAGIC:
        raise pickle.UnpicklingError('torch.save did not write it')
    SafeUnpickler(file).load()  # The version, which never changed.
    if not SafeUnpickler(file).load()['little_endian']:
        raise pickle.UnpicklingError('it comes from a big-endian machine')
    numbers: dict[str, NDArray] = {}

    def storage(key: str, dtype: np.dtype, count: int) -> NDArray:
        return numbers.setdefault(key, np.empty(count, dtype))

    loaded = _FileUnpickler(file, storage).load()
    for key in SafeUnpickler(file).load():
        array = numbers.pop(key)
        if int.from_bytes(read_exactly(file, 8), 'little') != len(array):
            raise pickle.UnpicklingError('the size of a tensor changes in it')
        array[:] = np.frombuffer(read_exactly(file, array.nbytes), array.dtype)
    if numbers:
        raise EOFError
    return loaded
