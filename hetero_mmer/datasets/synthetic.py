from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

#: Part of a generated file's name: another version makes other data.
VERSION: Final = 1

#: Widths of CMU-MOSEI's features: GloVe, FACET, COVAREP.
MOSEI: Final = {'text': 300, 'visual': 35, 'audio': 74}

#: Widths that a laptop trains on in a minute.
SMALL: Final = {'text': 32, 'visual': 16, 'audio': 24}

LABEL_NAMES: Final = ('happiness', 'sadness', 'anger', 'fear', 'disgust', 'surprise')

_BLOCK = 512
_NUM_DISTRACTORS = 2


def synthesize(
    path: str | os.PathLike[str],
    *,
    num_samples: int = 1000,
    modalities: Mapping[str, int] = MOSEI,
    num_labels: int = 6,
    lengths: tuple[int, int] = (5, 15),
    missing: float = 0.1,
    evidence: float = 0.9,
    distractors: float = 0.3,
    strength: float = 8.0,
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25),
    seed: int = 0,
) -> Store:
    r"""Writes a data set with a known truth, the same for a seed on every machine.

    Each label but the last has one carrier modality. Where the label is present, one
    item of its carrier holds the label's prototype (a direction with entries
    :math:`\pm 1/\sqrt{F}`) times ``strength``; every item is noise of unit variance
    besides. Other items may hold distractors, directions that stand for no label.
    Labels pull each other along; the last label has no items of its own, it follows
    the first one and only co-occurrence gives it away.

    What was planted is in ``attrs['planted']``; ``extra('truth_item')`` [N, L] is the
    place of the planted item among the items of its modality, and
    ``extra('truth_modality')`` [N, L] the index of the modality, both -1 where nothing
    was planted.

    Args:
        path: The file to write.
        num_samples: Number of samples :math:`N`.
        modalities: Width of each modality.
        num_labels: Number of labels :math:`L`.
        lengths: Least and greatest number of items of a modality.
        missing: Probability of a modality to be missing; a sample keeps at least one.
        evidence: Probability of a present label to be planted in its carrier.
        distractors: Probability of an item without a label to hold a distractor.
        strength: Length of a planted vector; noise along it has standard deviation 1.
        shares: Shares of train, valid and test.
        seed: Of the random numbers.

    Raises:
        InputError: For numbers that are out of range.

    Example:
        >>> import tempfile
        >>> store = synthesize(f'{tempfile.mkdtemp()}/toy.h5', num_samples=20)
        >>> store.attrs['planted']['only_co_occurrence']
        {'surprise': 'happiness'}
    """
    _check(
        num_samples, modalities, num_labels, lengths, strength, shares,
        missing=missing, evidence=evidence, distractors=distractors,
    )  # fmt: skip
    rng = np.random.Generator(np.random.PCG64(seed))
    names = label_names(num_labels)
    widths = list(modalities.values())
    rules = _rules(num_labels)
    carrier = _carriers(num_labels, len(widths))
    # Rows 0 to L - 1 are the labels' directions, the others stand for nothing.
    directions = [
        (2 * rng.integers(0, 2, (num_labels + _NUM_DISTRACTORS, width)) - 1).astype(
            np.float32
        )
        for width in widths
    ]
    split = np.repeat(['train', 'valid', 'test'], _sizes(num_samples, shares))
    truth_item = np.full((num_samples, num_labels), -1, np.int64)
    truth_modality = np.full((num_samples, num_labels), -1, np.int64)
    writer = StoreWriter(
        path,
        {name: ModalitySpec(width) for name, width in modalities.items()},
        names,
        source=f'hetero_mmer synthetic, version {VERSION}, seed {seed}',
        licence='CC0-1.0',
    )
    with writer:
        for start in range(0, num_samples, _BLOCK):
            stop = min(start + _BLOCK, num_samples)
            y = _draw_labels(rng, stop - start, num_labels, rules)
            counts = _draw_lengths(rng, stop - start, len(widths), lengths, missing)
            planted = y & (rng.random(y.shape) < evidence) & (carrier >= 0)
            planted &= np.take_along_axis(counts, carrier[None].clip(0), axis=1) > 0
            blocks = []
            for m, scaled in enumerate(directions):
                rows, ptr = _draw_noise(rng, counts[:, m], widths[m])
                items = _draw_items(rng, ptr, planted & (carrier == m))
                scale = np.float32(strength) / np.sqrt(np.float32(widths[m]))
                _plant(rng, rows, ptr, items, scaled * scale, distractors)
                here = items >= 0
                truth_item[start:stop][here] = items[here]
                truth_modality[start:stop][here] = m
                blocks.append((rows, ptr))
            for i in range(stop - start):
                features = {
                    name: rows[ptr[i] : ptr[i + 1]]
                    for name, (rows, ptr) in zip(modalities, blocks, strict=True)
                }
                sample_id = f'synthetic-{start + i:06d}'
                writer.add(sample_id, features, y[i], split=str(split[start + i]))
        writer.extra('truth_item', truth_item)
        writer.extra('truth_modality', truth_modality)
        writer.attrs['planted'] = {
            'version': VERSION,
            'seed': seed,
            **_story(list(modalities), names, rules, carrier),
            'evidence': evidence,
            'missing': missing,
            'distractors': distractors,
            'strength': strength,
            'prototypes': {
                names[k]: ''.join('+' if s > 0 else '-' for s in directions[m][k])
                for k, m in enumerate(carrier)
                if m >= 0
            },
        }
    return Store(path)


def label_names(num_labels: int) -> tuple[str, ...]:
    """Names of the labels: MOSEI's, as far as they last; the last one is surprise.

    Args:
        num_labels: Number of labels.

    Example:
        >>> label_names(2)
        ('happiness', 'surprise')
    """
    if num_labels == 1:
        return LABEL_NAMES[:1]
    numbered = tuple(f'emotion-{i + 1}' for i in range(5, num_labels - 1))
    return (*LABEL_NAMES[: min(num_labels, 6) - 1], *numbered, LABEL_NAMES[-1])


def _check(
    num_samples: int,
    modalities: Mapping[str, int],
    num_labels: int,
    lengths: tuple[int, int],
    strength: float,
    shares: tuple[float, float, float],
    **probabilities: float,
) -> None:
    if num_samples < 1 or num_labels < 1 or not modalities:
        raise InputError(
            "'num_samples', 'num_labels' and the number of modalities are at least 1 "
            f'(got {num_samples}, {num_labels}, {len(modalities)})'
        )
    if not 1 <= lengths[0] <= lengths[1]:
        raise InputError(f"'lengths' are at least 1 and in order (got {lengths})")
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise InputError(f"'{name}' is between 0 and 1 (got {value})")
    if not 0 <= strength < np.inf:
        raise InputError(f"'strength' is a number from 0 (got {strength})")
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"'shares' are three that add up to 1 (got {shares})")


def _sizes(num_samples: int, shares: tuple[float, float, float]) -> list[int]:
    train = round(num_samples * shares[0])
    valid = min(round(num_samples * shares[1]), num_samples - train)
    return [train, valid, num_samples - train - valid]


def _carriers(num_labels: int, num_modalities: int) -> NDArray[np.int64]:
    """Index of each label's modality, -1 for the label without one, [L]."""
    carrier = np.arange(num_labels) % num_modalities
    if num_labels > 1:
        carrier[-1] = -1
    return carrier


def _rules(num_labels: int) -> list[tuple[int, int, float]]:
    """Which label pulls which along, with what probability, in order."""
    pulls = [(a, a + 2, 0.6 if a % 2 else 0.4) for a in range(1, num_labels - 3)]
    return [*pulls, (0, num_labels - 1, 0.9)] if num_labels > 1 else []


def _prior(k: int, num_labels: int) -> float:
    """Probability of a label to be present without any other's help."""
    if num_labels > 1 and k == num_labels - 1:
        return 0.03
    return (0.4, 0.3, 0.25, 0.15, 0.2)[k % 5]


def _story(
    modalities: list[str],
    names: tuple[str, ...],
    rules: list[tuple[int, int, float]],
    carrier: NDArray[np.int64],
) -> dict[str, Any]:
    """What was planted, in words, for ``attrs['planted']``."""
    carried = {
        names[k]: modalities[m] if m >= 0 else None for k, m in enumerate(carrier)
    }
    follows = {names[b]: names[a] for a, b, _ in rules}
    return {
        'carrier': carried,
        'noise': {
            name: [m for m in modalities if m != carried[name]] for name in names
        },
        'pulls': [
            {'from': names[a], 'to': names[b], 'probability': p} for a, b, p in rules
        ],
        'only_co_occurrence': {
            name: follows[name] for name in names if carried[name] is None
        },
        'priors': {name: _prior(k, len(names)) for k, name in enumerate(names)},
    }


def _draw_labels(
    rng: np.random.Generator,
    num_samples: int,
    num_labels: int,
    rules: list[tuple[int, int, float]],
) -> NDArray[np.bool_]:
    priors = [_prior(k, num_labels) for k in range(num_labels)]
    y = rng.random((num_samples, num_labels)) < np.array(priors)
    for a, b, probability in rules:
        y[:, b] |= y[:, a] & (rng.random(num_samples) < probability)
    return y


def _draw_lengths(
    rng: np.random.Generator,
    num_samples: int,
    num_modalities: int,
    lengths: tuple[int, int],
    missing: float,
) -> NDArray[np.int64]:
    shape = (num_samples, num_modalities)
    counts = rng.integers(lengths[0], lengths[1] + 1, shape)
    absent = rng.random(shape) < missing
    kept = rng.integers(0, num_modalities, num_samples)
    alone = np.flatnonzero(absent.all(axis=1))
    absent[alone, kept[alone]] = False
    return np.where(absent, 0, counts)


def _draw_noise(
    rng: np.random.Generator, counts: NDArray[np.int64], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noise of unit variance, [ΣS, F], and where each sample starts, [n + 1].

    The sum of two uniform numbers needs no logarithm, which is not the same number on
    every machine.
    """
    ptr = np.concatenate([[0], counts.cumsum()])
    rows = rng.random((ptr[-1], width), dtype=np.float32)
    rows += rng.random((ptr[-1], width), dtype=np.float32)
    rows -= np.float32(1)
    rows *= np.sqrt(np.float32(6))
    return rows, ptr


def _draw_items(
    rng: np.random.Generator, ptr: NDArray[np.int64], planted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """A place for each planted label, apart while there are enough items, [n, L]."""
    items = np.full(planted.shape, -1, np.int64)
    for i in np.flatnonzero(planted.any(axis=1)):
        labels = np.flatnonzero(planted[i])
        order = rng.permutation(ptr[i + 1] - ptr[i])
        items[i, labels] = order[np.arange(len(labels)) % len(order)]
    return items


def _plant(
    rng: np.random.Generator,
    rows: NDArray[np.float32],
    ptr: NDArray[np.int64],
    items: NDArray[np.int64],
    directions: NDArray[np.float32],
    distractors: float,
) -> None:
    """Adds the directions of labels and distractors to their items."""
    num_labels = items.shape[1]
    free = np.ones(len(rows), bool)
    for k in range(num_labels):
        sample = np.flatnonzero(items[:, k] >= 0)
        where = ptr[sample] + items[sample, k]
        rows[where] += directions[k]
        free[where] = False
    which = rng.integers(num_labels, len(directions), len(rows))
    where = np.flatnonzero(free & (rng.random(len(rows)) < distractors))
    rows[where] += directions[which[where]]
