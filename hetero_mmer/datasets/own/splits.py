"""What may be wrong with the groups and the split of one's own table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_SPLITS: Final = ('train', 'valid', 'test')

#: So few samples say nothing about a model.
_TINY: Final = 2
_MEDIA: Final = re.compile(r'\.(mp4|avi|mkv|mov|flv|webm|wav|mp3|flac|npy)$')


def group_notes(groups: Sequence[str]) -> Iterator[str]:
    """What is odd about the groups of a table.

    Args:
        groups: The group of each sample, empty for none.

    Example:
        >>> list(group_notes(['v1', 'V1.mp4', 'v2']))[0][:62]
        "WARNING: groups that may be one are several: 'v1' and 'V1.mp4'"
    """
    spellings: dict[str, dict[str, None]] = {}
    for group in filter(None, groups):
        spellings.setdefault(_spelling(group), {})[group] = None
    several = [list(names) for names in spellings.values() if len(names) > 1]
    if several:
        some = '; '.join(' and '.join(map(repr, names)) for names in several[:3])
        more = f'; ... ({len(several)} in all)' * (len(several) > 3)
        yield f'WARNING: groups that may be one are several: {some}{more}'
    lacking = sum(not group for group in groups)
    if 0 < lacking < len(groups):
        yield f'{lacking} rows have no group: each is one of its own'


def split_notes(splits: Iterable[str]) -> Iterator[str]:
    """Which splits are empty or tiny, and how many samples are in none.

    Args:
        splits: The split of each sample, empty for none.

    Example:
        >>> list(split_notes(['train', 'train', 'train', 'test']))
        ... # doctest: +NORMALIZE_WHITESPACE
        ["WARNING: no sample is in 'valid'", "WARNING: only 1 sample is in 'test'"]
    """
    counts = Counter(splits)
    total = counts.total()
    if 0 < counts[''] < total:
        yield (
            f'WARNING: {counts[""]} of {total} samples have no split: nothing trains '
            f'on them or tests with them'
        )
    if counts['train']:
        for split in _SPLITS:
            if not counts[split]:
                yield f"WARNING: no sample is in '{split}'"
            elif counts[split] <= _TINY:
                are = 'samples are' if counts[split] > 1 else 'sample is'
                yield f"WARNING: only {counts[split]} {are} in '{split}'"
    elif counts[''] < total:
        yield "no sample is in 'train': these can be tested or predicted"


def _spelling(group: str) -> str:
    """What different spellings of one video have in common."""
    return re.sub(r'[\s_-]+', ' ', _MEDIA.sub('', group.casefold())).strip()
