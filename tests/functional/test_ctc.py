from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from hetero_mmer.functional.ctc import ctc_align, ctc_loss, interpolate

LENGTHS = torch.tensor([5, 2, 0, 3])
MASK = torch.arange(5) < LENGTHS.unsqueeze(1)


def randn(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


@pytest.mark.parametrize('normalize', [False, True])
def test_alignment_by_loops(normalize):
    x, scores = randn(4, 5, 2) * MASK.unsqueeze(-1), randn(4, 5, 4)
    out = ctc_align(x, scores, MASK, normalize=normalize)
    for b, length in enumerate(LENGTHS.tolist()):
        p = np.exp(scores[b].numpy())
        p /= p.sum(axis=1, keepdims=True)
        for t in range(3):
            weight = [p[j, t + 1] for j in range(length)]
            if normalize and length:
                weight = [w / sum(weight) for w in weight]
            expected = sum(
                (w * x[b, j] for j, w in enumerate(weight)), torch.zeros(2).double()
            )
            torch.testing.assert_close(out[b, t], expected)


def loss_over_all_paths(scores, anchor_length):
    """Sums the probability of each path that reads 1, 2, ... once merged."""
    log_p = scores.log_softmax(dim=-1)
    total = 0.0
    for path in itertools.product(range(scores.size(1)), repeat=len(scores)):
        merged = [p for p, _ in itertools.groupby(path) if p != 0]
        if merged == list(range(1, anchor_length + 1)):
            total += float(sum(log_p[s, p] for s, p in enumerate(path)).exp())
    return -np.log(total) if total else 0.0


@pytest.mark.parametrize('input_length', ['source', 'anchor'])
def test_loss_by_all_paths(input_length):
    scores, anchor = randn(4, 5, 4), torch.tensor([3, 2, 1, 1])
    loss = ctc_loss(scores, LENGTHS, anchor, input_length=input_length)
    for b, (length, n) in enumerate(
        zip(LENGTHS.tolist(), anchor.tolist(), strict=True)
    ):
        steps = length if input_length == 'source' else min(n, length)
        expected = loss_over_all_paths(scores[b, :steps], n)
        assert float(loss[b]) == pytest.approx(expected, rel=1e-12)
    assert loss[2] == 0
    assert (loss[[0, 1, 3]] > 0).all()


@pytest.mark.parametrize('input_length', ['source', 'anchor'])
def test_nothing_is_learnt_where_there_is_no_path(input_length):
    """Too short, no item, no anchor; neither loss nor gradient, and never NaN."""
    scores = randn(4, 5, 4).requires_grad_()
    anchor = torch.tensor([2, 3, 1, 0])
    loss = ctc_loss(scores, LENGTHS, anchor, input_length=input_length)
    assert (loss > 0).tolist() == [True, False, False, False]
    loss.sum().backward()
    assert (scores.grad != 0).any(dim=2).any(dim=1).tolist() == [True] + 3 * [False]
    assert scores.grad.isfinite().all()


def test_anchors_longer_than_all_sequences():
    one = torch.tensor([1])
    assert ctc_loss(randn(1, 2, 4), 2 * one, 3 * one, input_length='anchor') == 0


def test_gradient_of_the_loss():
    """PyTorch has no second derivative to check by, so by finite differences."""
    scores, anchor = randn(4, 5, 4).requires_grad_(), torch.tensor([3, 1, 0, 2])
    assert torch.autograd.gradcheck(lambda s: ctc_loss(s, LENGTHS, anchor), scores)


def test_half_precision_is_no_trouble():
    scores, anchor = randn(4, 5, 4), torch.tensor([3, 1, 0, 2])
    expected = ctc_loss(scores.bfloat16().double(), LENGTHS, anchor)
    actual = ctc_loss(scores.bfloat16(), LENGTHS, anchor)
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-5)


def test_interpolation_is_that_of_numpy():
    x, size = randn(4, 5, 2), torch.tensor([7, 7, 4, 1])
    out = interpolate(x, LENGTHS, size, 7)
    for b, (length, n) in enumerate(zip(LENGTHS.tolist(), size.tolist(), strict=True)):
        expected = np.zeros((7, 2))
        for f in range(2 if length else 0):
            at = np.linspace(0, length - 1, n)
            expected[:n, f] = np.interp(at, np.arange(length), x[b, :length, f])
        np.testing.assert_allclose(out[b], expected, atol=1e-14)


def test_one_item_is_stretched_over_all_places():
    one = torch.tensor([1])
    x = torch.tensor([[[2.0], [9.0]]])
    assert interpolate(x, one, 3 * one, 4).flatten().tolist() == [2, 2, 2, 0]
