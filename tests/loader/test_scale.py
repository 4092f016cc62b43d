from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.loader import scale
from hetero_mmer.loader.scale import standardize_


def exact(x, mean, std):
    return (x.astype(np.float64) - mean) / std


@pytest.fixture(params=[1, 100, 1 << 18], autouse=True)
def block_bytes(request, monkeypatch):
    """Items of one block are one, some, all."""
    monkeypatch.setattr(scale, '_BLOCK_BYTES', request.param)


@pytest.mark.parametrize(
    ('mean', 'std'),
    [(0, 1), (200, 20), (-5e-3, 1e-6), (1.6e9, 1e4), (1e30, 1e28), (-2e37, 3e37)],
)
def test_as_exact_as_float64(mean, std):
    """Means of any size: time stamps need more digits than float32 has."""
    rng = np.random.default_rng(0)
    x = rng.normal(mean, std, (50, 3)).astype(np.float32)
    mean, std = x.astype(np.float64).mean(axis=0), x.astype(np.float64).std(axis=0)
    out = x.copy()
    standardize_(out, mean, std)
    np.testing.assert_allclose(out, exact(x, mean, std), rtol=1e-6, atol=1e-6)


def test_largest_numbers_of_float32():
    x = np.array([[3e38], [-3e38], [1e38]], np.float32)
    out = x.copy()
    standardize_(out, [-1e38], [2e38])
    np.testing.assert_allclose(out, exact(x, -1e38, 2e38), rtol=1e-6)
    standardize_(x, [0], [1e-3])
    assert x[:, 0].tolist() == [np.inf, -np.inf, np.inf]


@pytest.mark.parametrize('std', [0, 1e-46, 1e-40, np.nan])
def test_constant_columns_become_zero(std):
    x = np.array([[7.1, 1], [7.1, 5], [9, 3]], np.float32)
    standardize_(x, [7.1, 3], [std, 2])
    assert x.tolist() == [[0, -1], [0, 1], [0, 0]]


@pytest.mark.parametrize('value', [7.1, -3e-4, 1.6e9, 12345.678])
def test_equal_numbers_become_zero_though_their_mean_is_rounded(value):
    x = np.full((37, 2), value, np.float32)
    x[:, 1] = np.arange(37)
    wide = x.astype(np.float64)
    mean = wide.mean(axis=0) * (1 + 3e-16)
    standardize_(x, mean, np.sqrt(((wide - mean) ** 2).mean(axis=0)))
    assert (x[:, 0] == 0).all()
    np.testing.assert_allclose(x[:, 1].std(), 1, rtol=1e-6)


def test_marked_values_become_zero():
    rng = np.random.default_rng(1)
    x = rng.normal(5, 2, (40, 12)).astype(np.float32)
    columns = np.array([0, 2, 3, 4, 5, 6, 7, 8, 11])
    marked = np.zeros(x.shape, bool)
    marked[:, columns] = rng.random((40, 9)) < 0.3
    marked[10:20] = False
    out = x.copy()
    bits = np.packbits(marked[:, columns], axis=1)
    standardize_(out, np.full(12, 5), np.full(12, 2), (bits, columns))
    expected = np.where(marked, 0, exact(x, 5, 2))
    np.testing.assert_allclose(out, expected, atol=1e-6)
    assert (out[~marked] != 0).all()


def test_no_items():
    x = np.zeros((0, 2), np.float32)
    standardize_(x, [0, 1], [1, 0], (np.zeros((0, 1), np.uint8), np.array([1])))
    assert x.shape == (0, 2)
