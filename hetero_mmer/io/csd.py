"""Computational sequences: the CMU-MultimodalSDK's ``.csd`` files, without the SDK.

================================= ============================================
``/<root>/data/<video>/features`` [T, F] numbers
``/<root>/data/<video>/intervals``  [T, 2] start and end in seconds
``/<root>/metadata/<key>``        [1] JSON text
================================= ============================================
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, reason
from hetero_mmer.features.alignment import Items, Parts
from hetero_mmer.files.input import Source, existing
from hetero_mmer.files.plain import parse_json
from hetero_mmer.io import safe_h5
from hetero_mmer.io.ids import Match

#: A text of metadata, such as the names of thousands of columns.
_LONGEST: Final = 1 << 20

#: What the SDK calls an entry it has aligned: the video, and a number in brackets.
_PART: Final = re.compile(r'(.+)\[([0-9]{1,9})\]', re.DOTALL)


class CsdFile:
    """One ``.csd`` file, read video by video.

    Entries ``<video>[0]``, ``<video>[1]``, ... of a file that the SDK has aligned are
    parts of one video, in the order of their numbers. Other brackets in an id mean
    nothing.

    Args:
        path: The file.
        words: Whether its features may be words, ``[T, 1]`` byte strings, which
            :meth:`read_words` reads.

    Raises:
        InputError: For a file that is cut off, not HDF5, or laid out in another way.
    """

    def __init__(self, path: Source, *, words: bool = False) -> None:
        self.path = existing(path)
        self._kinds = 'iufS' if words else 'iuf'
        try:
            self._file = safe_h5.open_h5(self.path)
        except InputError:
            raise
        except safe_h5.DAMAGE as error:
            problem = 'is not an HDF5 file'
            if 'truncated' in str(error):
                problem = 'is cut off, probably by a download that did not finish'
            raise InputError(f"'{self.path}' {problem} ({error})") from error
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def _load(self) -> None:
        with self._reading():
            roots = list(self._file)
            found = [root for root in roots if self._has_data(root)]
            if not found:
                raise InputError(
                    f"a .csd file has a root with the 'data' of videos, but the roots "
                    f"of '{self.path}' are {roots}"
                )
            if len(found) > 1:
                raise InputError(
                    f"a .csd file is one sequence, but '{self.path}' has the data of "
                    f'{len(found)}, {found}: write each to a file of its own'
                )
            #: Name of the root group: what the file calls itself.
            self.root: str = found[0]
            self._data = safe_h5.child(self._file, f'{self.root}/data')
            self._entries = self._numbered(list(self._data))
        first = next(iter(next(iter(self._entries.values())).values()))
        features, _ = self._datasets(first)
        #: Width of a row.
        self.channels: int = features.shape[1]
        #: Whether the rows are words.
        self.holds_words: bool = features.dtype.kind == 'S'

    def _has_data(self, root: str) -> bool:
        """Whether a group has the data of a video."""
        group = safe_h5.child(self._file, root)
        if not isinstance(group, h5py.Group) or 'data' not in group:
            return False
        data = safe_h5.child(group, 'data')
        return isinstance(data, h5py.Group) and bool(len(data))

    def _numbered(self, entries: Sequence[str]) -> dict[str, dict[int, str]]:
        """The entries of each video by their numbers, which ascend."""
        if unreadable := [entry for entry in entries if isinstance(entry, bytes)]:
            raise InputError(
                f"the entries of '{self.path}' have names in UTF-8 "
                f'(got {unreadable[0]!r})'
            )
        parts = [(entry, _PART.fullmatch(entry)) for entry in entries]
        plain = [entry for entry, part in parts if part is None]
        #: Whether the SDK has aligned the file: its entries are parts of videos.
        self.is_aligned: bool = not plain
        if plain and len(plain) < len(parts):
            other = next(entry for entry, part in parts if part)
            raise InputError(
                f"the entries of '{self.path}' are videos, or parts of videos that the "
                f"SDK has aligned (called '<video>[0]', ...), but '{plain[0]}' and "
                f"'{other}' are there"
            )
        if plain:
            return {entry: {0: entry} for entry in plain}
        found: dict[str, dict[int, str]] = {}
        for entry, part in parts:
            video, number = part.groups() if part else (entry, 0)
            same = found.setdefault(video, {}).setdefault(int(number), entry)
            if same != entry:
                raise InputError(
                    f"'{same}' and '{entry}' of '{self.path}' have one number"
                )
        return {video: dict(sorted(e.items())) for video, e in found.items()}

    @property
    def videos(self) -> tuple[str, ...]:
        """Ids of the videos, in the order of the file."""
        return tuple(self._entries)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about itself; empty where it says nothing."""
        with self._reading('metadata'):
            groups = (safe_h5.child(self._file, self.root), self._file)
            names = [(group, name) for group in groups for name in group]
            found = [
                safe_h5.child(group, name)
                for group, name in names
                if plain_name(name) == 'metadata'
            ]
            metadata = _read_metadata(found[0], set()) if found else {}
        return metadata if isinstance(metadata, dict) else {}

    @property
    def attributes(self) -> dict[str, Any]:
        """HDF5 attributes of the file, its root and the groups of that."""
        with self._reading('attributes'):
            root = safe_h5.child(self._file, self.root)
            nodes = (self._file, root, *(safe_h5.child(root, name) for name in root))
            return {
                name: _decode(safe_h5.attribute(node, name))
                for node in nodes
                for name in node.attrs
            }

    def __contains__(self, video: object) -> bool:
        return video in self._entries

    def rename(self, found: Match) -> None:
        """Calls videos as another file does.

        Args:
            found: Which of its videos are here.
        """
        self._entries = found.rename(self._entries)

    def read(self, video: str) -> Items:
        """The rows of a video in the order of the file, and their times.

        Args:
            video: Its id.

        Raises:
            InputError: For a video that is not there, damaged, or of another shape.
        """
        features, intervals, *_ = self.read_parts(video)
        return Items(features, intervals)

    def read_parts(self, video: str) -> Parts:
        """The same, with what belongs to which entry; a file of videos has one of each.

        Args:
            video: Its id.

        Raises:
            InputError: As :meth:`read`.
        """
        if video not in self:
            raise InputError(f"'{self.path}' has no video '{video}'")
        numbers = np.array(list(self._entries[video]), np.int64)
        features, intervals = [], []
        for entry in self._entries[video].values():
            rows, times = self._datasets(entry)
            with self._reading(entry):
                features.append(_floats(safe_h5.read_array(rows, 'iuf')))
                intervals.append(safe_h5.read_array(times, 'iuf').astype(np.float64))
        ptr = np.concatenate([[0], np.cumsum([len(rows) for rows in features])])
        if len(features) == 1:
            return Parts(features[0], intervals[0], ptr, numbers)
        return Parts(np.concatenate(features), np.concatenate(intervals), ptr, numbers)

    def read_words(self, video: str) -> tuple[list[bytes], NDArray[np.float64]]:
        """The words of a video, [T], and their times, [T, 2].

        Args:
            video: Its id.

        Raises:
            InputError: As :meth:`read`, and for features that are no words.
        """
        words: list[bytes] = []
        for entry in self._entries[video].values():
            rows, _ = self._datasets(entry)
            with self._reading(entry):
                words += safe_h5.read_array(rows, 'S')[:, 0].tolist()
        return words, self.read_times(video)

    def read_times(self, video: str) -> NDArray[np.float64]:
        """The times of a video's rows alone, [T, 2].

        Args:
            video: Its id.

        Raises:
            InputError: As :meth:`read`.
        """
        times = []
        for entry in self._entries[video].values():
            _, intervals = self._datasets(entry)
            with self._reading(entry):
                times.append(safe_h5.read_array(intervals, 'iuf').astype(np.float64))
        return np.concatenate(times)

    def _datasets(self, entry: str) -> tuple[h5py.Dataset, h5py.Dataset]:
        where = f"of '{entry}' in '{self.path}'"
        with self._reading(entry):
            group = safe_h5.child(self._data, entry)
            features, intervals = (
                self._table(group, name, where) for name in ('features', 'intervals')
            )
        num_rows, width = features.shape
        if intervals.shape != (num_rows, 2):
            raise InputError(
                f"'intervals' {where} have a start and an end for each of the "
                f'{num_rows} rows of features (got shape {list(intervals.shape)})'
            )
        expected = getattr(self, 'channels', max(width, 1))  # The first one decides.
        if width != expected:
            raise InputError(f"'features' {where} have width {width}, not {expected}")
        return features, intervals

    def _table(self, group: Any, name: str, where: str) -> h5py.Dataset:
        is_there = isinstance(group, h5py.Group) and name in group
        dataset = safe_h5.child(group, name) if is_there else None
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"there are no '{name}' {where}")
        safe_h5.check_dataset(dataset)
        kinds = self._kinds if name == 'features' else 'iuf'
        if dataset.dtype.kind not in kinds or dataset.ndim != 2:
            shape = list(dataset.shape or ())
            raise InputError(
                f"the '{name}' {where} are a table of numbers "
                f"(got shape {shape} of type '{dataset.dtype}')"
            )
        return dataset

    @contextlib.contextmanager
    def _reading(self, entry: str = '') -> Iterator[None]:
        """Whatever h5py says of damaged bytes becomes one sentence."""
        try:
            yield
        except InputError:
            raise
        except safe_h5.DAMAGE as error:
            where = f"'{entry}' in '{self.path}'" if entry else f"'{self.path}'"
            raise InputError(
                f'cannot read {where}, it is damaged ({reason(error)})'
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> CsdFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def plain_name(name: str) -> str:
    """A name in small letters and digits.

    Args:
        name: The name.

    Example:
        >>> plain_name('FACET_4.2')
        'facet42'
    """
    return re.sub(r'[^a-z0-9]', '', name.lower())


def _floats(features: NDArray) -> NDArray:
    """Single precision stays; means of anything else are taken in double."""
    wanted = np.float32 if features.dtype.itemsize <= 4 else np.float64
    is_float = features.dtype.kind == 'f'
    return features.astype(wanted if is_float else np.float64, copy=False)


def _read_metadata(node: Any, seen: set[int]) -> Any:
    """What a group or a dataset says; one that links to itself says nothing more."""
    if isinstance(node, h5py.Group):
        address = h5py.h5o.get_info(node.id).addr
        if address in seen:
            return None
        seen.add(address)
        return {name: _read_metadata(safe_h5.child(node, name), seen) for name in node}
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        return None
    safe_h5.check_dataset(node)
    if not safe_h5.holds_text(node):
        return _decode(safe_h5.read_array(node)) if node.size < _LONGEST else None
    if node.ndim == 1:
        return _decode(safe_h5.read_strings(node, _LONGEST))
    return _decode(safe_h5.read_text(node))


def _decode(value: Any) -> Any:
    """What a value of HDF5 says, as plain Python."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list):
        return [_decode(part) for part in value]
    text = value.decode(errors='replace') if isinstance(value, bytes) else str(value)
    return parse(text)


def parse(text: str) -> Any:
    """What a text says as JSON, or as Python writes lists; else the text.

    Args:
        text: The text.

    Example:
        >>> parse('["a", "b"]'), parse("('a', 'b')"), parse('a, b')
        (['a', 'b'], ('a', 'b'), 'a, b')
    """
    try:
        return parse_json(text)
    except ValueError:
        pass
    if len(text) > _LONGEST:  # Each letter may become a node of a syntax tree.
        return text
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
