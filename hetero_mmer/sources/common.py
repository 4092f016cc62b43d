"""What converters of raw files share."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import track as rich_track

from hetero_mmer.escape import visible
from hetero_mmer.hint import did_you_mean_path
from hetero_mmer.input import check_file
from hetero_mmer.sources.split import exact_sizes
from hetero_mmer.store import Like
from hetero_mmer.store.format import Clean
from hetero_mmer.typing import InputError

T = TypeVar('T')
Source = str | os.PathLike[str]

#: Seconds between two lines that say, where there is no terminal, how it goes.
NOW_AND_THEN: Final = 30.0


def only_source(sources: Sequence[Source], what: str) -> Path:
    """The one raw file of a format.

    Args:
        sources: What was given.
        what: What the file is, for the message.

    Raises:
        InputError: For more or less than one, or one that is not there.
    """
    if len(sources) != 1:
        raise InputError(f'this format is one file, {what} (got {len(sources)} files)')
    return existing(sources[0])


def existing(path: Source) -> Path:
    """A path, if there is something.

    Args:
        path: Of a file or a folder.

    Raises:
        InputError: If there is nothing, or a pipe or a device.
    """
    if not Path(path).exists():
        hint = did_you_mean_path(path)
        raise InputError(f"there is no file or folder '{path}'{hint}")
    return Path(path) if Path(path).is_dir() else check_file(path)


def sha256_of(paths: Iterable[Source]) -> dict[str, str]:
    """SHA-256 of files, by name; files of one name are told apart by their folders.

    Args:
        paths: The files.
    """
    found = {}
    for name, path in _short_names(paths).items():
        with open(path, 'rb') as file:
            found[name] = hashlib.file_digest(file, 'sha256').hexdigest()
    return found


def _short_names(paths: Iterable[Source]) -> dict[str, Path]:
    """Each file by as much of the end of its path as no other file has."""
    files = dict.fromkeys(Path(os.path.abspath(path)) for path in paths)
    names = {}
    for file in files:
        others = [other for other in files if other != file]
        for size in range(1, len(file.parts) + 1):
            if all(other.parts[-size:] != file.parts[-size:] for other in others):
                break
        names['/'.join(file.parts[-size:])] = file
    return names


def hash_beside(paths: Iterable[Source]) -> Callable[[], dict[str, str]]:
    """Starts :func:`sha256_of` in a thread, and returns what waits for its answer.

    Files of many gigabytes take as long to hash as to convert.

    Args:
        paths: The files, which can be read.

    Example:
        >>> hash_beside([])()
        {}
    """
    found: dict[str, str] = {}
    thread = Thread(target=lambda: found.update(sha256_of(paths)), daemon=True)
    thread.start()

    def wait() -> dict[str, str]:
        thread.join()
        return found

    return wait


def default_clean(
    clean: Clean | None, strict: bool, like: Like | None = None
) -> Clean | None:
    """Zero, as the papers' loaders do, unless chosen otherwise or strict.

    Args:
        clean: What was chosen.
        strict: Whether values that are not finite are refused instead.
        like: What samples have to be like, in this as well.
    """
    usual: Clean = 'mean' if like is not None and like.fill else 'zero'
    return clean or (None if strict else usual)


def track(
    items: Iterable[T], description: str, *, total: int | None, progress: bool
) -> Iterator[T]:
    """Items one by one, telling on stderr how it goes if wanted.

    Args:
        items: What to go through.
        description: What is done with them.
        total: How many there are.
        progress: Whether to show a bar on a terminal, elsewhere a line now and then.
    """
    console = Console(stderr=True)
    text = visible(description)
    if progress and console.is_terminal:
        yield from rich_track(items, escape(text), total=total, console=console)
        return
    last = time.monotonic()
    for i, item in enumerate(items):
        if progress and time.monotonic() - last >= NOW_AND_THEN:
            last = time.monotonic()
            sys.stderr.write(f'{text}: {i}{f" of {total}" if total else ""}\n')
            sys.stderr.flush()
        yield item


def name_counts(
    split: Sequence[str] | NDArray,
    known: Mapping[str, tuple[int, int, int]],
    what: str = 'samples',
) -> str:
    """A sentence on the sizes of train, valid and test beside those that are known.

    Args:
        split: The split of each sample.
        known: Sizes of train, valid and test by the name of a variant.
        what: What is counted.

    Example:
        >>> known = {'the toy': (1, 0, 1)}
        >>> name_counts(['train', 'test'], known)
        '1 train, 0 valid and 1 test samples, as in the toy'
        >>> name_counts(['test'], known)
        '0 train, 0 valid and 1 test samples, unlike the toy (1/0/1)'
    """
    names = np.asarray(split, dtype=np.str_)
    sizes = tuple(int((names == s).sum()) for s in ('train', 'valid', 'test'))
    head = f'{sizes[0]} train, {sizes[1]} valid and {sizes[2]} test {what}'
    if same := [name for name, others in known.items() if others == sizes]:
        return f'{head}, as in {" and ".join(same)}'
    others = ', '.join(
        f'{name} ({"/".join(map(str, sizes))})' for name, sizes in known.items()
    )
    return f'{head}, unlike {others}' if known else head


def split_groups(
    groups: Sequence[str] | NDArray,
    shares: Mapping[str, float] = {'train': 0.7, 'valid': 0.1, 'test': 0.2},
    *,
    seed: int = 0,
) -> NDArray[np.str_]:
    """The split of each sample, drawn for whole groups.

    Args:
        groups: The group of each sample, such as its video.
        shares: The share of the groups in each split.
        seed: Of the draw.

    Example:
        >>> split = split_groups(['a', 'a', 'b', 'c'], {'train': 0.67, 'test': 0.33})
        >>> sorted(set(split.tolist())), split[0] == split[1]
        (['test', 'train'], True)
    """
    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    ratio = np.array(list(shares.values()))
    sizes = exact_sizes(len(names), ratio / ratio.sum())
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    drawn = np.empty(len(names), dtype=np.asarray(list(shares)).dtype)
    drawn[order] = np.repeat(list(shares), sizes)
    return drawn[group]
