"""Files that commands write: whole or not at all, by one process, over nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from hetero_mmer.errors import InputError, InputWarning

#: What a file system answers that knows no locks.
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def temporary_beside(path: Path) -> Path:
    """A new name beside ``path`` that :func:`sweep` knows.

    Args:
        path: The file that is to be written.

    Example:
        >>> temporary_beside(Path('runs/model.json')).parent
        PosixPath('runs')
    """
    return path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')


def sweep(path: Path) -> None:
    """Deletes the temporary files of ``path`` that killed processes left.

    Only for a process that holds ``path``, or its folder, by :func:`claim`: whoever
    writes such files holds it as well, so those that are there belong to nobody.

    Args:
        path: The file that they were to become.
    """
    pattern = re.compile(rf'\.{re.escape(path.name)}\.[0-9a-f]{{8,32}}\.tmp')
    with contextlib.suppress(OSError):  # No such folder: nothing in it.
        for entry in list(os.scandir(path.parent)):
            if pattern.fullmatch(entry.name):
                os.unlink(entry)


class WriteError(OSError):
    """A file that could not be written; a full disk, most often.

    Example:
        >>> str(WriteError(errno.ENOSPC, 'No space left on device', 'own.h5'))
        "cannot write 'own.h5': No space left on device"
    """

    def __str__(self) -> str:
        return f"cannot write '{self.filename}': {self.strerror}"


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Says which file it was that could not be written, whoever finds out.

    Args:
        path: The file, or where the output goes.

    Raises:
        WriteError: For an error of the system, also one that HDF5 or PyTorch tells in
            words of its own.

    Example:
        >>> with writing('a'):
        ...     raise OSError(errno.ENOSPC, 'device full')
        Traceback (most recent call last):
        hetero_mmer.files.output.WriteError: cannot write 'a': No space left on device
    """
    try:
        yield
    except WriteError:
        raise
    except (OSError, RuntimeError) as error:
        if (number := _number(error)) is None:
            raise
        raise WriteError(number, os.strerror(number), str(path)) from error


def _number(error: BaseException | None) -> int | None:
    """The system's number of an error, or of the one that caused it."""
    while error is not None:
        if number := getattr(error, 'errno', None):
            return number
        if found := re.search(r'errno = (\d+)', str(error)):  # HDF5 has it in words.
            return int(found[1])
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place if all goes well.

    Args:
        path: The file to write.

    Raises:
        WriteError: If it could not be written.
    """
    temporary = temporary_beside(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, 'rb+') as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # What went wrong is known.
            temporary.unlink(missing_ok=True)


def check_replaceable(
    path: Path, is_ours: Callable[[Path], bool], *, what: str, otherwise: str
) -> None:
    """Refuses a path where something lies that is not to be replaced.

    Args:
        path: Where a file is to be written.
        is_ours: Whether a file is an older one of its kind.
        what: That it is a file, for the message on a folder.
        otherwise: What another file is or has, for the message.

    Raises:
        InputError: For a folder, or another file.
    """
    if path.is_dir():
        raise InputError(f"{what} (got the folder '{path}')")
    if path.exists() and not (path.is_file() and is_ours(path)):
        raise InputError(
            f"'{path}' is there already and {otherwise}, so it is not replaced; name "
            'another output, or delete it'
        )


def lock_of(path: Path) -> Path:
    """The lock file by which :func:`claim` holds ``path``.

    Args:
        path: The file that is claimed.

    Example:
        >>> lock_of(Path('own.h5')).name
        '.own.h5.lock'
    """
    return path.with_name(f'.{path.name}.lock')


@contextlib.contextmanager
def claim(path: Path, *, wait: bool = False, busy: str = '') -> Iterator[None]:
    """Holds the name of a file, so that no other process writes it meanwhile.

    The system ends the claim with the process, however it dies, and forked processes do
    not inherit it. A lock file that a killed process left means nothing. What such a
    process left of ``path`` itself is swept.

    Args:
        path: The file; its folder exists.
        wait: Whether to wait for another process instead of refusing.
        busy: What to say if another process holds it.

    Raises:
        InputError: If another process, or another thread, holds it.
    """
    from filelock import FileLock, Timeout

    name = lock_of(path)
    # A lock file of another user must not lock us out, hence its mode.
    lock = FileLock(name, mode=0o666, is_singleton=True, fallback_to_soft=False)
    held = True
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        raise InputError(busy or f"another process is writing '{path}' now") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        held = False
        warnings.warn(
            f"the file system of '{path}' has no locks, so nothing keeps two processes "
            'from writing it at once',
            InputWarning,
        )
    try:
        if held:
            sweep(path)
        yield
    finally:
        if lock.lock_counter == 1:  # Deleted while held: nobody else can hold it.
            with contextlib.suppress(OSError):
                if not name.stat().st_size:
                    name.unlink()
        lock.release()


def refuse_sources(output: Path, arguments: Iterable[Any]) -> None:
    """Refuses an output that is one of the files which a command reads.

    Args:
        output: The file to write.
        arguments: All other arguments; whatever in them is the name of that file, by
            whatever path or link, counts.

    Raises:
        InputError: Names both.

    Example:
        >>> refuse_sources(Path('new.h5'), [['table.csv'], {'text': 'text.npz'}])
    """
    if not output.exists():
        return
    for name in _names(arguments):
        if _is_same(name, output):
            raise InputError(
                f"the output '{output}' is one of the sources, '{os.fspath(name)}', "
                'which would be lost; name another one'
            )


def _is_same(name: str | os.PathLike[str], output: Path) -> bool:
    try:
        return os.path.samefile(name, output)
    except (OSError, ValueError):  # It names no file.
        return False


def _names(value: Any) -> Iterator[str | os.PathLike[str]]:
    """All that could name a file in nested arguments."""
    if isinstance(value, str | os.PathLike):
        yield value
    elif isinstance(value, dict):
        yield from _names(value.values())
    elif isinstance(value, Iterable):
        for item in value:
            yield from _names(item)
