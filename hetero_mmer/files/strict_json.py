"""JSON that every reader takes: no NaN, no halves of characters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(value: Any, *, ascii: bool = True) -> str:
    """A value as indented JSON.

    Numbers that JSON does not have become null, and halves of surrogate pairs, as in
    paths that are no Unicode, become escapes like those of Python.

    Args:
        value: Mappings, lists, texts, numbers, booleans and None.
        ascii: Whether other characters are escaped, which every terminal shows.

    Example:
        >>> json_text({'map': float('nan')}).split()
        ['{', '"map":', 'null', '}']
    """
    return json.dumps(_strict(value), indent=2, ensure_ascii=ascii, allow_nan=False)


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode('utf-8', 'backslashreplace').decode('utf-8')
    if isinstance(value, Mapping):
        return {_strict(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
