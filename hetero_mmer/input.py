"""What commands read: regular files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hetero_mmer.typing import InputError

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
        hetero_mmer.typing.InputError: '/' is a folder, not a file
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
