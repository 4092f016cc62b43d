"""What a library says of an error, as a part of a sentence; imports nothing heavy."""

from __future__ import annotations

from typing import Final

#: So much of it is shown: PyTorch may tell the whole way to it.
_SHOWN: Final = 500


def reason(error: BaseException) -> str:
    r"""An error in one line; its name if there is nothing else.

    Args:
        error: Of a library.

    Example:
        >>> reason(ValueError('no number\n at 3')), reason(AssertionError())
        ('no number at 3', 'AssertionError')
        >>> reason(KeyError('wrong B-tree signature'))
        'wrong B-tree signature'
    """
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return ' '.join(str(text).split())[:_SHOWN] or type(error).__name__
