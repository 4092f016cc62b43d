from __future__ import annotations

import pytest
import torch

from hetero_mmer.nn.feed_forward import FeedForward


def test_agrees_with_loops():
    torch.manual_seed(0)
    update = FeedForward(3, 2).double()
    x = torch.randn(4, 3, dtype=torch.double)
    (w_r, b_1, w_b, b_2) = (p.detach().numpy() for p in update.parameters())
    out = update(x)
    for n, row in enumerate(x.numpy()):
        hidden = [
            max(0.0, sum(w * v for w, v in zip(w_r[h], row, strict=True)) + b_1[h])
            for h in range(2)
        ]
        for c in range(2):
            expected = sum(w_b[c][h] * hidden[h] for h in range(2)) + b_2[c]
            assert out[n, c].item() == pytest.approx(expected)


def test_widths():
    assert FeedForward(6, 4)(torch.randn(5, 6)).shape == (5, 4)
    assert FeedForward(6, 4)(torch.randn(0, 6)).shape == (0, 4)


def test_dropout_is_on_the_result_and_for_training_only():
    torch.manual_seed(0)
    update = FeedForward(3, 200, dropout=0.5)
    x = torch.randn(50, 3)
    kept = update.eval()(x)
    assert torch.equal(update(x), kept)
    out = update.train()(x)
    dropped = out == 0
    assert 0.45 < dropped.float().mean() < 0.55
    torch.testing.assert_close(out[~dropped], 2 * kept[~dropped])


def test_resetting_draws_every_weight_anew():
    update = FeedForward(3, 2)
    before = [p.clone() for p in update.parameters()]
    update.reset_parameters()
    after = list(update.parameters())
    assert all((old != new).all() for old, new in zip(before, after, strict=True))
