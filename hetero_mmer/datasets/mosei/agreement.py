"""Whether two files speak of the same samples, told by a number that both have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: How far two values may be apart and still be the same.
_SAME = 0.01

#: At least this share of what chance leaves agrees where files fit each other. In files
#: that fit, all values agree but for a few that were corrected.
_ENOUGH = 0.9

#: So many may differ where others agree, however few samples there are.
_FEW = 2

#: Where chance alone gives more, as with a constant, agreement tells nothing.
_TELLING = 0.9


class Agreement(NamedTuple):
    """How many pairs of values agree, and how many would by chance."""

    same: int
    total: int
    chance: float

    @property
    def is_enough(self) -> bool:
        """Whether the values can be of the same samples."""
        if self.chance > _TELLING or self.total - self.same <= min(_FEW, self.same):
            return True
        share = self.same / max(self.total, 1)
        return (share - self.chance) / (1 - self.chance) >= _ENOUGH


def agreement(pairs: NDArray[np.float64]) -> Agreement:
    """Compares the two columns where both have a value.

    By chance, values agree as often as those of two samples drawn at random. If one
    file has rounded to fewer digits than the other, values agree that round to the
    same.

    Args:
        pairs: Values of one file and of the other, [N, 2], NaN where unknown.

    Example:
        >>> agreement(np.array([[1.0, 1.0], [0.0, 0.0], [2.0, np.nan]]))
        Agreement(same=2, total=2, chance=0.5)
    """
    both = pairs[np.isfinite(pairs).all(axis=1)]
    ours, theirs = np.sort(both[:, 0]), np.sort(both[:, 1])
    within = _tolerance(both)
    same = int((np.abs(np.diff(both)) <= within).sum())
    first = np.searchsorted(theirs, ours - within, 'left')
    last = np.searchsorted(theirs, ours + within, 'right')
    chance = float((last - first).sum()) / max(len(both), 1) ** 2
    return Agreement(same, len(both), chance)


def parts_that_differ(
    pairs: NDArray[np.float64], part: NDArray[np.str_]
) -> dict[str, Agreement]:
    """The parts whose values do not agree enough, each judged by the chance of all.

    Args:
        pairs: See :func:`agreement`.
        part: The part of each pair, such as its split, [N].
    """
    chance = agreement(pairs).chance
    found = {}
    for name in dict.fromkeys(part.tolist()):
        one = agreement(pairs[part == name])._replace(chance=chance)
        if one.total and not one.is_enough:
            found[name] = one
    return found


def _tolerance(pairs: NDArray[np.float64]) -> float:
    digits = [
        next((d for d in (0, 1) if np.allclose(x, x.round(d), atol=1e-6)), 2)
        for x in pairs.T
    ]
    return _SAME if digits[0] == digits[1] else 0.5 * 0.1 ** min(digits) + 1e-6
