"""What the splits of a data set are called, in any file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from hetero_mmer.errors import InputError

Name = TypeVar('Name')

_SPELLINGS: Final = {
    **dict.fromkeys(('train', 'training', 'trainings', 'trn', 'tr'), 'train'),
    **dict.fromkeys(
        (
            *('valid', 'validation', 'validate', 'validating', 'val', 'vali', 'vld'),
            *('va', 'dev', 'devel', 'develop', 'development'),
        ),
        'valid',
    ),
    **dict.fromkeys(('test', 'testing', 'tests', 'tst', 'te'), 'test'),
}

#: Words around it that say nothing; ``eval`` and ``holdout`` are no split at all, as
#: some call the valid split so and others the test split.
_FILLERS: Final = frozenset(
    (
        *('split', 'splits', 'set', 'sets', 'subset', 'data', 'dataset', 'part'),
        *('partition', 'fold', 'folds', 'list', 'ids', 'id', 'samples', 'x'),
        *('standard', 'std', 'official', 'the'),
    )
)
_ENDS: Final = ('set', 'data', 'split', 'fold')


def split_of(name: object) -> str | None:
    """The split that a name stands for: train, valid, test, or None for another name.

    Args:
        name: A word of a table, the key of a dictionary, or the like.

    Example:
        >>> split_of('Dev'), split_of(' X_train'), split_of('TestSet'), split_of('eval')
        ('valid', 'train', 'test', None)
    """
    words = [word for word in split_words(name) if word not in _FILLERS]
    return _of_word(words[0]) if len(words) == 1 else None


def split_words(name: object) -> list[str]:
    """The words of a name, in small letters.

    Args:
        name: The name, or its bytes.

    Example:
        >>> split_words('standard_trainFold 2')
        ['standard', 'train', 'fold', '2']
    """
    text = name.decode('utf-8', 'replace') if isinstance(name, bytes) else str(name)
    text = unicodedata.normalize('NFKC', text)
    text = re.sub(r'(?<=[^\W\d_A-Z])(?=[A-Z])', ' ', text)
    return re.findall(r'[^\W\d_]+|\d+', text.casefold())


def find_splits(names: Iterable[Name], where: str) -> dict[str, Name]:
    """The name of each split among others; splits in their order.

    Args:
        names: All names.
        where: Where they are, for the message.

    Raises:
        InputError: For two names of one split.

    Example:
        >>> find_splits(['settings', 'test', 'val'], 'a file')
        {'valid': 'val', 'test': 'test'}
    """
    found: dict[str, Name] = {}
    for name in names:
        split = split_of(name)
        if split is None:
            continue
        if split in found:
            raise InputError(
                f'{where} has one name for each of train, valid and test, but '
                f"'{found[split]}' and '{name}' both stand for '{split}': rename or "
                f'remove one of them'
            )
        found[split] = name
    return {s: found[s] for s in ('train', 'valid', 'test') if s in found}


def find_parts(data: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """The key of each split of a dictionary; what is no dictionary counts by need.

    A list such as ``train_ids`` beside ``train`` is no second train.

    Args:
        data: Parts by name.
        where: Where they are, for the message.

    Raises:
        InputError: For two parts of one split.

    Example:
        >>> find_parts({'train': {}, 'train_ids': [], 'val': {}, 'test': None}, 'it')
        {'train': 'train', 'valid': 'val', 'test': 'test'}
    """
    parts = find_splits((k for k, v in data.items() if isinstance(v, dict)), where)
    others = [k for k in data if len(split_words(k)) == 1 and split_of(k) not in parts]
    found = parts | find_splits((k for k in others if k not in parts.values()), where)
    return {s: found[s] for s in ('train', 'valid', 'test') if s in found}


def one_spelling(names: Iterable[str], where: str) -> None:
    """Refuses two words for one split, such as ``val`` and ``dev``, in one column.

    They may be two parts of the data that were not meant to become one. Capitals,
    spaces and dashes make no other word.

    Args:
        names: The cells of the column that name a split.
        where: Where they are, for the message.

    Raises:
        InputError: For two words.
    """
    words: dict[str, str] = {}
    for name in names:
        words.setdefault(''.join(split_words(name)), name)
    find_splits(words.values(), where)


def _of_word(word: str) -> str | None:
    for end in ('', *_ENDS):
        if word.endswith(end) and (found := _SPELLINGS.get(word.removesuffix(end))):
            return found
    return None
