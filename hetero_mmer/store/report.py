from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from hetero_mmer.files.escape import visible
from hetero_mmer.store.format import SPLITS
from hetero_mmer.store.reader import Store


def report(store: Store | str | os.PathLike[str]) -> str:
    """What a conversion kept, dropped and cleaned, in Markdown.

    Args:
        store: A store or its path.

    Raises:
        InputError: For a file that cannot be read.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import ModalitySpec, StoreWriter
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(1)}, ['joy']) as w:
        ...     w.add('a', {'text': [[1.0], [5.0]]}, [1], split='train')
        ...     w.drop('b', 'it has no text')
        >>> print(report(path).split('## ')[2])
        Dropped
        <BLANKLINE>
        | sample | reason |
        | --- | --- |
        | b | it has no text |
        <BLANKLINE>
        <BLANKLINE>
    """
    if not isinstance(store, Store):
        with Store(store) as opened:
            return report(opened)
    kept = [
        [split or 'no split', *_counts(store, store.split == split)]
        for split in SPLITS
        if split in store.split
    ]
    names = [f'with {m}' for m in store.modalities]
    names += ['with labels'] * _some_unknown(store)
    return '\n'.join(
        (
            _head(store.path.name, store.attrs.get('notes', ())),
            '## Kept\n\n' + _table(['split', 'samples', *names], kept),
            _dropped(store.dropped),
            '## Cleaned\n\n' + _cleaned(store),
        )
    )


def report_of_dropped(
    name: str, notes: Iterable[str], dropped: Sequence[tuple[str, str]]
) -> str:
    """What a conversion dropped that kept nothing, in Markdown.

    Args:
        name: What the store would have been called.
        notes: What a reader should know.
        dropped: The id of each sample, and why it was dropped.
    """
    kept = '## Kept\n\nNo sample was left, so there is no store.\n'
    return '\n'.join((_head(name, notes), kept, _dropped(dropped)))


def _head(name: str, notes: Iterable[str]) -> str:
    lines = ''.join(f'* {visible(str(note))}\n' for note in notes)
    return f'# {visible(name)}\n' + (f'\n{lines}' if lines else '')


def _dropped(dropped: Sequence[tuple[str, str]]) -> str:
    rows = [list(row) for row in dropped] or [['none', '']]
    return '## Dropped\n\n' + _table(['sample', 'reason'], rows)


def _counts(store: Store, chosen: np.ndarray) -> list[int]:
    present = [np.diff(store.ptr[m])[chosen] > 0 for m in store.modalities]
    present += [store.known[chosen]] * _some_unknown(store)
    return [int(chosen.sum()), *(int(some.sum()) for some in present)]


def _some_unknown(store: Store) -> bool:
    """Whether the labels of some samples are unknown, but not of all."""
    return bool(0 < store.known.sum() < len(store))


def _cleaned(store: Store) -> str:
    rows = []
    for modality in store.modalities:
        for i, count in store.non_finite_samples(modality):
            rows.append([str(store.ids[i]), modality, count])
    if not rows:
        return 'All values were finite.\n'
    dimensions = []
    for modality, counts in store.non_finite_columns().items():
        names = store.columns[modality] or range(len(counts))
        text = ', '.join(f'{names[d]}: {counts[d]}' for d in np.flatnonzero(counts))
        if text:
            dimensions.append([modality, text])
    head = f'Values that were NaN or infinite became `{store.clean}`.\n\n'
    return (
        head
        + _table(['modality', 'values by dimension'], dimensions)
        + '\n'
        + _table(['sample', 'modality', 'values'], rows)
    )


def _table(head: list[str], rows: list[list]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return ''.join(
        '| '
        + ' | '.join(visible(str(cell)).replace('|', '\\|') for cell in line)
        + ' |\n'
        for line in lines
    )
