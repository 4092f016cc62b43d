"""What commands read: regular files, and archives of a reasonable size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hetero_mmer.errors import InputError, did_you_mean_path

Source = str | os.PathLike[str]

#: What compressed data may inflate to: a hundred times what is stored, where real ones
#: reach twenty, and a bit for small ones.
_MAX_RATIO: Final = 100
_SLACK: Final = 128 << 20

_KINDS: Final = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a pipe'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def check_file(path: str | os.PathLike[str]) -> Path:
    """A path, if it is that of a regular file: others may have no end, or never begin.

    Args:
        path: Of a file that is to be opened.

    Raises:
        InputError: For a folder, a pipe, a socket, a device, or nothing.

    Example:
        >>> check_file('/')
        Traceback (most recent call last):
        hetero_mmer.errors.InputError: '/' is a folder, not a file
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise InputError(f"cannot read '{path}': {reason}") from error
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), 'of another kind')
        raise InputError(f"'{path}' is {kind}, not a file")
    return Path(path)


def inflated_limit(stored: int) -> int:
    """To how many bytes compressed data may inflate, at most.

    Args:
        stored: How many they are.

    Example:
        >>> inflated_limit(1000)
        134317728
    """
    return _MAX_RATIO * stored + _SLACK


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
