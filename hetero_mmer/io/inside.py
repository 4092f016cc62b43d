"""Files that ids name: in a folder or those within it, and never outside of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from hetero_mmer.errors import InputError

#: What other systems split paths by, and where a path of Windows begins.
_FOREIGN: Final = re.compile(r'[\\\0]|^[A-Za-z]:/')


def can_be_a_file(name: str) -> bool:
    """Whether a name, perhaps with folders, stays below the folder that it is put in.

    Args:
        name: The name.

    Example:
        >>> [can_be_a_file(name) for name in ('v1/0', '../v1', '/v1', 'v1//0', 'C:/v1')]
        [True, False, False, False, False]
    """
    parts = name.split('/')
    return all(part.strip(' .') for part in parts) and not _FOREIGN.search(name)


def refuse_linked_folders(folder: Path, names: Iterable[str]) -> None:
    """Refuses names that lead through a link to another folder.

    Args:
        folder: Where they lie.
        names: Their names, see :func:`can_be_a_file`.

    Raises:
        InputError: Names the link.
    """
    above = {part for name in names for part in PurePosixPath(name).parents}
    for part in sorted(above - {PurePosixPath('.')}):
        if (folder / part).is_symlink():
            raise InputError(
                f"files are read from within '{folder}', but '{folder / part}' is a "
                f'link to another folder: put the folder itself there'
            )


def file_inside(folder: Path, name: str) -> Path:
    """The path of a file, refused where a name with folders leads out of its folder.

    What lies in the folder itself may be a link to any file, as is usual where data are
    shared or cached; folders within it come with the data, and are held to them.

    Args:
        folder: The folder, which may be a link itself.
        name: The name of the file in it, perhaps with folders.

    Raises:
        InputError: For a link out of the folder, or what is no file.
    """
    path = folder / name
    real = Path(os.path.realpath(path))
    if '/' in name and not real.is_relative_to(os.path.realpath(folder)):
        raise InputError(
            f"files are read from within '{folder}', but '{path}' is a link to "
            f"'{real}': put the file itself there"
        )
    if not path.is_file():
        raise InputError(f"'{path}' is no file that can be read")
    return path
