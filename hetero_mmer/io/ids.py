"""Ids of two files that are joined: which are the same, and why others may not be."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple, TypeVar

from hetero_mmer.errors import InputError

T = TypeVar('T')

#: So many ids of a file are shown.
_SOME: Final = 3

#: Blanks that ``str.strip`` leaves, and quotes.
_AROUND: Final = '\'"\u200b\u200c\u200d\u2060\ufeff'


class Match(NamedTuple):
    """Ids that are wanted, found or not."""

    #: What each one that was found is called in the other file.
    names: dict[str, str]
    #: Which id of the other file one that was not found may be, and what differs.
    guesses: dict[str, str]
    #: What else the other file has, where most were not found.
    there: str
    #: What is to be told of those that were found.
    notes: list[str]

    def hint(self, name: str, what: str = 'it') -> str:
        """How a sentence goes on that says of an id that it is not there.

        Args:
            name: The id.
            what: What it is called in the sentence.
        """
        if name in self.guesses:
            return f'; is {what} {self.guesses[name]}?'
        return '' if name in self.names else self.there

    def rename(self, there: Mapping[str, T]) -> dict[str, T]:
        """What the other file has, by the ids that are wanted where they were found.

        Args:
            there: What it has, by its own ids.
        """
        ours = self.ours
        return {ours.get(name, name): value for name, value in there.items()}

    @property
    def ours(self) -> dict[str, str]:
        """What each id of the other file that was found is called here."""
        return {theirs: name for name, theirs in self.names.items()}


def match(wanted: Iterable[str], there: Iterable[str], where: str) -> Match:
    """Finds ids in another file: equal ones, or equal but for capitals or Unicode form.

    Whatever else two ids may differ in is only guessed, never taken.

    Args:
        wanted: The ids.
        there: Those of the other file.
        where: The other file, for messages.

    Raises:
        InputError: For ids that differ in capitals or Unicode form alone, where more
            than one could be meant.

    Example:
        >>> found = match(['a', 'B', '7'], ['a', 'b', '007'], 'labels.csv')
        >>> found.names
        {'a': 'a', 'B': 'b'}
        >>> found.hint('7')
        "; is it '007', which differs in leading zeros?"
    """
    ours, theirs = dict.fromkeys(wanted), dict.fromkeys(there)
    names = {name: name for name in ours if name in theirs}
    folded: dict[str, str] = {}
    for key in (_composed, caseless):
        taken = set(names.values())
        left = _by_key(key, (name for name in theirs if name not in taken))
        lacking = _by_key(key, (name for name in ours if name not in names))
        for same, some in lacking.items():
            others = left.get(same, [])
            if len(some) * len(others) > 1:
                raise InputError(
                    f'ids that differ in capitals or Unicode form alone are written '
                    f'alike in all files, but {_some(some, " and ")} may be '
                    f'{_some(others, " or ")} of {where}'
                )
            if others:
                folded[some[0]] = others[0]
        names |= folded
    missing = [name for name in ours if name not in names]
    taken = set(names.values())
    rest = [name for name in theirs if name not in taken]
    shown = ''
    if 2 * len(missing) > len(ours) and (rest or not theirs):
        shown = f'; there are {_some(rest)}' if rest else '; there is nothing'
    return Match(names, _guesses(missing, rest), shown, [*_note(folded, where)])


def _note(folded: Mapping[str, str], where: str) -> Iterator[str]:
    """Tells of ids that are taken as the same."""
    if folded:
        one, other = next(iter(folded.items()))
        show = ascii if _composed(one) == _composed(other) else repr
        yield (
            f'ids that differ from those of {where} in capitals or Unicode form alone '
            f'are taken as the same: {len(folded)}, such as {show(one)} and '
            f'{show(other)}'
        )


def _guesses(missing: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """Which other id each may be, where just one is like it."""
    alike, parts = _by_key(_bare, there), _by_part(there)
    guesses = {}
    for name in missing:
        found, how = alike.get(_bare(name), []), ''
        if len(found) == 1:
            how = f'in {" and in ".join(_differences(name, found[0]))}'
        else:
            inside = {_bare(part) for part in _parts(name)}
            found = parts.get(_bare(name), [])
            found = found or [t for part in inside for t in alike.get(part, [])]
            how = 'in what stands before or after it'
        if len(found) == 1:
            guesses[name] = f'{found[0]!r}, which differs {how}'
    return guesses


def _by_key(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name in names:
        found[key(name)].append(name)
    return dict(found)


def _by_part(names: Iterable[str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name in names:
        for part in {_bare(part) for part in _parts(name)}:
            found[part].append(name)
    return dict(found)


def _parts(name: str) -> list[str]:
    """What is left of a name without some words at its start or its end."""
    words = list(re.finditer(r'[^\W_]+', _bare(name)))[:6]
    cuts = combinations(range(len(words) + 1), 2)
    text = _bare(name)
    return [text[words[a].start() : words[b - 1].end()] for a, b in cuts]


def _composed(name: str) -> str:
    return unicodedata.normalize('NFC', name)


def caseless(name: str) -> str:
    """What ids have in common that differ in capitals or Unicode form alone.

    Args:
        name: The id.

    Example:
        >>> caseless('E\u0301') == caseless('\u00e9')
        True
    """
    return _composed(unicodedata.normalize('NFD', name).casefold())


#: What else the ids of two files often differ in, and ids without it.
_WITHOUT: Final[Mapping[str, Callable[[str], str]]] = {
    'capitals or Unicode form': lambda s: caseless(unicodedata.normalize('NFKC', s)),
    'blanks or quotes around it': lambda s: s.strip().strip(_AROUND).strip(),
    'a folder before it': lambda s: re.split(r'[/\\]', s)[-1],
    'a file extension': lambda s: re.sub(r'(?i)(\.[a-z][a-z0-9]{1,7})+$', '', s),
    "a '.0', as of a number that was read as a float": lambda s: re.sub(
        r'(?<=\d)\.0+$', '', s
    ),
    'leading zeros': lambda s: re.sub(r'(?<!\d)0+(?=\d)', '', s),
    'dashes, underscores or blanks': lambda s: re.sub(r'[\s_-]+', '_', s),
}


def _bare(name: str, without: Iterable[str] = tuple(_WITHOUT)) -> str:
    """A name without what ids often differ in; itself if nothing were left."""
    bare = name
    for how in without:
        bare = _WITHOUT[how](bare) or bare
    return bare


def _differences(name: str, other: str) -> list[str]:
    """In what two names differ that are the same without it."""
    needed = list(_WITHOUT)
    for how in _WITHOUT:
        fewer = [h for h in needed if h != how]
        if _bare(name, fewer) == _bare(other, fewer):
            needed = fewer
    return needed


def _some(names: Sequence[str], between: str = ', ') -> str:
    """A few of the names."""
    shown = between.join(map(repr, names[:_SOME]))
    return shown + f', ... ({len(names)} in all)' * (len(names) > _SOME)
