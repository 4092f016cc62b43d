from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from hetero_mmer.errors import InputError
from hetero_mmer.store.split import exact_sizes, stratified_folds, stratified_split


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
    [
        *(([0, 1], [1]), ([[2]], [1]), ([[255]], [1])),
        *(([[1]], [0.5]), ([[1]], []), ([[1]], [2, -1]), ([[1]], [np.nan, 1])),
    ],
)
def test_wrong_input_is_refused(labels, shares):
    with pytest.raises(InputError):
        stratified_split(np.array(labels), shares)


def test_a_seed_is_no_negative_number():
    with pytest.raises(InputError, match=r"'seed' is at least 0 \(got -1\)"):
        stratified_split(np.eye(2), [1], seed=-1)


def one_by_one(rng, y, ratio, sizes):
    """Algorithm 1 of Sechidis et al. as printed, one sample at a time."""
    room = sizes.copy()
    wanted = ratio[:, None] * y.sum(axis=0)
    part = np.full(len(y), -1)
    order = rng.permutation(len(y))
    while (left := y[part < 0].sum(axis=0)).any():
        label = min((n, i) for i, n in enumerate(left) if n)[1]
        for sample in order:
            if part[sample] >= 0 or not y[sample, label]:
                continue
            open_parts = [k for k in range(len(room)) if room[k]]
            most = max((wanted[k, label], room[k]) for k in open_parts)
            best = [k for k in open_parts if (wanted[k, label], room[k]) == most]
            k = best[rng.integers(len(best))] if len(best) > 1 else best[0]
            part[sample] = k
            room[k] -= 1
            wanted[k, y[sample]] -= 1
    rest = [k for k in range(len(room)) for _ in range(room[k])]
    part[[sample for sample in order if part[sample] < 0]] = rest
    return part


@settings(max_examples=60, deadline=None)
@given(
    num_samples=st.integers(0, 60),
    num_labels=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    shares=st.sampled_from(
        [(0.6, 0.15, 0.25), (0.5, 0.5), (0.0, 0.3, 0.7), (0.02, 0.98), (0.1,) * 10]
    ),
)
def test_a_deal_is_the_published_one(num_samples, num_labels, seed, shares):
    rng = np.random.default_rng(seed)
    y = rng.random((num_samples, num_labels)) < rng.random(num_labels) ** 2
    found = stratified_split(y, shares, seed=seed, num_deals=1)
    expected = one_by_one(
        np.random.Generator(np.random.PCG64(seed)),
        y,
        np.array(shares),
        exact_sizes(num_samples, shares),
    )
    np.testing.assert_array_equal(found, expected)


def grouped(seed, num_groups, num_labels, mean_size=3):
    """Labels and groups; a group's samples tend to have the same labels."""
    rng = np.random.default_rng(seed)
    sizes = 1 + rng.poisson(mean_size, num_groups)
    likely = rng.random((num_groups, num_labels)) ** 3
    group = np.repeat(np.arange(num_groups), sizes)
    order = rng.permutation(len(group))
    y = (rng.random((len(group), num_labels)) < likely[group]).astype(np.uint8)
    return y[order], np.array([f'video {g}' for g in group[order]])


def statistic(part, y, shares):
    """The chi-square statistic of label counts and sizes, in a loop."""
    found = 0.0
    for column in [*y.T.astype(float), np.ones(len(y))]:
        for k, share in enumerate(shares):
            if expected := share * column.sum():
                found += (column[part == k].sum() - expected) ** 2 / expected
    return found


@pytest.mark.parametrize('seed', range(5))
def test_groups_are_dealt_nearly_as_well_as_can_be(seed):
    y, groups = grouped(seed, 8, 3)
    names, unit = np.unique(groups, return_inverse=True)
    for shares in ((0.5, 0.5), (0.6, 0.15, 0.25)):
        every = [
            statistic(np.array(deal)[unit], y, shares)
            for deal in product(range(len(shares)), repeat=len(names))
            if len(set(deal)) == len(shares)
        ]
        part = stratified_split(y, shares, groups=groups, seed=seed)
        found = statistic(part, y, shares)
        assert min(every) - 1e-9 <= found <= np.quantile(every, 0.03)


def test_groups_of_one_sample_are_no_groups():
    y = np.random.default_rng(0).integers(0, 2, (50, 3))
    groups = [f'g{i * 7 % 50}' for i in range(50)]
    np.testing.assert_array_equal(
        stratified_split(y, [0.3, 0.7], groups=groups),
        stratified_split(y, [0.3, 0.7]),
    )


def test_the_order_of_samples_does_not_matter_to_groups():
    y, groups = grouped(0, 30, 4)
    order = np.random.default_rng(0).permutation(len(y))
    np.testing.assert_array_equal(
        stratified_split(y, [0.3, 0.7], groups=groups)[order],
        stratified_split(y[order], [0.3, 0.7], groups=groups[order]),
    )


def test_many_groups_are_far_more_even_than_by_chance():
    y, groups = grouped(1, 200, 8)
    shares = [0.6, 0.15, 0.25]
    part = stratified_split(y, shares, groups=groups)
    unit = np.unique(groups, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    dealt = np.repeat([0, 1, 2], [120, 30, 50])
    chance = [statistic(rng.permutation(dealt)[unit], y, shares) for _ in range(200)]
    assert statistic(part, y, shares) < 0.02 * min(chance)


def test_a_part_with_a_small_share_gets_a_group():
    y = np.ones((12, 1), int)
    groups = np.repeat(['a', 'b', 'c', 'd'], 3)
    part = stratified_split(y, [0.97, 0.01, 0.0, 0.02], groups=groups)
    assert set(part.tolist()) == {0, 1, 3}


def test_groups_that_do_not_fit_are_refused():
    y = np.ones((4, 1), int)
    with pytest.raises(InputError, match=r'each of 3 parts gets a group, but .* 2 gro'):
        stratified_split(y, [0.5, 0.25, 0.25], groups=['a', 'a', 'b', 'b'])
    with pytest.raises(InputError, match='each of 4 samples has a group'):
        stratified_split(y, [0.5, 0.5], groups=['a', 'b'])


@settings(max_examples=60, deadline=None)
@given(
    num_groups=st.integers(1, 25),
    num_labels=st.integers(1, 4),
    num_folds=st.integers(2, 6),
    mean_size=st.sampled_from([0, 3]),
    valid_share=st.sampled_from([0.1, 0.2, 0.5]),
    seed=st.integers(0, 1000),
)
def test_folds(num_groups, num_labels, num_folds, mean_size, valid_share, seed):
    y, groups = grouped(seed, num_groups, num_labels, mean_size)
    options = {'groups': groups, 'valid_share': valid_share, 'seed': seed}
    try:
        split = stratified_folds(y, num_folds, **options)
    except InputError:
        rest = len(y) - -(-len(y) // num_folds)
        alone = len(y) == num_groups and rest * valid_share <= 0.5
        assert num_groups < max(num_folds, 3) or num_folds == 2 or alone
        return
    assert split.shape == (len(y), num_folds)
    np.testing.assert_array_equal((split == 'test').sum(axis=1), 1)
    for k in range(num_folds):
        assert set(split[:, k].tolist()) == {'train', 'valid', 'test'}
        for group in np.unique(groups):
            assert len(set(split[groups == group, k].tolist())) == 1
        if not mean_size:  # Each sample is a group: sizes are exact.
            test = (split[:, k] == 'test').sum()
            assert test in (len(y) // num_folds, -(-len(y) // num_folds))
            valid = (split[:, k] == 'valid').sum()
            assert abs(valid - valid_share * (len(y) - test)) < 1
    again = stratified_folds(y, num_folds, **options)
    np.testing.assert_array_equal(split, again)


@pytest.mark.parametrize('num_folds', [2, 5, 10])
@pytest.mark.parametrize(('num_samples', 'share'), [(101, 0.3), (57, 0.5), (40, 0.02)])
def test_one_label_is_as_even_as_scikit_learn_has_it(num_folds, num_samples, share):
    y = np.random.default_rng(num_folds).random((num_samples, 1)) < share
    split = stratified_folds(y, num_folds)
    if y.sum() < num_folds:
        counts = sorted(int(y[split[:, k] == 'test'].sum()) for k in range(num_folds))
        assert counts == [0] * (num_folds - y.sum()) + [1] * y.sum()
        return
    theirs = StratifiedKFold(num_folds).split(y, y[:, 0])
    tests = [test for _, test in theirs]
    for label in (0, 1):
        ours = [(y[split[:, k] == 'test'] == label).sum() for k in range(num_folds)]
        assert sorted(ours) == sorted((y[test] == label).sum() for test in tests)


def test_many_labels_are_more_even_in_folds_than_by_chance():
    rng = np.random.default_rng(4)
    y = (rng.random((600, 8)) < np.geomspace(0.02, 0.5, 8)).astype(int)
    split = stratified_folds(y, 10)

    def worst(split):
        return max(
            abs(y[split[:, k] == part].sum(axis=0) - share * y.sum(axis=0)).max()
            for k in range(10)
            for part, share in (('test', 0.1), ('valid', 0.18), ('train', 0.72))
        )

    assert worst(split) < 2
    assert worst(split) < min(worst(rng.permutation(split)) for _ in range(50)) / 3


def test_each_fold_has_another_valid_part():
    y = np.random.default_rng(0).integers(0, 2, (60, 3))
    split = stratified_folds(y, 3)
    assert len({tuple(column) for column in (split == 'valid').T}) == 3
    assert (stratified_folds(y, 3, seed=1) != split).any()


@pytest.mark.parametrize(
    ('num_folds', 'groups', 'valid_share', 'message'),
    [
        (1, None, 0.2, 'at least two folds'),
        (3, None, 1.0, "'valid_share' lies between 0 and 1"),
        (3, None, np.nan, "'valid_share' lies between 0 and 1"),
        (13, None, 0.2, '12 samples are too few for 13 folds'),
        (4, 'abc' * 4, 0.2, '3 groups are too few for 4 folds'),
        (2, 'aab' * 4, 0.2, '2 groups are too few for 2 folds'),
        (2, 'abc' * 4, 0.2, '3 groups are too few for 2 folds'),
        (3, None, 0.01, '12 samples are too few for 3 folds'),
    ],
)
def test_folds_that_cannot_be(num_folds, groups, valid_share, message):
    groups = None if groups is None else list(groups)
    y = np.tile([[0], [1]], (6, 1))
    with pytest.raises(InputError, match=message):
        stratified_folds(y, num_folds, groups=groups, valid_share=valid_share)


def test_labels_that_nobody_has():
    y = np.zeros((30, 2), int)
    split = stratified_folds(y, 3)
    np.testing.assert_array_equal((split == 'test').sum(axis=0), 10)
    split = stratified_folds(y, 3, groups=np.repeat(range(10), 3))
    assert sorted((split == 'test').sum(axis=0)) == [9, 9, 12]


def test_many_samples_take_seconds():
    rng = np.random.default_rng(0)
    y = rng.random((100_000, 20)) < np.geomspace(0.001, 0.5, 20)
    group = rng.integers(0, 30_000, len(y))
    start = time.process_time()  # 0.2 and 0.4 s where this was written.
    parts = [stratified_split(y, [0.1] * 10, groups=g) for g in (None, group)]
    assert time.process_time() - start < 10
    for part in parts:
        counts = np.stack([y[part == k].sum(axis=0) for k in range(10)])
        assert abs(counts - y.sum(axis=0) / 10).max() <= 2
