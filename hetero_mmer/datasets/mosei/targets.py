"""Targets of a ``train_valid_test.pt``: lists of ids, or vectors of zeros and ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.padded import flat_target
from hetero_mmer.errors import InputError

#: Targets of a split, whatever they are.
Targets = Mapping[str, Sequence[Any]]


class MultiHot(NamedTuple):
    """Labels of each split, ``[N, L]`` in the order of the ids."""

    labels: dict[str, NDArray[np.uint8]]
    are_vectors: bool


def read_targets(
    targets: Targets, labels: Sequence[int], marks: Sequence[int], path: str
) -> MultiHot:
    """Reads all targets of a file in the one way that fits all of them.

    A list of ids may hold marks anywhere and any number of times. A vector
    has an entry for each label, in the order of their ids.

    Args:
        targets: One target for each sample, by split.
        labels: The ids of the labels, rising.
        marks: Other ids that a list may hold.
        path: The file, for messages.

    Raises:
        InputError: If neither way fits, or both do and say different labels.

    Example:
        >>> read_targets({'train': [[2, 5, 3], [2, 3]]}, [4, 5], [2, 3], 'a.pt')
        MultiHot(labels={'train': array([[0, 1],
               [0, 0]], dtype=uint8)}, are_vectors=False)
        >>> read_targets({'train': [[0, 1], [1, 1]]}, [4, 5], [2, 3], 'a.pt')[1]
        True
    """
    raw = {
        s: [flat_target(t, f"'{s}-{i:05d}' in '{path}'") for i, t in enumerate(some)]
        for s, some in targets.items()
    }
    every = [t for some in raw.values() for t in some]
    place = {id_: k for k, id_ in enumerate(labels)}
    as_vectors = as_ids = None
    if all(_is_vector(t, len(labels)) for t in every):
        as_vectors = {s: _stack(some, len(labels)) for s, some in raw.items()}
    if all(_are_ids(t, labels, marks) for t in every):
        as_ids = {
            s: np.array([np.isin(labels, t) for t in some], np.uint8).reshape(
                len(some), len(labels)
            )
            for s, some in raw.items()
        }
    if as_vectors is None and as_ids is None:
        raise _neither(raw, place, marks, path)
    if as_vectors is None or as_ids is None:
        found = as_vectors or as_ids
        assert found is not None
        return MultiHot(found, as_vectors is not None)
    if all((as_vectors[s] == as_ids[s]).all() for s in raw):
        return MultiHot(as_ids, False)
    if not any(y.any() for y in as_ids.values()):  # Zeros and ones are marks alone.
        return MultiHot(as_vectors, True)
    # A list names a label once; a vector with two equal entries would name it twice.
    if any(_repeats(t, labels) for t in every):
        return MultiHot(as_vectors, True)
    raise InputError(
        f"targets of '{path}' may be lists of ids and vectors of zeros and ones, which "
        f"say different labels: give the labels ids from 2 on in dict['tgt']"
    )


def read_intensities(
    targets: Targets, num_labels: int, path: str
) -> dict[str, NDArray[np.float64]]:
    """Reads targets that are vectors of intensities, [N, L] for each split.

    Args:
        targets: One target for each sample, by split.
        num_labels: The size of a vector.
        path: The file, for messages.

    Raises:
        InputError: For any other target.

    Example:
        >>> read_intensities({'train': [[0, 0.5]]}, 2, 'a.pt')
        {'train': array([[0. , 0.5]])}
    """
    found = {}
    for split, some in targets.items():
        found[split] = np.empty((len(some), num_labels))
        for i, target in enumerate(some):
            where = f"that of '{split}-{i:05d}' in '{path}'"
            flat = flat_target(target, where.removeprefix('that of '))
            is_numbers = flat.dtype.kind in 'biuf' and flat.size == num_labels
            if not is_numbers or not np.isfinite(flat).all():
                raise InputError(
                    f"with 'positive_above', a target is a vector of {num_labels} "
                    f'finite intensities, but {where} is {flat.tolist()}'
                )
            found[split][i] = flat
    return found


def _is_vector(target: NDArray, size: int) -> bool:
    is_numbers = target.dtype.kind in 'biuf' and target.size == size
    return is_numbers and bool(((target == 0) | (target == 1)).all())


def _are_ids(target: NDArray, labels: Sequence[int], marks: Sequence[int]) -> bool:
    if not target.size:
        return True
    known = {*labels, *marks}
    return target.dtype.kind in 'iuf' and known.issuperset(target.tolist())


def _repeats(target: NDArray, labels: Sequence[int]) -> bool:
    named = target[np.isin(target, labels)]
    return len(np.unique(named)) < len(named)


def _stack(vectors: Sequence[NDArray], size: int) -> NDArray[np.uint8]:
    return np.array(vectors, np.uint8).reshape(len(vectors), size)


def _neither(
    raw: Mapping[str, list[NDArray]],
    place: Mapping[int, int],
    marks: Sequence[int],
    path: str,
) -> InputError:
    """Names the first target that is unlike what most targets are."""
    every = [(s, i, t) for s, some in raw.items() for i, t in enumerate(some)]
    vectors = [_is_vector(t, len(place)) for _, _, t in every]
    known = {*place, *marks}
    mostly_vectors = 2 * sum(vectors) > len(every)
    split, i, target = next(
        (s, i, t)
        for (s, i, t), is_vector in zip(every, vectors, strict=True)
        if not (is_vector if mostly_vectors else _are_ids(t, list(place), marks))
    )
    where = f"that of '{split}-{i:05d}' in '{path}'"
    hint = ''
    if all(t.dtype.kind in 'biuf' and t.size == len(place) for _, _, t in every):
        hint = (
            '; if targets are vectors of intensities, say above which number a label '
            'is present, such as with `positive_above=0`'
        )
    if mostly_vectors:
        return InputError(
            f'a target is a vector of {len(place)} zeros and ones, as most are, but '
            f'{where} is {target.tolist()}{hint}'
        )
    unknown = [t for t in target.tolist() if t not in known] or target.tolist()
    return InputError(
        f"a target holds ids of dict['tgt'], but {where} has {unknown[0]} (known: "
        f'{sorted(known)}){hint}'
    )
