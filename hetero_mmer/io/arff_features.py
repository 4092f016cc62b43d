"""Which attributes of an ARFF file are features of which modality, in which columns.

A number is a column, and so is what is no or yes; any other nominal attribute has a
column for each of its values, called ``attribute=value``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.io.arff import Attribute, Header, Row
from hetero_mmer.io.arff_labels import present_code

_NUMBER, _NEVER = -2, -1


def matching(header: Header, wanted: str, option: str) -> list[int]:
    """The attributes that a name, a wildcard, or a range ``FIRST..LAST`` stands for.

    Args:
        header: The header of the file.
        wanted: A name, or ``BH_*``, or ``Att1..Att9`` for all from one to the other.
        option: Where it comes from, for the message.

    Raises:
        InputError: If there is none.
    """
    places = header.places
    if wanted in places:
        return [places[wanted]]
    first, dots, last = (part.strip() for part in wanted.partition('..'))
    if dots and first in places and last in places:
        if found := list(range(places[first], places[last] + 1)):
            return found
        raise InputError(
            f"{option}: '{last}' comes before '{first}' in '{header.path}' (got "
            f"'{wanted}')"
        )
    is_like = re.compile(fnmatch.translate(wanted)).match
    if found := [i for name, i in places.items() if is_like(name)]:
        return found
    raise InputError(
        f"{option}: '{header.path}' has no attribute '{wanted}'"
        f'{did_you_mean(wanted, places)}'
    )


def choose_features(
    header: Header,
    features: Mapping[str, str | Sequence[str]] | None,
    taken: Iterable[int],
) -> dict[str, list[int]]:
    """The attributes of each modality, in the order of the file.

    Args:
        header: The header of the file.
        features: For each modality what :func:`matching` takes, one or several; if
            None, the modality ``features`` has all.
        taken: Attributes that are something else, such as labels.

    Raises:
        InputError: For a modality without any, or an attribute in two of them.
    """
    others = set(taken)
    free = {
        i
        for i, one in enumerate(header.attributes)
        if i not in others and one.kind in ('numeric', 'nominal')
    }
    chosen: dict[str, list[int]] = {}
    owner: dict[int, str] = {}
    for modality, wanted in (
        {'features': '*'} if features is None else features
    ).items():
        patterns = [wanted] if isinstance(wanted, str) else wanted
        found = [matching(header, p, '`features=`') for p in patterns]
        places = {i for matched in found for i in matched} & free
        if not places:
            raise InputError(
                f"'{modality}' has no feature in '{header.path}': the attributes "
                f'{list(patterns)} are labels, ids, text, dates, or ignored'
            )
        for i in sorted(places):
            if i in owner:
                raise InputError(
                    f'an attribute belongs to one modality, but '
                    f"'{header.attributes[i].name}' to '{owner[i]}' and '{modality}'"
                )
            owner[i] = modality
        chosen[modality] = sorted(places)
    return chosen


def column_names(attributes: Sequence[Attribute]) -> list[str]:
    """The columns that attributes become.

    Args:
        attributes: Numeric and nominal ones.

    Raises:
        InputError: For two columns of one name.

    Example:
        >>> some = [Attribute('x', 'numeric'), Attribute('y', 'nominal', ('a', 'b'))]
        >>> column_names([*some, Attribute('z', 'nominal', ('0', '1'))])
        ['x', 'y=a', 'y=b', 'z']
    """
    names: dict[str, None] = {}
    for one in attributes:
        single = one.kind == 'numeric' or present_code(one.values) is not None
        for name in [one.name] if single else [f'{one.name}={v}' for v in one.values]:
            if name in names:
                raise InputError(
                    f"columns are all different, but two would be '{name}': leave out "
                    f'one attribute with `ignore=[{one.name!r}]`'
                )
            names[name] = None
    return list(names)


class FeatureColumns:
    """The columns of one modality in the rows of one file.

    Columns are found by name, wherever an attribute lies and in whatever order its
    values are listed.

    Args:
        header: The header of the file.
        names: What :func:`column_names` made of this header or another one.

    Raises:
        InputError: For a column that cannot be made of this file.
    """

    def __init__(self, header: Header, names: Sequence[str]) -> None:
        self.header = header
        where = header.places
        found = [self._find(name, where) for name in names]
        self.places = list(dict.fromkeys(place for place, _ in found))
        order = {place: i for i, place in enumerate(self.places)}
        self._source = np.array([order[place] for place, _ in found], np.int64)
        self._code = np.array([code for _, code in found], np.float64)
        self._listed = self._code != _NUMBER
        codes: dict[int, set[int]] = {}
        for place, code in found:
            codes.setdefault(place, set()).add(code)
        #: Values that no column stands for, by attribute.
        self._other = {
            order[place]: unknown
            for place, some in codes.items()
            if present_code((one := header.attributes[place]).values) is None
            and (unknown := set(range(len(one.values))) - some)
        }

    def read(self, row: Row, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The columns of a row, [F]; NaN where the value is unknown.

        Args:
            row: The row.
            values: Its values of the attributes at ``places``.

        Raises:
            InputError: For a value that is none of those that columns stand for.
        """
        for i, unknown in self._other.items():
            if values[i] in unknown:
                one = self.header.attributes[self.places[i]]
                raise InputError(
                    f"'{one.values[int(values[i])]}' of '{one.name}' has no column (in "
                    f"line {row.line} of '{self.header.path}')"
                )
        x = values[self._source]
        if self._listed.any():
            some = x[self._listed]
            is_it = (some == self._code[self._listed]).astype(np.float64)
            x[self._listed] = np.where(np.isnan(some), np.nan, is_it)
        return x

    def _find(self, name: str, where: Mapping[str, int]) -> tuple[int, int]:
        """The attribute of a column, and the index of the value it stands for."""
        attributes = self.header.attributes
        if (place := where.get(name)) is not None:
            one = attributes[place]
            code = present_code(one.values) if one.kind == 'nominal' else None
            if one.kind == 'numeric' or code is not None:
                return place, _NUMBER if code is None else code
        for found in re.finditer('=', name):
            place = where.get(name[: found.start()])
            if place is not None and attributes[place].kind == 'nominal':
                values = attributes[place].values
                value = name[found.end() :]
                return place, values.index(value) if value in values else _NEVER
        raise InputError(
            f"'{self.header.path}' has no attribute for the column '{name}'"
            f'{did_you_mean(name, where)}'
        )
