from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hetero_mmer.functional.masked import (
    masked_bce,
    masked_max,
    masked_mean,
    masked_mse,
    masked_std,
)

MASK = torch.tensor([[True, True, False], [True, False, False]])


@pytest.fixture
def x():
    x = torch.randn(2, 3, 4, 5, dtype=torch.double)
    x[~MASK] = 1e6
    return x


def test_mse_is_that_of_each_modality_alone(x):
    target = torch.randn(2, 3, 4, 5, dtype=torch.double)
    first = F.mse_loss(x[:, 0], target[:, 0])
    second = F.mse_loss(x[:1, 1], target[:1, 1])
    actual = masked_mse(x, target, MASK)
    torch.testing.assert_close(actual, first + second)


def test_max_and_mean_are_over_what_is_there(x):
    scores = x[..., 0]
    torch.testing.assert_close(
        masked_max(scores, MASK),
        torch.stack([torch.maximum(scores[0, 0], scores[0, 1]), scores[1, 0]]),
    )
    torch.testing.assert_close(
        masked_mean(scores, MASK),
        torch.stack([(scores[0, 0] + scores[0, 1]) / 2, scores[1, 0]]),
    )
    torch.testing.assert_close(
        masked_mean(scores, MASK, dim=0),
        torch.stack(
            [(scores[0, 0] + scores[1, 0]) / 2, scores[0, 1], torch.zeros(4).double()]
        ),
    )


def test_bce_is_over_the_rows_that_are_there(x):
    logits, y = x[..., 0], torch.randint(2, (2, 3, 4)).double()
    rows = [(0, 0), (0, 1), (1, 0)]
    expected = torch.stack(
        [F.binary_cross_entropy_with_logits(logits[r], y[r]) for r in rows]
    ).mean()
    torch.testing.assert_close(masked_bce(logits, y, MASK), expected)


def test_what_is_not_there_gets_no_gradient(x):
    x = x.requires_grad_()
    zero = torch.zeros_like(x)
    total = masked_mse(x, zero, MASK) + masked_bce(x[..., 0], zero[..., 0], MASK)
    total = total + masked_max(x[..., 0], MASK).sum() + masked_mean(x, MASK).sum()
    total.backward()
    assert (x.grad[MASK] != 0).any(dim=-1).all()
    assert (x.grad[~MASK] == 0).all()


def test_std_is_that_of_each_sample_alone():
    x = torch.randn(2, 3, 4, dtype=torch.double)
    x[~MASK] = 1e6
    actual = masked_std(x.requires_grad_(), MASK)
    torch.testing.assert_close(actual[0], x[0, :2].std(dim=0, correction=0))
    assert (actual[1] == 0).all()
    actual.sum().backward()  # One item: no deviation, and no NaN.
    assert x.grad.isfinite().all()
    assert not masked_std(x, torch.zeros_like(MASK)).any()
