from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.datasets.mosei.agreement import agreement, parts_that_differ


def thirds(num, seed=0):
    """Sentiments as raters give them: the mean of three."""
    return np.random.default_rng(seed).integers(-9, 10, num) / 3


def test_counts_agree_with_a_loop():
    rng = np.random.default_rng(1)
    pairs = np.stack([thirds(40), thirds(40, 2)], axis=1)
    pairs[::5, 1] = pairs[::5, 0] + 0.004
    pairs[3, 0] = pairs[7, 1] = np.nan
    rng.shuffle(pairs)
    known = [(a, b) for a, b in pairs if not np.isnan(a) and not np.isnan(b)]
    same = sum(abs(a - b) <= 0.01 for a, b in known)
    by_chance = sum(abs(a - b) <= 0.01 for a, _ in known for _, b in known)
    found = agreement(pairs)
    assert (found.same, found.total) == (same, len(known))
    assert found.chance == pytest.approx(by_chance / len(known) ** 2)


def test_files_that_fit():
    x = thirds(60)
    few_corrected = x.copy()
    few_corrected[:3] += 1
    for other in (x, few_corrected, x.round(2), x.round(1)):
        assert agreement(np.stack([x, other], axis=1)).is_enough
        assert agreement(np.stack([other, x], axis=1)).is_enough


def test_files_that_do_not_fit():
    x = thirds(60)
    half = np.r_[x[:30], np.roll(x[30:], 1)]
    for other in (np.roll(x, 1), x[::-1], x + 4, half, np.roll(x, 1).round(1)):
        assert not agreement(np.stack([x, other], axis=1)).is_enough


def test_a_constant_tells_nothing():
    zeros = np.zeros((20, 2))
    assert agreement(zeros).is_enough
    zeros[0, 0] = 1
    assert agreement(zeros).is_enough
    mostly = np.zeros((100, 2))
    mostly[:4, 0] = 1
    assert agreement(mostly).is_enough
    mostly[:40, 0] = 1
    assert not agreement(mostly).is_enough
    assert not agreement(np.full((0, 2), np.nan)).total


def test_few_samples():
    few = np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 2.0], [-1.0, -1.0]])
    assert agreement(few).is_enough
    assert agreement(few[:2]).is_enough
    assert not agreement(few[1:2]).is_enough
    few[2:, 1] += 1
    assert not agreement(few).is_enough


def test_one_part_may_differ():
    x = thirds(200)
    part = np.array(['test'] * 70 + ['valid'] * 10 + ['train'] * 120)
    other = x.copy()
    other[70:80] = np.roll(other[70:80], 1)
    pairs = np.stack([x, other], axis=1)
    assert agreement(pairs).is_enough
    found = parts_that_differ(pairs, part)
    assert list(found) == ['valid']
    same = sum(abs(a - b) < 0.01 for a, b in pairs[70:80])
    assert found['valid'][:2] == (same, 10)
