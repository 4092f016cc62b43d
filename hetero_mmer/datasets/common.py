"""What converters of raw files share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source, existing
from hetero_mmer.store import Like
from hetero_mmer.store.format import Clean


def only_source(sources: Sequence[Source], what: str) -> Path:
    """The one raw file of a format.

    Args:
        sources: What was given.
        what: What the file is, for the message.

    Raises:
        InputError: For more or less than one, or one that is not there.
    """
    if len(sources) != 1:
        raise InputError(f'this format is one file, {what} (got {len(sources)} files)')
    return existing(sources[0])


def default_clean(
    clean: Clean | None, strict: bool, like: Like | None = None
) -> Clean | None:
    """Zero, as the papers' loaders do, unless chosen otherwise or strict.

    Args:
        clean: What was chosen.
        strict: Whether values that are not finite are refused instead.
        like: What samples have to be like, in this as well.
    """
    usual: Clean = 'mean' if like is not None and like.fill else 'zero'
    return clean or (None if strict else usual)


def name_counts(
    split: Sequence[str] | NDArray,
    known: Mapping[str, tuple[int, int, int]],
    what: str = 'samples',
) -> str:
    """A sentence on the sizes of train, valid and test beside those that are known.

    Args:
        split: The split of each sample.
        known: Sizes of train, valid and test by the name of a variant.
        what: What is counted.

    Example:
        >>> known = {'the toy': (1, 0, 1)}
        >>> name_counts(['train', 'test'], known)
        '1 train, 0 valid and 1 test samples, as in the toy'
        >>> name_counts(['test'], known)
        '0 train, 0 valid and 1 test samples, unlike the toy (1/0/1)'
    """
    names = np.asarray(split, dtype=np.str_)
    sizes = tuple(int((names == s).sum()) for s in ('train', 'valid', 'test'))
    head = f'{sizes[0]} train, {sizes[1]} valid and {sizes[2]} test {what}'
    if same := [name for name, others in known.items() if others == sizes]:
        return f'{head}, as in {" and ".join(same)}'
    others = ', '.join(
        f'{name} ({"/".join(map(str, sizes))})' for name, sizes in known.items()
    )
    return f'{head}, unlike {others}' if known else head
