"""Where padded arrays hold items: rows of zeros before and after are padding.

A row of zeros between others is an item (a word for which a detector failed), so is one
on the side where a file has no padding. Infinite values and NaN are not zero.

Modalities of one length are aligned: row t of each is one word. There a row is padding
only where every modality is zero, and all of them keep the same rows; so a word whose
vector is unknown stays as long as its sound or its face is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError

Side = Literal['left', 'right', 'both', 'none']

#: What a side's zero rows are of the other side's to be an accident: words whose
#: vectors are unknown happen at the beginning and the end of any clip.
_ACCIDENT: Final = 0.1
_BLOCK_BYTES: Final = 1 << 24


class Padding(NamedTuple):
    """Which rows of padded arrays are items.

    Sample i of a split has the rows ``spans[split][m][i, 0]`` to
    ``spans[split][m][i, 1]`` of modality m; a missing one has none.
    """

    sides: dict[str, Side]
    spans: dict[str, dict[str, NDArray[np.int64]]]  # [N, 2]
    lengths: dict[str, int]
    aligned: bool

    def items(
        self, split: str, arrays: Mapping[str, NDArray], i: int
    ) -> dict[str, NDArray]:
        """The items of one sample, [S, F] each, as views; no rows if missing.

        Args:
            split: Its split.
            arrays: The padded arrays of the split.
            i: Its place in the split.
        """
        spans = self.spans[split]
        return {m: array[i, slice(*spans[m][i])] for m, array in arrays.items()}

    def note(self) -> str:
        """What was found, in one sentence."""
        found = []
        for m, side in self.sides.items():
            spans = np.concatenate([spans[m] for spans in self.spans.values()])
            lengths = np.diff(spans)[spans.any(axis=1)]
            mean = lengths.mean() if len(lengths) else 0
            found.append(
                f'{m} has {mean:.1f} of {self.lengths[m]} rows on average, '
                + _WHERE[side]
            )
        how = '; modalities are aligned and keep the same rows' if self.aligned else ''
        return f'padding is removed: {"; ".join(found)}{how}'


_WHERE: Final[Mapping[Side, str]] = {
    'left': 'padded on the left',
    'right': 'padded on the right',
    'both': 'padded on both sides',
    'none': 'without padding',
}


def find_padding(
    splits: Mapping[str, Mapping[str, NDArray]],
    known: Mapping[str, Mapping[str, NDArray[np.bool_]]] | None = None,
    *,
    aligned: bool | None = None,
) -> Padding:
    """Finds the side of the padding, and the rows of each sample without it.

    Args:
        splits: For each split the padded items of each modality, [N, T, F].
        known: For each split which rows are items, [N, T], of the modalities of which
            that is known; zero rows tell in the others.
        aligned: Whether modalities are aligned; if None, those of one length are.

    Raises:
        InputError: For an array of another shape, or other numbers of samples.

    Example:
        >>> x = np.array([[[1.0], [0.0], [2.0], [0.0]], [[3.0], [0.0], [0.0], [0.0]]])
        >>> padding = find_padding({'train': {'text': x}})
        >>> padding.sides, padding.spans['train']['text'].tolist()
        ({'text': 'right'}, [[0, 3], [0, 1]])
        >>> padding.items('train', {'text': x}, 1)['text']
        array([[3.]])
    """
    rows: dict[str, dict[str, NDArray[np.bool_]]] = {}
    for split, arrays in splits.items():
        told = (known or {}).get(split, {})
        rows[split] = {
            m: told[m] if m in told else occupied(array, f"'{m}' of {split}")
            for m, array in arrays.items()
        }
        sizes = {m: len(mask) for m, mask in rows[split].items()}
        if len(set(sizes.values())) > 1:
            raise InputError(
                f'each modality has the same samples, but of {split} there are {sizes}'
            )
    modalities = list(dict.fromkeys(m for masks in rows.values() for m in masks))
    widths = {m: {masks[m].shape[1] for masks in rows.values()} for m in modalities}
    if aligned is None:
        aligned = len(modalities) > 1 and len(set.union(*widths.values())) == 1
    shared: dict[str, NDArray[np.bool_]] = {}
    if aligned:
        shared = {s: np.any(list(r.values()), axis=0) for s, r in rows.items()}
    sides: dict[str, Side] = {}
    spans: dict[str, dict[str, NDArray[np.int64]]] = {split: {} for split in rows}
    for m in modalities:
        masks = shared or {split: masks[m] for split, masks in rows.items()}
        sides[m] = padding_side(list(masks.values()))
        for split, mask in masks.items():
            present = np.any(rows[split][m], axis=1, keepdims=True)
            spans[split][m] = np.where(present, item_spans(mask, sides[m]), 0)
    return Padding(sides, spans, {m: max(widths[m]) for m in modalities}, aligned)


def use_lengths(
    spans: NDArray[np.int64], lengths: NDArray, num_rows: int, side: Side
) -> tuple[NDArray[np.int64], int]:
    """Lengths of a file in place of those from zero rows, where they can be.

    A length counts where all rows that are not zero lie within it: a file may know of
    items of zeros at the end. Longer sequences were cut.

    Args:
        spans: What zero rows tell, [N, 2].
        lengths: Numbers of items, [N].
        num_rows: T of the padded array.
        side: Where the padding is.

    Returns:
        The spans, and how many lengths contradict the rows.

    Example:
        >>> spans = np.array([[0, 2], [0, 4], [0, 0]])
        >>> use_lengths(spans, np.array([3, 2, 1]), 5, 'right')
        (array([[0, 3],
               [0, 4],
               [0, 0]]), 1)
    """
    size = np.clip(np.nan_to_num(lengths), 0, num_rows).astype(np.int64)
    start = num_rows - size if side == 'left' else np.zeros_like(size)
    wanted = np.stack([start, start + size], axis=1)
    present = spans.any(axis=1)
    fits = (wanted[:, 0] <= spans[:, 0]) & (spans[:, 1] <= wanted[:, 1])
    chosen = np.where((fits & present)[:, None], wanted, spans)
    return chosen, int((~fits & present).sum())


def occupied(array: NDArray, name: str = 'features') -> NDArray[np.bool_]:
    """Which rows are not all zero, [N, T].

    Args:
        array: The padded items, [N, T, F].
        name: What they are, for the message.

    Raises:
        InputError: For an array of another shape, or not of numbers.

    Example:
        >>> occupied(np.array([[[0.0, 0.0], [0.0, -np.inf]]]))
        array([[False,  True]])
    """
    if array.ndim != 3 or array.dtype.kind not in 'biuf':
        raise InputError(
            f'{name} is an array of numbers, [samples, items, width] (got '
            f"shape {list(array.shape)} of type '{array.dtype}')"
        )
    mask = np.empty(array.shape[:2], np.bool_)
    row_bytes = max(1, array[:1].nbytes)
    step = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), step):  # Whole arrays have gigabytes.
        block = array[start : start + step]
        np.any(block != 0, axis=2, out=mask[start : start + step])
    return mask


def padding_side(rows: Sequence[NDArray[np.bool_]]) -> Side:
    """Where the padding of a data set is, from all of its samples.

    Args:
        rows: For each split which rows are not zero, [N, T].

    Example:
        >>> padding_side([np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]], bool)])
        'left'
    """
    left = right = 0
    for mask in rows:
        spans = item_spans(mask, 'both')[mask.any(axis=1)]
        left += int(spans[:, 0].sum())
        right += int((mask.shape[1] - spans[:, 1]).sum())
    if not left and not right:
        return 'none'
    if min(left, right) > _ACCIDENT * max(left, right):
        return 'both'
    return 'left' if left > right else 'right'


def item_spans(rows: NDArray[np.bool_], side: Side) -> NDArray[np.int64]:
    """First row and the one after the last, without the padding, [N, 2].

    Args:
        rows: Which rows are not zero, [N, T]; a sample with none has no items.
        side: Where the padding is.

    Example:
        >>> item_spans(np.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool), 'right')
        array([[0, 4],
               [0, 0]])
    """
    num_rows = rows.shape[1]
    if not num_rows:
        return np.zeros((len(rows), 2), np.int64)
    start = rows.argmax(axis=1)
    stop = num_rows - rows[:, ::-1].argmax(axis=1)
    if side in ('right', 'none'):
        start = np.zeros_like(start)
    if side in ('left', 'none'):
        stop = np.full_like(stop, num_rows)
    spans = np.stack([start, stop], axis=1).astype(np.int64)
    spans[~rows.any(axis=1)] = 0
    return spans
