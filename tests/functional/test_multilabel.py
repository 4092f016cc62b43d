from __future__ import annotations

import pytest
import torch
from sklearn import metrics as sk

from hetero_mmer.functional.multilabel import (
    best_threshold,
    binarize,
    confusion_counts,
    exact_match,
    f1_score,
    hamming_loss,
    jaccard_index,
    precision,
    recall,
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
    counts = confusion_counts(P, Y, dim=1)
    torch.testing.assert_close(jaccard_index(counts), torch.tensor(jaccard))
    torch.testing.assert_close(f1_score(counts), torch.tensor(f1))
    assert jaccard_index(counts, zero_division=1)[2] == 1
    assert f1_score(counts, zero_division=1)[2] == 1
    assert exact_match(counts).tolist() == [1, 0, 1, 0, 0]


@pytest.mark.parametrize('dtype', [torch.bool, torch.uint8, torch.long, torch.float])
def test_counts_are_those_of_a_loop(cells, dtype):
    pred, y = cells
    expected = torch.zeros(4, 40, 5, dtype=torch.long)
    row = {(1, 1): 0, (1, 0): 1, (0, 1): 2, (0, 0): 3}
    for i in range(40):
        for j in range(5):
            expected[row[int(pred[i, j]), int(y[i, j])], i, j] = 1
    for dim in (0, 1):
        counts = confusion_counts(pred.to(dtype), y.to(dtype), dim=dim)
        assert counts.dtype == torch.long
        assert counts.equal(expected.sum(1 + dim))


@pytest.mark.parametrize('zero_division', [0, 1])
@pytest.mark.parametrize('empty', [False, True])
@pytest.mark.parametrize(
    ('score', 'reference'),
    [
        (precision, sk.precision_score),
        (recall, sk.recall_score),
        (f1_score, sk.f1_score),
        (jaccard_index, sk.jaccard_score),
    ],
)
def test_all_averages_agree_with_sklearn(cells, score, reference, zero_division, empty):
    pred, y = cells
    if empty:  # Labels that nothing has, or of which nothing is right.
        pred[:, :2] = y[:, 1:3] = False
    labels, samples = (confusion_counts(pred, y, dim=dim) for dim in (0, 1))
    kwargs = {'zero_division': zero_division}
    ours = {
        'micro': score(labels.sum(1), **kwargs),
        'macro': score(labels, **kwargs).mean(),
        'samples': score(samples, **kwargs).mean(),
    }
    for average, value in ours.items():
        expected = reference(y, pred, average=average, **kwargs)
        assert value.item() == pytest.approx(expected, abs=1e-6), average
    expected = reference(y, pred, average=None, **kwargs)
    assert score(labels, **kwargs).tolist() == pytest.approx(expected.tolist())


def test_wrong_cells_and_exact_samples_agree_with_sklearn(cells):
    pred, y = cells
    labels, samples = (confusion_counts(pred, y, dim=dim) for dim in (0, 1))
    expected = sk.hamming_loss(y, pred)
    assert hamming_loss(labels.sum(1)).item() == pytest.approx(expected, abs=1e-6)
    assert hamming_loss(samples).mean().item() == pytest.approx(expected, abs=1e-6)
    accuracy = sk.accuracy_score(y, pred)
    assert exact_match(samples).mean().item() == pytest.approx(accuracy)


def test_weighted_accuracy_is_balanced_accuracy(cells):
    pred, y = cells
    expected = [sk.balanced_accuracy_score(y[:, i], pred[:, i]) for i in range(5)]
    ours = weighted_accuracy(confusion_counts(pred, y))
    assert ours.tolist() == pytest.approx(expected)


def test_weighted_accuracy_of_one_class_is_nan():
    pred = torch.tensor([[1, 1], [0, 1]])
    y = torch.tensor([[0, 1], [0, 1]])
    assert weighted_accuracy(confusion_counts(pred, y)).isnan().all()


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
        return sk.f1_score(y, probs.double() > threshold, zero_division=0.0)

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
