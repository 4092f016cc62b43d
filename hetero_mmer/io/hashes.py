"""SHA-256 of raw files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread

from hetero_mmer.files.input import Source


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
