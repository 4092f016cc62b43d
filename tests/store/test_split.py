from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.store.split import exact_sizes, stratified_split


@settings(max_examples=40, deadline=None)
@given(
    num_samples=st.integers(0, 60),
    num_labels=st.integers(1, 4),
    seed=st.integers(0, 9),
    shares=st.sampled_from([(0.6, 0.15, 0.25), (0.5, 0.5), (1.0,), (0.0, 0.3, 0.7)]),
)
def test_every_sample_has_a_part_and_parts_have_their_sizes(
    num_samples, num_labels, seed, shares
):
    y = np.random.default_rng(seed).integers(0, 2, (num_samples, num_labels))
    part = stratified_split(y, shares, seed=seed, num_deals=2)
    sizes = np.bincount(part, minlength=len(shares))
    assert sizes.sum() == num_samples
    assert (np.abs(sizes - np.array(shares) * num_samples) < 1).all()


def test_label_shares_are_nearer_than_chance():
    rng = np.random.default_rng(3)
    y = (rng.random((400, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.02]).astype(int)
    part = stratified_split(y, [0.6, 0.15, 0.25])

    def worst(part):
        return max(
            abs(y[part == k].sum(axis=0) - share * y.sum(axis=0)).max()
            for k, share in enumerate([0.6, 0.15, 0.25])
        )

    chance = [worst(rng.permutation(part)) for _ in range(200)]
    assert worst(part) <= 2
    assert worst(part) < min(chance)


def test_rare_labels_are_dealt_by_hand():
    # Four samples have the rare label; each half needs two of them.
    y = np.zeros((20, 2), int)
    y[:4, 0] = 1
    y[::2, 1] = 1
    part = stratified_split(y, [0.5, 0.5])
    assert np.bincount(part[:4]).tolist() == [2, 2]
    assert np.bincount(part[::2]).tolist() == [5, 5]


def test_the_most_even_of_all_deals_is_kept():
    rng = np.random.default_rng(8)
    y = (rng.random((61, 7)) < [0.5, 0.4, 0.3, 0.3, 0.2, 0.1, 0.1]).astype(int)

    def unevenness(part):
        return max(
            abs(y[part == k].sum(axis=0) - (part == k).sum() / 61 * y.sum(axis=0)).max()
            for k in range(3)
        )

    for seed in range(4):  # The deals of a seed are the first of a longer series.
        found = [
            unevenness(
                stratified_split(y, [0.6, 0.15, 0.25], seed=seed, num_deals=num_deals)
            )
            for num_deals in range(1, 16)
        ]
        assert found == sorted(found, reverse=True)
        assert found[-1] < found[0]


def test_a_seed_decides():
    y = np.random.default_rng(0).integers(0, 2, (100, 3))
    first = stratified_split(y, [0.5, 0.5], seed=1)
    assert first.tolist() == stratified_split(y, [0.5, 0.5], seed=1).tolist()
    assert first.tolist() != stratified_split(y, [0.5, 0.5], seed=2).tolist()


@pytest.mark.parametrize(
    ('num_samples', 'shares', 'sizes'),
    [
        (593, [0.6, 0.15, 0.25], [356, 89, 148]),  # 355.8, 88.95, 148.25
        (3, [0.5, 0.5], [2, 1]),
        (0, [0.5, 0.5], [0, 0]),
        (7, [0.0, 1.0], [0, 7]),
    ],
)
def test_exact_sizes(num_samples, shares, sizes):
    assert exact_sizes(num_samples, shares).tolist() == sizes


@pytest.mark.parametrize(
    ('labels', 'shares'),
    [([0, 1], [1]), ([[2]], [1]), ([[1]], [0.5]), ([[1]], []), ([[1]], [2, -1])],
)
def test_wrong_input_is_refused(labels, shares):
    with pytest.raises(InputError):
        stratified_split(np.array(labels), shares)
