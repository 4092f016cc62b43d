"""Raw files from the network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source
from hetero_mmer.io.hashes import sha256_of
from hetero_mmer.typing import Track, untracked

_CHUNK: Final = 1 << 18
_ATTEMPTS: Final = 5


def download(
    url: str,
    path: Source,
    *,
    sha256: str,
    size: int | None = None,
    timeout: float = 30.0,
    track: Track = untracked,
) -> Path:
    """Gets a file; it appears whole and checked, or not at all.

    What has come lies in ``<path>.part`` and is gone on with, also by a later call,
    where the server can send a part of a file. A file that is there with the right
    SHA-256 is left alone. Content of a wrong size or SHA-256 is deleted: to go on with
    it could never end well.

    Args:
        url: Where it lies (http or https).
        path: Where it goes.
        sha256: Of the whole file.
        size: Of the whole file in bytes, if known.
        timeout: For how many seconds the server may be silent.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Returns:
        The path.

    Raises:
        InputError: If the file cannot be had, or is another one.
    """
    path = Path(path)
    if not re.match('https?://', url):
        raise InputError(f"a download comes from http or https (got '{url}')")
    if path.is_file() and _digest(path) == sha256:
        return path
    part = path.with_name(f'{path.name}.part')
    for _ in range(_ATTEMPTS):
        if _receive(url, part, size, timeout, track):
            break
    else:
        raise InputError(
            f"the download of '{url}' broke off {_ATTEMPTS} times; '{part}' keeps the "
            f'{_length(part)} bytes that came, and the next attempt goes on from there'
        )
    if (found := _digest(part)) != sha256:
        part.unlink()
        raise InputError(
            f"'{url}' is another file than expected: its SHA-256 is {found}, not "
            f'{sha256} (it was deleted)'
        )
    os.replace(part, path)
    return path


def _receive(
    url: str, part: Path, size: int | None, timeout: float, track: Track
) -> bool:
    """Goes on with a part; whether all of it is there now."""
    start = _length(part)
    if size is not None and start > size:
        part.unlink()
        start = 0
    if start and start == size:
        return True
    headers = {'Range': f'bytes={start}-'} if start else {}
    try:
        answer = urlopen(Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and start:  # Nothing comes after what is there.
                if error.headers.get('Content-Range') == f'bytes */{start}':
                    return True
                part.unlink()
                return False
            raise InputError(
                f"cannot download '{url}': the server answers {error.code} "
                f'({error.reason})'
            ) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, 'reason', error)) or type(error).__name__
        raise InputError(f"cannot download '{url}': {reason}") from error
    with answer:
        if answer.status != 206:  # All of it comes, from the beginning.
            start = 0
        elif not answer.headers.get('Content-Range', '').startswith(f'bytes {start}-'):
            part.unlink()
            return False
        length = answer.headers.get('Content-Length') or ''
        total = start + int(length) if length.isdecimal() else size
        if size is not None and total != size:
            raise InputError(
                f"'{url}' is another file than expected: it has {total} bytes, not "
                f'{size}'
            )
        num_chunks = None if total is None else -(-(total - start) // _CHUNK)
        chunks = track(_chunks(answer), part.stem, total=num_chunks)
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, 'ab' if start else 'wb') as file:
            try:
                for chunk in chunks:
                    start += file.write(chunk)
                    if total is not None and start > total:
                        break
            except _BrokenOffError:
                return False
    if total is not None and start > total:
        part.unlink()
        raise InputError(
            f"'{url}' is another file than expected: it has more than {total} bytes"
        )
    return total is None or start == total


class _BrokenOffError(Exception):
    """The connection broke: unlike an error of the disk, a reason to go on."""


def _chunks(answer: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _BrokenOffError from error
        if not chunk:
            return
        yield chunk


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path) -> str:
    return sha256_of([path])[path.name]
