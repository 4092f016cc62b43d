"""Intensities become labels: from which one on a label is present."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.store import Like


def is_above(values: ArrayLike, above: float) -> NDArray[np.bool_]:
    """Whether each value is strictly above another.

    Values that were float32 are compared as such: their 0.1 is not above 0.1.

    Args:
        values: Numbers of any shape.
        above: What they are compared to.

    Example:
        >>> is_above(np.array([0.1, 0.2], np.float32), 0.1)
        array([False,  True])
    """
    x = np.asarray(values, np.float64)
    with np.errstate(over='ignore'):
        single, limit = x.astype(np.float32), np.float32(above)
    return np.where(single == x, single > limit, x > above)


def choose_above(
    given: float | None, like: Like | None, usual: float | None = None
) -> float | None:
    """The intensity above which a label is present: as chosen, or as for other samples.

    Args:
        given: What was chosen, if anything.
        like: What samples have to be like, in this as well.
        usual: What it is otherwise.

    Raises:
        InputError: For what is no finite number, or not that of ``like``.

    Example:
        >>> choose_above(None, None), choose_above(0.5, None, 0)
        (None, 0.5)
    """
    if given is not None and (isinstance(given, bool) or not math.isfinite(given)):
        raise InputError(f"'positive_above' is a finite number (got {given})")
    theirs = None if like is None else like.positive_above
    if like is not None and None not in (given, theirs) and given != theirs:
        raise InputError(
            f"new samples are like '{like.path}', whose labels are present where their "
            f"intensity is above {theirs:g} (got 'positive_above' {given:g})"
        )
    return next((x for x in (given, theirs, usual) if x is not None), None)


class Presence:
    """Tells of each sample which labels are present, and at the end what is odd.

    Args:
        label_names: Names of the labels.
        above: The intensity above which one is present.
        is_usual: Whether nobody chose it.
    """

    def __init__(
        self, label_names: Sequence[str], above: float, *, is_usual: bool = False
    ) -> None:
        self.label_names = list(label_names)
        self.above = above
        self.is_usual = is_usual
        self._low = np.full(len(self.label_names), np.inf)
        self._high = -self._low

    def labels(self, intensities: ArrayLike) -> NDArray[np.bool_]:
        """Which labels of a sample are present.

        Args:
            intensities: That of each label, [L].
        """
        strength = np.asarray(intensities, np.float64)
        self._low = np.minimum(self._low, strength)
        self._high = np.maximum(self._high, strength)
        return is_above(strength, self.above)

    def notes(self) -> Iterator[str]:
        """Which labels all samples have, or none, and which lie below zero.

        Example:
            >>> presence = Presence(['joy', 'fear'], 0)
            >>> _ = presence.labels([1, 0]), presence.labels([5, 3])
            >>> list(presence.notes())[1][:55]
            "WARNING: the intensity of 'joy' is above 0 in each samp"
        """
        above = f'{self.above:g}'
        yield f'a label is present where its intensity is above {above}'
        always, ever = is_above(self._low, self.above), is_above(self._high, self.above)
        rows = zip(self.label_names, self._low, self._high, always, ever, strict=True)
        for name, low, high, in_all, in_some in rows:
            span = f'it lies between {low:g} and {high:g}'
            if low > high:  # There is no sample.
                continue
            if in_all and not self.is_usual:
                yield (
                    f"WARNING: the intensity of '{name}' is above {above} in each "
                    f'sample ({span}): check its scale, or choose another number with '
                    '`positive_above=`'
                )
            if not in_some and not self.is_usual:
                yield (
                    f"WARNING: the intensity of '{name}' is above {above} in no sample "
                    f'({span}): check its scale, or choose another number with '
                    '`positive_above=`'
                )
            if low < 0:
                yield (
                    f"WARNING: the intensity of '{name}' is below 0 in some samples "
                    f'({span}), as that of a sentiment is, but of no emotion'
                )
