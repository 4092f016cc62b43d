from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binom, chisquare

from hetero_mmer.functional.dropout import dropout


@pytest.mark.parametrize('p', [0.1, 0.2, 0.5, 0.9])
def test_drops_each_number_with_its_probability(p):
    torch.manual_seed(1)
    x = torch.full((1000, 100), 3.0)
    out = dropout(x, p)
    # To 2^-16, each number is dropped or scaled to keep the mean.
    kept = out[out != 0]
    torch.testing.assert_close(
        kept, torch.full_like(kept, 3 / (1 - p)), rtol=2e-4, atol=0
    )
    low, high = binom.interval(1 - 1e-6, x.numel(), p)
    assert low <= int((out == 0).sum()) <= high


def test_numbers_are_dropped_independently():
    torch.manual_seed(2)
    dropped = (dropout(torch.ones(100_000, 4), 0.5) == 0).int()
    pattern = (dropped * torch.tensor([1, 2, 4, 8])).sum(dim=1)
    assert chisquare(torch.bincount(pattern, minlength=16)).pvalue > 1e-6
    again = (dropout(torch.ones(100_000, 4), 0.5) == 0).int()
    assert abs(float((dropped == again).float().mean()) - 0.5) < 0.01


@pytest.mark.parametrize('shape', [(), (1,), (3,), (5, 7), (0,), (2, 0, 3)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_shape_and_dtype(shape, dtype):
    out = dropout(torch.ones(shape, dtype=dtype), 0.5)
    assert out.shape == shape
    assert out.dtype == dtype


def test_gradient_has_the_same_mask():
    x = torch.randn(1000, requires_grad=True)
    out = dropout(x, 0.3)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def test_same_seed_drops_the_same():
    outs = []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(dropout(torch.ones(100), 0.5))
    torch.testing.assert_close(*outs)


@pytest.mark.parametrize('p', [0.0, 1.0])
def test_nothing_and_everything_as_pytorch(p):
    x = torch.randn(10)
    torch.testing.assert_close(dropout(x, p), F.dropout(x, p))


@pytest.mark.parametrize('p', [-0.1, 1.1])
def test_other_probabilities_are_refused_as_pytorch_does(p):
    with pytest.raises(ValueError, match='probability'):
        dropout(torch.ones(1), p)
