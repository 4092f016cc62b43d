from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from hetero_mmer.input import check_file
from hetero_mmer.sources.common import existing
from hetero_mmer.typing import InputError

#: What numpy raises for a file that is cut, broken, or holds Python objects.
_UNREADABLE: Final = (
    *(ValueError, OSError, EOFError, KeyError, MemoryError, BadZipFile, zlib.error),
)


class OwnArrays:
    """The arrays of a modality: a folder of ``<id>.npy``, or an ``.npz``.

    Args:
        modality: Its name.
        path: The folder or archive.
        ids: The samples that are wanted.

    Raises:
        InputError: If there is no such thing, or nothing in it is wanted.
    """

    def __init__(self, modality: str, path: Path, ids: Sequence[str]) -> None:
        self.modality = modality
        self.path = existing(path)
        self.num_missing = 0
        self._archive: Any = None
        if path.is_dir():
            found = [p.name for p in path.iterdir() if not p.name.startswith('.')]
            names = {f'{id_}.npy': id_ for id_ in ids}
        elif path.suffix == '.npz':
            self._archive = _load(path, NpzFile)
            found, names = self._archive.files, {id_: id_ for id_ in ids}
        else:
            raise InputError(
                f"the arrays of '{modality}' lie in a folder of .npy files or in an "
                f".npz (got '{path}')"
            )
        self.ids = {names[name] for name in found if name in names}
        self.extra = sorted(name for name in found if name not in names)
        for id_ in ids:
            if (array := self._array(id_)) is not None:
                self.first, self.channels = id_, array.shape[1]
                return
        raise InputError(
            f"'{path}' has items for some row of the table, such as "
            f"'{next(iter(names))}' (got {len(self.extra)} other entries)"
        )

    def close(self) -> None:
        """Closes the archive, if it is one."""
        if self._archive is not None:
            self._archive.close()

    def read(self, id_: str) -> NDArray | None:
        """The items of a sample, [S, F]; None if it lacks the modality.

        Args:
            id_: The sample.

        Raises:
            InputError: For anything but an array of numbers, as wide as the others.
        """
        array = self._array(id_)
        self.num_missing += array is None
        if array is not None and array.shape[1] != self.channels:
            raise InputError(
                f"items of '{self.modality}' are {self.channels} wide, as in "
                f'{self._where(self.first)}, but {array.shape[1]} wide in '
                f'{self._where(id_)}'
            )
        return array

    def notes(self) -> Iterator[str]:
        """What is missing, and what is too much."""
        if self.num_missing:
            yield f"{self.num_missing} rows of the table have no '{self.modality}'"
        if self.extra:
            some = ', '.join(self.extra[:3]) + (', ...' if self.extra[3:] else '')
            yield (
                f"{len(self.extra)} entries of '{self.path}' belong to no row of the "
                f'table ({some})'
            )

    def _array(self, id_: str) -> NDArray | None:
        if id_ not in self.ids:
            return None
        where = self._where(id_)
        if self._archive is None:
            array = _load(self.path / f'{id_}.npy', np.ndarray)
        else:
            try:
                array = self._archive[id_]
            except _UNREADABLE as error:
                raise _unreadable(where, error) from error
        if array.dtype.kind not in 'biuf':
            raise InputError(
                f"arrays hold numbers (got type '{array.dtype}' in {where})"
            )
        if array.ndim == 1 and len(array):
            array = array[None]
        if array.ndim == 1 or array.shape[:1] == (0,):
            return None
        if array.ndim != 2 or not array.shape[1]:
            raise InputError(
                f"an array of '{self.modality}' has the shape [S, F], or [F] for one "
                f'item (got {list(array.shape)} in {where})'
            )
        return array

    def _where(self, id_: str) -> str:
        if self._archive is None:
            return f"'{self.path / id_}.npy'"
        return f"'{id_}' of '{self.path}'"


def _load(path: Path, expected: type) -> Any:
    try:
        found = np.load(check_file(path), allow_pickle=False)
    except _UNREADABLE as error:
        raise _unreadable(f"'{path}'", error) from error
    if not isinstance(found, expected):
        raise InputError(
            f"an .npy holds one array and an .npz several, but '{path}' is the other "
            f'one of the two'
        )
    return found


def _unreadable(where: str, error: BaseException) -> InputError:
    reason = ' '.join(str(error).split()) or type(error).__name__
    if 'allow_pickle' in reason:
        reason = 'it holds Python objects, which are never loaded'
    return InputError(f'{where} is not an array of numbers ({reason})')
