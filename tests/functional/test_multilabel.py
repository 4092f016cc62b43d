from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

from hetero_mmer.functional.multilabel import (
    best_threshold,
    binarize,
    f1_per_sample,
    jaccard_per_sample,
    weighted_accuracy,
)

Y = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
P = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]])


@pytest.fixture(params=range(5))
def cells(request):
    g = torch.Generator().manual_seed(request.param)
    shape = (40, 5)
    pred, y = (torch.rand(shape, generator=g) < 0.3 for _ in range(2))
    return pred, y


def test_samples_of_the_toy_table():
    # By hand: {0}/{0}, {0}/{0,1}, empty, {}/{0}, {1}/{0,1}.
    jaccard = [1, 0.5, 0, 0, 0.5]
    f1 = [1, 2 / 3, 0, 0, 2 / 3]
    torch.testing.assert_close(jaccard_per_sample(P, Y), torch.tensor(jaccard))
    torch.testing.assert_close(f1_per_sample(P, Y), torch.tensor(f1))
    assert jaccard_per_sample(P, Y, empty=1.0)[2] == 1
    assert f1_per_sample(P, Y, empty=1.0)[2] == 1


@pytest.mark.parametrize('empty', [0.0, 1.0])
def test_samples_agree_with_sklearn(cells, empty):
    pred, y = cells
    kwargs = {'average': 'samples', 'zero_division': empty}
    ours = jaccard_per_sample(pred, y, empty=empty).mean().item()
    assert ours == pytest.approx(jaccard_score(y, pred, **kwargs))
    ours = f1_per_sample(pred, y, empty=empty).mean().item()
    assert ours == pytest.approx(f1_score(y, pred, **kwargs))


def test_weighted_accuracy_is_balanced_accuracy(cells):
    pred, y = cells
    expected = [balanced_accuracy_score(y[:, i], pred[:, i]) for i in range(5)]
    assert weighted_accuracy(pred, y).tolist() == pytest.approx(expected)


def test_weighted_accuracy_of_one_class_is_nan():
    pred = torch.tensor([[1, 1], [0, 1]])
    y = torch.tensor([[0, 1], [0, 1]])
    assert all(math.isnan(value) for value in weighted_accuracy(pred, y))


def test_binarize_is_strict_and_per_label():
    probs = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    threshold = torch.tensor([0.5, 0.25])
    expected = torch.tensor([[False, True], [True, False]])
    assert binarize(probs, threshold).equal(expected)


def test_binarize_compares_what_the_numbers_are():
    """A float32 of 0.3 is a little more than the number 0.3, of 0.7 a little less."""
    for value in (0.3, 0.7, 0.1, 0.9, 0.55):
        probs = torch.tensor([[value]])
        assert binarize(probs, value).item() == (float(probs) > value)


@pytest.mark.parametrize('seed', range(6))
def test_best_threshold_beats_every_other(seed):
    g = torch.Generator().manual_seed(seed)
    probs = torch.rand(30, generator=g)
    if seed % 2:  # Ties.
        probs = (probs * 5).round() / 5
    y = torch.rand(30, generator=g) < 0.3

    def f1(threshold):
        return f1_score(y, probs.double() > threshold, zero_division=0.0)

    grid = [i / 100 for i in range(100)]
    assert f1(best_threshold(probs, y)) >= max(f1(t) for t in grid) - 1e-12


def test_best_threshold_separates_neighbouring_floats():
    low = torch.tensor(0.3)
    high = torch.nextafter(low, torch.tensor(1.0))
    probs = torch.stack([low, high])[:, None]
    y = torch.tensor([[0], [1]])
    assert binarize(probs, best_threshold(probs, y)).equal(y.bool())


@pytest.mark.parametrize(
    ('probs', 'y', 'expected'),
    [
        ([0.2, 0.4], [0, 0], 0.5),  # No positive.
        ([0.0, 0.0], [1, 1], 0.5),  # Nothing above any threshold.
        ([0.2, 0.2], [1, 0], 0.1),  # All tied: only "all positive" is left.
        # Those in (0.85, 0.95) and (0.1, 0.55) give 2/3: the lower is nearer to 0.5.
        ([0.95, 0.85, 0.6, 0.55, 0.1], [1, 0, 0, 1, 0], 0.325),
        # Thresholds in (0.25, 0.5) and (0, 0.125) give 2/3 each.
        ([0.5, 0.25, 0.125, 0.125], [1, 0, 1, 0], 0.375),
    ],
)
def test_best_threshold_of_degenerate_cells(probs, y, expected):
    ours = best_threshold(torch.tensor(probs), torch.tensor(y))
    assert ours == pytest.approx(expected)
