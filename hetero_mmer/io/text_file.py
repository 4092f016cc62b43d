"""Text files as editors, spreadsheets and Windows write them."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from typing import Final

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import check_file

#: How a file begins that says its encoding; UTF-32 first, as UTF-16 begins like it.
_MARKS: Final = (
    (codecs.BOM_UTF8, 'utf-8'),
    (codecs.BOM_UTF32_LE, 'utf-32-le'),
    (codecs.BOM_UTF32_BE, 'utf-32-be'),
    (codecs.BOM_UTF16_LE, 'utf-16-le'),
    (codecs.BOM_UTF16_BE, 'utf-16-be'),
)


def read_text(path: str | os.PathLike[str], what: str = 'a file') -> str:
    r"""The content of a text file; each line ends in ``\n``, whatever ended it there.

    Split it at ``\n`` alone: ``str.splitlines`` also splits inside of a cell that has
    a form feed, U+0085 or U+2028.

    Args:
        path: UTF-8 with or without a byte order mark, or UTF-16 with one.
        what: What the file is, for the message.

    Raises:
        InputError: For a file that cannot be read, or in another encoding.

    Example:
        >>> import tempfile
        >>> path = f'{tempfile.mkdtemp()}/a.csv'
        >>> with open(path, 'wb') as file:
        ...     _ = file.write('id,joy\r\nä,1'.encode('utf-16'))
        >>> read_text(path)
        'id,joy\nä,1'
    """
    check_file(path)
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    mark, encoding = _mark(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, 'replace')
        raise _not_text(
            path,
            what,
            f'the byte 0x{error.object[error.start]:02x}',
            len(mark) + error.start,
            before,
        ) from error
    if '\0' in text:  # Of UTF-16 without a mark, every other byte is one.
        before = text[: text.index('\0')]
        place = len(mark) + len(before.encode(encoding))
        raise _not_text(path, what, 'a null character', place, before)
    text = text.lstrip('\ufeff')  # Two programs may have put one mark each.
    return text.replace('\r\n', '\n').replace('\r', '\n')


def text_lines(path: str | os.PathLike[str], what: str = 'a file') -> Iterator[str]:
    r"""The lines of a text file one by one, as those of :func:`read_text`.

    Args:
        path: As of :func:`read_text`.
        what: What the file is, for the message.

    Raises:
        InputError: As :func:`read_text`, when the line is reached.

    Example:
        >>> import tempfile
        >>> path = f'{tempfile.mkdtemp()}/a.txt'
        >>> with open(path, 'wb') as file:
        ...     _ = file.write(b'one\r\ntwo\n')
        >>> list(text_lines(path))
        ['one', 'two']
    """
    try:
        with open(path, 'rb') as file:
            mark, encoding = _mark(file.read(4))
            file.seek(len(mark))
            text = io.TextIOWrapper(file, encoding)
            for i, line in enumerate(text):
                if '\0' in line:
                    break
                yield (line if i else line.lstrip('\ufeff')).removesuffix('\n')
            else:
                return
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except UnicodeDecodeError:
        pass
    read_text(path, what)  # Which tells what is wrong, and where.
    raise InputError(f"'{path}' changes while it is read")


def _mark(data: bytes) -> tuple[bytes, str]:
    """The byte order mark that data begin with, and the encoding that it says."""
    marks = ((mark, code) for mark, code in _MARKS if data.startswith(mark))
    return next(marks, (b'', 'utf-8'))


def _not_text(
    path: str | os.PathLike[str], what: str, got: str, place: int, before: str
) -> InputError:
    line = 1 + before.replace('\r\n', '\n').replace('\r', '\n').count('\n')
    return InputError(
        f"'{path}' is not {what} in UTF-8 text, nor in UTF-16 with a byte order mark: "
        f'it has {got} in line {line} (byte {place} of the file); save it as UTF-8'
    )
