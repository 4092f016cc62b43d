from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import eigh

from hetero_mmer.functional.label_prior import (
    conditional_probability,
    cooccurrence_graph,
    label_centroids,
    label_counts,
    positive_pmi,
    svd_embedding,
)


@pytest.fixture
def y():
    y = np.random.default_rng(0).random((30, 5)) < [0.5, 0.4, 0.3, 0.2, 0]
    y[:, 3] &= y[:, 1]  # Together with 1 more often than by chance.
    return torch.from_numpy(y)


@pytest.mark.parametrize('dtype', [torch.bool, torch.uint8, torch.float, torch.long])
def test_counts_by_loops(y, dtype):
    count, both = label_counts(y.to(dtype))
    rows = y.tolist()
    for i in range(5):
        assert count[i] == sum(row[i] for row in rows)
        for j in range(5):
            expected = 0 if i == j else sum(row[i] and row[j] for row in rows)
            assert both[i, j] == expected
    p = conditional_probability(count, both)
    for i in range(5):
        for j in range(5):
            assert p[i, j] == int(both[i, j]) / max(int(count[i]), 1)
    assert not p[4].any()


def test_the_worked_numbers_of_ml_gcn():
    both = torch.tensor([[0, 5, 1], [5, 0, 3], [1, 3, 0]])
    p = conditional_probability(torch.tensor([10, 6, 4]), both)
    expected = [[0, 0.5, 0.1], [0.833, 0, 0.5], [0.25, 0.75, 0]]
    np.testing.assert_allclose(p, expected, atol=5e-4)


def test_counts_of_the_recorded_programs(shared):
    """ML-GCN and KRF, whose counts were made by the authors' code."""
    for name in ('mlgcn', 'krf'):
        folder = shared / 'data' / 'zoo_reference'
        with np.load(folder / f'{name}_reference.npz') as file:
            labels = torch.from_numpy(file['prior/train_labels'])
            count, both = label_counts(labels)
            np.testing.assert_array_equal(both, file['prior/counts'])
            if 'prior/nums' in file.files:
                np.testing.assert_array_equal(count, file['prior/nums'])


def test_graph_by_hand():
    # Label 0 four times, label 1 once and with label 0: 1 / sqrt(4 * 1) = 0.5.
    count, both = torch.tensor([4, 1, 0]), torch.zeros(3, 3, dtype=torch.long)
    both[0, 1] = both[1, 0] = 1
    graph = cooccurrence_graph(count, both, threshold=0.5)
    assert graph.tolist() == [[0, 1, 0, 1, 2], [0, 0, 1, 1, 2]]
    graph = cooccurrence_graph(count, both, threshold=0.51)
    assert graph.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_pmi_by_loops(y):
    count, both = label_counts(y)
    pmi = positive_pmi(count, both, len(y))
    p = y.double().mean(dim=0)
    for i in range(5):
        for j in range(5):
            joint = float((y[:, i] & y[:, j]).double().mean())
            expected = 0.0
            if i != j and joint > 0:
                expected = max(0.0, float(np.log(joint / float(p[i] * p[j]))))
            assert float(pmi[i, j]) == pytest.approx(expected, abs=1e-12)
    assert pmi[1, 3] > 0
    assert not pmi[4].any()


@pytest.mark.parametrize('channels', [5, 8, 300])
def test_embedding_keeps_the_angles_of_the_decomposition(y, channels):
    r"""U S U' is the only positive root of M M', whatever the signs of U."""
    m = positive_pmi(*label_counts(y), len(y))
    e = svd_embedding(m, channels)
    assert e.shape == (5, channels)
    square, v = eigh((m @ m.T).numpy())
    root = (v * np.sqrt(np.maximum(square, 0))) @ v.T
    np.testing.assert_allclose(e @ e.T, root, atol=1e-7)
    assert torch.equal(e, svd_embedding(m, channels))
    assert not torch.allclose(e, svd_embedding(m, channels, seed=1))
    assert not e[4].any()  # Exactly: nothing is known of this label.
    assert (e[1] != 0).all()  # Spread over all columns.


def test_a_row_of_zeros_stays_one_whatever_is_rounded():
    a = torch.rand(12, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    a[[2, 11]] = 0
    e = svd_embedding(torch.outer(a, a), 12)
    assert e.any(dim=1).tolist() == (a > 0).tolist()


def test_a_narrow_embedding_has_the_largest_components():
    m = torch.diag(torch.tensor([1.0, 9.0, 4.0]))
    e = svd_embedding(m, 2)
    np.testing.assert_allclose(e @ e.T, np.diag([0.0, 9.0, 4.0]), atol=1e-12)


def test_centroids_by_loops(y):
    x = torch.randn(30, 4, dtype=torch.double)
    out = label_centroids(y.double().T @ x, y.sum(dim=0), x.sum(dim=0), len(x))
    for i in range(4):
        centre = np.mean([x[n].numpy() for n in range(30) if y[n, i]], axis=0)
        centre = centre - x.numpy().mean(axis=0)
        np.testing.assert_allclose(out[i], centre / np.linalg.norm(centre))
    assert not out[4].any()


def test_a_label_of_all_samples_has_no_centroid():
    x = torch.randn(31, 4, dtype=torch.double) + 100
    sums = torch.stack([sum(x[k] for k in range(31)), x[:3].sum(dim=0)])
    out = label_centroids(sums, torch.tensor([31, 3]), x.sum(dim=0), 31)
    assert not out[0].any()
    assert float(out[1].norm()) == pytest.approx(1)
