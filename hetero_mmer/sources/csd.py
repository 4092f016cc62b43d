"""Computational sequences: the CMU-MultimodalSDK's ``.csd`` files, without the SDK.

================================= ============================================
``/<root>/data/<video>/features`` [T, F] numbers
``/<root>/data/<video>/intervals``  [T, 2] start and end in seconds
``/<root>/metadata/<key>``        [1] JSON text
================================= ============================================
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.sources import mosei_facts
from hetero_mmer.sources.alignment import Items
from hetero_mmer.sources.common import Source, existing
from hetero_mmer.typing import InputError

#: What a file holds, by what its root is called (in small letters and digits).
ROLES: Final = {
    'text': ('glove', 'wordvectors', 'bert'),
    'visual': ('facet', 'openface'),
    'audio': ('covarep', 'opensmile'),
    'labels': ('labels',),
}


class CsdFile:
    """One ``.csd`` file, read video by video.

    Entries ``<video>[0]``, ``<video>[1]``, ... of a file that the SDK has aligned are
    one video.

    Args:
        path: The file.

    Raises:
        InputError: For a file that is cut off, not HDF5, or laid out in another way.
    """

    def __init__(self, path: Source) -> None:
        self.path = existing(path)
        try:
            self._file = h5py.File(self.path, 'r')
        except OSError as error:
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
            #: Name of the root group: what the file calls itself.
            self.root: str = roots[0] if roots else ''
            group = self._file[self.root] if roots else None
            data = group.get('data') if isinstance(group, h5py.Group) else None
            if not isinstance(data, h5py.Group) or not len(data):
                raise InputError(
                    f"a .csd file has a root with the 'data' of videos, but the roots "
                    f"of '{self.path}' are {roots}"
                )
            self._data = data
            self._entries: dict[str, list[str]] = {}
            for entry in data:
                self._entries.setdefault(entry.split('[')[0], []).append(entry)
        first = next(iter(self._entries.values()))[0]
        #: Width of a row.
        self.channels: int = self._datasets(first)[0].shape[1]

    @property
    def videos(self) -> tuple[str, ...]:
        """Ids of the videos, in the order of the file."""
        return tuple(self._entries)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about itself; empty where it says nothing."""
        metadata: dict[str, Any] = {}
        with contextlib.suppress(OSError, KeyError, AttributeError):
            for key, value in self._file[self.root]['metadata'].items():
                metadata[key] = _decode(value)
        return metadata

    def __contains__(self, video: object) -> bool:
        return video in self._entries

    def read(self, video: str) -> Items:
        """The rows of a video in the order of the file, and their times.

        Args:
            video: Its id.

        Raises:
            InputError: For a video that is not there, damaged, or of another shape.
        """
        if video not in self:
            raise InputError(f"'{self.path}' has no video '{video}'")
        parts = []
        for entry in self._entries[video]:
            features, intervals = self._datasets(entry)
            with self._reading(entry):
                parts.append((_floats(features[()]), intervals[()].astype(np.float64)))
        if len(parts) == 1:
            return Items(*parts[0])
        features, intervals = zip(*parts, strict=True)
        return Items(np.concatenate(features), np.concatenate(intervals))

    def _datasets(self, entry: str) -> tuple[h5py.Dataset, h5py.Dataset]:
        where = f"of '{entry}' in '{self.path}'"
        with self._reading(entry):
            group = self._data[entry]
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

    @staticmethod
    def _table(group: Any, name: str, where: str) -> h5py.Dataset:
        dataset = group.get(name) if isinstance(group, h5py.Group) else None
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"there are no '{name}' {where}")
        if dataset.dtype.kind not in 'iuf' or dataset.ndim != 2:
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
        except (OSError, KeyError, RuntimeError) as error:
            where = f"'{entry}' in '{self.path}'" if entry else f"'{self.path}'"
            reason = ' '.join(str(error).split())
            raise InputError(
                f'cannot read {where}, it is damaged ({reason})'
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> CsdFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def label_columns(file: CsdFile) -> tuple[str, ...]:
    """What each column of a label file is: as it says, or in the SDK's order.

    Args:
        file: The file.

    Raises:
        InputError: For a file of other things.
    """
    default = (mosei_facts.SENTIMENT, *mosei_facts.LABEL_NAMES)[-file.channels :]
    if file.channels not in (6, 7):
        raise InputError(
            f'labels are sentiment and six emotions, 7 columns (got {file.channels} '
            f"under the root '{file.root}' of '{file.path}')"
        )
    names = file.metadata.get('dimension names')
    if isinstance(names, list):
        named = tuple(mosei_facts.label_name(str(name)) for name in names)
        if sorted(named) == sorted(default):
            return named
    return default


def find_roles(
    sources: Sequence[Source], chosen: Mapping[str, str | None]
) -> tuple[dict[str, Path], list[str]]:
    """Which file is the text, which the visual, the audio and the labels.

    Args:
        sources: Files, or folders of ``.csd`` files.
        chosen: A file or the name of a root for each role that was chosen by hand.

    Returns:
        The files by role, and a sentence about each file of a folder that is not used.

    Raises:
        InputError: For a role that two files could have, or a file that could have
            none.
    """
    listed, roots = _roots(sources)
    found: dict[str, Path] = {}
    for role, value in chosen.items():
        if value is not None:
            found[role] = _chosen(role, value, roots)
    taken = {path.resolve() for path in found.values()}
    unused = []
    for path, root in roots.items():
        if path.resolve() in taken:
            continue
        plain = _plain(root)
        role = next((r for r in ROLES if any(name in plain for name in ROLES[r])), '')
        if not role and path in listed:
            raise InputError(
                f"the root '{root}' of '{path}' is not known: say what it is with "
                f"{', '.join(f'--{name}' for name in ROLES)} '{root}'"
            )
        if not role or chosen.get(role) is not None:
            unused.append(f"'{path}' (root '{root}') is not used")
        elif role in found:
            raise InputError(
                f"the {role} is one file, but '{found[role]}' and '{path}' could both "
                f"be it: choose one with --{role} '{roots[found[role]]}' or "
                f"--{role} '{root}'"
            )
        else:
            found[role] = path
    return found, unused


def _roots(sources: Sequence[Source]) -> tuple[set[Path], dict[Path, str]]:
    """The files that were given by name, and the root of each file."""
    paths: list[Path] = []
    listed = set()
    for source in map(existing, sources):
        inside = sorted(source.glob('*.csd')) if source.is_dir() else [source]
        if not inside:
            raise InputError(f"the folder '{source}' has no .csd file")
        paths += inside
        listed |= set() if source.is_dir() else {source}
    roots = {}
    for path in paths:
        with CsdFile(path) as file:
            roots[path] = file.root
    return listed, roots


def _chosen(role: str, value: str, roots: Mapping[Path, str]) -> Path:
    if Path(value).is_file():
        return Path(value)
    paths = [path for path, root in roots.items() if _plain(root) == _plain(value)]
    if len(paths) != 1:
        raise InputError(
            f"--{role} is a file or the root of one (got '{value}', the roots are "
            f'{sorted(roots.values())})'
        )
    return paths[0]


def _plain(name: str) -> str:
    return re.sub(r'[^a-z0-9]', '', name.lower())


def _floats(features: NDArray) -> NDArray:
    """Single precision stays; means of anything else are taken in double."""
    wanted = np.float32 if features.dtype.itemsize <= 4 else np.float64
    is_float = features.dtype.kind == 'f'
    return features.astype(wanted if is_float else np.float64, copy=False)


def _decode(dataset: h5py.Dataset) -> Any:
    value = dataset[()]
    text = value.flat[0] if isinstance(value, np.ndarray) and value.size else value
    text = text.decode(errors='replace') if isinstance(text, bytes) else str(text)
    try:
        return json.loads(text)
    except ValueError:
        return text
