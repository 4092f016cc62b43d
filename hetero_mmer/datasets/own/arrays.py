from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import existing
from hetero_mmer.io.ids import match
from hetero_mmer.io.inside import file_inside, refuse_linked_folders
from hetero_mmer.io.npy import Archive, read_npy


class OwnArrays:
    """The arrays of a modality: a folder of ``<id>.npy``, or an ``.npz``.

    Ids may be written with other capitals, or in another Unicode form, where that
    leaves no doubt.

    Args:
        modality: Its name.
        path: The folder or archive.
        ids: The samples that are wanted.
        channels: How wide items are, if it is known: then no sample needs to have any.

    Raises:
        InputError: If there is no such thing, or nothing in it is wanted.
    """

    def __init__(
        self,
        modality: str,
        path: Path,
        ids: Sequence[str],
        channels: int | None = None,
    ) -> None:
        self.modality = modality
        self.path = existing(path)
        self.missing: list[str] = []
        self._archive: Archive | None = None
        if path.is_dir():
            refuse_linked_folders(path, ids)
            found, end = _files(path), '.npy'
            names = {n[: -len(end)]: n for n in found if n.lower().endswith(end)}
        elif path.suffix == '.npz':
            self._archive = Archive(path)
            found, end = self._archive.names, ''
            names = {name: name for name in found}
        else:
            raise InputError(
                f"the arrays of '{modality}' lie in a folder of .npy files or in an "
                f".npz (got '{path}')"
            )
        self._match = match(ids, names, f"'{path}'")
        self._names = {id_: names[name] for id_, name in self._match.names.items()}
        taken = set(self._names.values())
        self.extra = sorted(name for name in found if name not in taken)
        #: The first sample that has items; None if none has.
        self.first: str | None = None
        for id_ in ids:
            if (array := self._array(id_)) is not None:
                self.first, self.channels = id_, array.shape[1]
                return
        if channels is not None and (self._names or not found):
            self.channels = channels
            return
        one = next((id_ for id_ in ids if id_ in self._match.guesses), ids[0])
        hint = self._match.hint(one) if one in self._match.guesses else ''
        raise InputError(
            f"'{path}' has items for some row of the table, such as '{one}{end}' (got "
            f'{len(self.extra)} other entries{self._some_extra(", ")}){hint}'
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
        self.missing += [id_] if array is None else []
        if array is not None and array.shape[1] != self.channels:
            raise InputError(
                f"items of '{self.modality}' are {self.channels} wide, as in "
                f'{self._where(self.first or id_)}, but {array.shape[1]} wide in '
                f'{self._where(id_)}'
            )
        return array

    def hint(self, id_: str) -> str:
        """How a sentence goes on that says of a sample that it lacks the modality.

        Args:
            id_: The sample.
        """
        return self._match.hint(id_)

    def notes(self) -> Iterator[str]:
        """What is missing, and what is too much."""
        yield from self._match.notes
        if self.missing:
            guessed = [id_ for id_ in self.missing if id_ in self._match.guesses]
            one = (guessed or self.missing)[0]
            hint = self._match.hint(one)
            yield (
                f'{"WARNING: " * bool(guessed)}{len(self.missing)} rows of the table '
                f"have no '{self.modality}'{hint and f', such as {one!r}{hint}'}"
            )
        if self.extra:
            yield (
                f"{len(self.extra)} entries of '{self.path}' belong to no row of the "
                f'table{self._some_extra(" (")})'
            )

    def _some_extra(self, before: str) -> str:
        some = [*self.extra[:3], *['...'] * (len(self.extra) > 3)]
        return before + ', '.join(some) if some else ''

    def _array(self, id_: str) -> NDArray | None:
        if id_ not in self._names:
            return None
        where, name = self._where(id_), self._names[id_]
        if self._archive is None:
            array = read_npy(file_inside(self.path, name))
        else:
            array = self._archive.read(name)
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
            return f"'{self.path / self._names[id_]}'"
        return f"'{self._names[id_]}' of '{self.path}'"


def _files(folder: Path) -> list[str]:
    """All files in a folder and in those within it, but for hidden ones."""
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [Path(where, name) for name in names if not name.startswith('.')]
    return sorted(path.relative_to(folder).as_posix() for path in found)
