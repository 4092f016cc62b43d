"""Texts of data made harmless where they are shown: terminals and spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Joiners inside of words and emoji: the only format characters that text needs.
_JOINERS: Final = '\u200c\u200d'

#: Controls, halves of surrogate pairs, line and paragraph separators, and formats such
#: as those that turn the direction of text around.
_HIDDEN: Final = frozenset({'Cc', 'Cs', 'Zl', 'Zp', 'Cf'})

#: Where a cell may begin: elsewhere than here a semicolon or a tab ends the last one,
#: and a line where nothing counts as quoted.
_START: Final = r'(^|[;\t\r\n])'

#: What spreadsheets take for a formula, after blanks that some of them skip. The last
#: four are =, +, - and @ as East Asian keyboards write them.
_BLANK: Final = r'[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\ufeff]*'
_FORMULA: Final = rf'(?=\'*{_BLANK}[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])'


def visible(text: str) -> str:
    r"""A text in which a terminal finds no commands: controls become escapes.

    Letters of all scripts and emoji stay; newlines do not, so it is a single line.

    Args:
        text: What comes from a file, a path or the command line.

    Example:
        >>> print(visible('\x1b[2Jjoy\n喜'))
        \x1b[2Jjoy\n喜
    """
    if text.isprintable():
        return text
    return ''.join(
        _code(c) if unicodedata.category(c) in _HIDDEN and c not in _JOINERS else c
        for c in text
    )


def guard_cell(text: str) -> str:
    """A text that no spreadsheet runs: an apostrophe before what looks like a formula.

    Apostrophes that are there already are kept, so :func:`unguard_cell` finds every
    text again.

    Args:
        text: A name or id that goes into a CSV file.

    Example:
        >>> [guard_cell(text) for text in ('=1+1', "'=1+1", 'a;=1', 'a=1')]
        ["'=1+1", "''=1+1", "a;'=1", 'a=1']
    """
    return re.sub(f'{_START}{_FORMULA}', r"\1'", text)


def unguard_cell(text: str) -> str:
    """The text that :func:`guard_cell` was given.

    Args:
        text: A cell as it was written.

    Example:
        >>> unguard_cell("'=1+1"), unguard_cell("'tis")
        ('=1+1', "'tis")
    """
    return re.sub(f"{_START}'{_FORMULA}", r'\1', text)


def _code(character: str) -> str:
    if character in '\t\n\r':
        return repr(character)[1:-1]
    code = ord(character)
    if code < 0x100:
        return f'\\x{code:02x}'
    return f'\\u{code:04x}' if code < 0x10000 else f'\\U{code:08x}'
