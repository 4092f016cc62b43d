"""What a message about a wrong name ends with; imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The rest of a sentence about a wrong name, with the nearest right one.

    Args:
        name: What was given.
        names: What there is.

    Example:
        >>> did_you_mean('HHMNP', ['HHMPN', 'CARAT'])
        "; did you mean 'HHMPN'?"
    """
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1)
    if not near:  # Upper and lower case alone should not hide a name.
        lower = {other.lower(): other for other in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=1)]
    return f"; did you mean '{near[0]}'?" if near else ''
