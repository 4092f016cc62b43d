"""What each column of a label file is: as the file says, never guessed against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.mosei import facts as mosei_facts
from hetero_mmer.datasets.mosei.facts import LABEL_NAMES, SENTIMENT
from hetero_mmer.errors import InputError
from hetero_mmer.io.csd import CsdFile, parse, plain_name

#: Where names stand, in small letters and digits.
_KEYS: Final = frozenset(
    (
        *('dimensionnames', 'dimensionname', 'dimnames', 'columnnames', 'columnname'),
        *('labelnames', 'featurenames', 'emotionnames'),
    )
)

#: Words that are clear among six known emotions alone.
_SYNONYMS: Final = {
    **dict.fromkeys(('sorrow', 'sorrowful', 'saddness', 'sadnes'), 'sadness'),
    **dict.fromkeys(('happines', 'joyous', 'cheerful', 'cheerfulness'), 'happiness'),
    **dict.fromkeys(('suprise', 'suprised', 'surprize', 'astonishment'), 'surprise'),
    **dict.fromkeys(('fright', 'fearfulness'), 'fear'),
    'rage': 'anger',
    'angriness': 'anger',
    'disguist': 'disgust',
    'hap': 'happiness',
    'ang': 'anger',
    'sur': 'surprise',
    'dis': 'disgust',
    'fea': 'fear',
    'sent': SENTIMENT,
    'senti': SENTIMENT,
    'polarity': SENTIMENT,
}
_ALL: Final = (SENTIMENT, *LABEL_NAMES)
_NOTHING: Final = frozenset(('', 'none', 'null', 'nan', 'n/a', 'na', 'unknown'))


class LabelColumns(NamedTuple):
    """The columns of a label file."""

    names: tuple[str, ...]
    #: What a reader of the labels should know: the order, and values that are odd.
    notes: tuple[str, ...]


def label_columns(file: CsdFile) -> LabelColumns:
    """What each column of a label file is: as it says.

    The SDK's order is taken for a file that says nothing at all.

    Args:
        file: The file.

    Raises:
        InputError: For a file of other things, names that are not those of sentiment
            and six emotions, or values that contradict the SDK's order.
    """
    if file.channels not in (6, 7):
        raise InputError(
            f'labels are sentiment and six emotions, 7 columns (got {file.channels} '
            f"under the root '{file.root}' of '{file.path}')"
        )
    default = _ALL[-file.channels :]
    low, high = _ranges(file)
    orders = {key: _understood(texts, key, file) for key, texts in _told(file)}
    if len(set(orders.values())) > 1:
        raise InputError(
            f"'{file.path}' names its columns twice, in different orders: "
            f'{" and ".join(f"{key} says {list(o)}" for key, o in orders.items())}'
        )
    if orders:
        names = next(iter(orders.values()))
        how = f"as its '{next(iter(orders))}' say"
    else:
        names, how = default, "in the SDK's order, as it does not name them"
        _check_unnamed(file, names, low)
    order = f"the columns of '{file.path.name}' are {', '.join(names)}, {how}"
    return LabelColumns(names, (order, *_odd(file, names, low, high)))


def _told(file: CsdFile) -> Iterator[tuple[str, list[str]]]:
    """Everything in a file that may name its columns."""
    for said in (file.metadata, file.attributes):
        for key, value in said.items():
            # The SDK itself writes 'dimension namescomputational sequence version'.
            is_named = plain_name(key) in _KEYS
            if is_named and (texts := _texts(value)):
                yield key, texts
            elif not is_named and isinstance(value, list | tuple | dict):
                texts = _texts(value)
                known = [_known_name(text) in _ALL for text in texts]
                if 2 * sum(known) >= file.channels:
                    yield key, texts


def _texts(value: Any) -> list[str]:
    """The names in a value of any form; empty if it has none."""
    if isinstance(value, bytes):
        value = value.decode(errors='replace')
    if isinstance(value, str):
        text = value.strip().strip('\ufeff')
        if text.lower() in _NOTHING:
            return []
        if text[0] in '[({"\'' and (inner := parse(text)) != value:
            return _texts(inner)
        parts = re.split(r'[,;|\t\r\n]+', text)
        if len(parts) == 1:
            parts = text.split()
        return [part.strip() for part in parts if part.strip()]
    if isinstance(value, dict):
        value = _by_index(value)
    if isinstance(value, list | tuple):
        if len(value) == 1:
            return _texts(value[0])
        return _one_each(value)
    return [] if value is None else [str(value)]


def _one_each(values: list[Any] | tuple[Any, ...]) -> list[str]:
    """The name in each of some values, all of them where one has several."""
    names = []
    for value in values:
        if isinstance(value, list | tuple):
            names += _one_each(value)
        else:
            text = value.decode(errors='replace') if isinstance(value, bytes) else value
            names.append('' if text is None else str(text))
    return names if any(name.strip().lower() not in _NOTHING for name in names) else []


def _by_index(value: dict[Any, Any]) -> list[Any]:
    """The names of ``{index: name}`` or ``{name: index}`` in order, else all of it."""
    for pairs in (value.items(), ((i, name) for name, i in value.items())):
        try:
            found = {int(str(index)): name for index, name in pairs}
        except ValueError:
            continue
        first = min(found, default=0)
        if first in (0, 1) and sorted(found) == list(range(first, first + len(value))):
            return [found[index] for index in sorted(found)]
    return [f'{key}: {name}' for key, name in value.items()]


def _understood(texts: list[str], key: str, file: CsdFile) -> tuple[str, ...]:
    """Names as we call them.

    Raises:
        InputError: For any that is not known, is there twice, or is too many.
    """
    wanted = _ALL[-file.channels :]
    names = tuple(map(_known_name, texts))
    if sorted(names) == sorted(wanted):
        return names
    odd = [text for text, name in zip(texts, names, strict=True) if name not in wanted]
    problem = f'{odd} are none of them' if odd else f'there are {len(texts)}'
    if len(texts) == len(wanted) and not odd:
        twice = next(name for name in names if names.count(name) > 1)
        problem = f"'{twice}' is there twice"
    raise InputError(
        f"the {file.channels} columns of '{file.path}' are {', '.join(wanted)} in any "
        f"order, but its '{key}' are {texts}: {problem}. Write them so, as JSON, into "
        f"'{file.root}/metadata/dimension names'; or remove '{key}' from the file if "
        f"its columns are in just this order, the SDK's"
    )


def _known_name(text: str) -> str:
    words = [_SYNONYMS.get(word, word) for word in mosei_facts.label_words(text)]
    return mosei_facts.label_name(words[0]) if len(words) == 1 else text


def _ranges(file: CsdFile) -> tuple[NDArray, NDArray]:
    """The least and the greatest value of each column that is a number."""
    low = np.full(file.channels, np.inf)
    high = np.full(file.channels, -np.inf)
    for video in file.videos:
        values = file.read(video).features
        is_number = np.isfinite(values)
        low = np.minimum(low, values.min(axis=0, initial=np.inf, where=is_number))
        high = np.maximum(high, values.max(axis=0, initial=-np.inf, where=is_number))
    return low, high


def _check_unnamed(file: CsdFile, names: tuple[str, ...], low: NDArray) -> None:
    """Only a sentiment is below zero, and the SDK writes it first."""
    for i, name in enumerate(names):
        if name != SENTIMENT and low[i] < 0:
            raise InputError(
                f"'{file.path}' does not name its columns, and they are not in the "
                f"SDK's order ({', '.join(names)}): column {i + 1} has values down to "
                f'{low[i]:g}, as a sentiment may, but no emotion. Write '
                f"the names as JSON into '{file.root}/metadata/dimension names'"
            )


def _odd(
    file: CsdFile, names: tuple[str, ...], low: NDArray, high: NDArray
) -> Iterator[str]:
    """A warning for each column with values that it should not have."""
    for i, name in enumerate(names):
        least = -3 if name == SENTIMENT else 0
        if low[i] < least or high[i] > 3:
            yield (
                f"WARNING: '{name}' (column {i + 1} of '{file.path.name}') has values "
                f'from {low[i]:g} to {high[i]:g}, but that of CMU-MOSEI lies between '
                f'{least} and 3: is it another column?'
            )
