from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from hetero_mmer.functional import contrastive
from hetero_mmer.functional.contrastive import supervised_contrastive_loss


def draw(num, width=5, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num, width, generator=generator, dtype=torch.double)
    label = torch.randint(classes, (num,), generator=generator)
    return F.normalize(x, dim=1), label


def loop(x, label, queue, queue_label, temperature, anchors):
    """Eq. 6 and 7, one anchor and one positive at a time."""
    pool = [*x, *queue]
    classes = [*label.tolist(), *queue_label.tolist()]
    if anchors == 'batch':
        there = [k for k, c in enumerate(classes) if c >= 0]
        pool, classes = [pool[k] for k in there], [classes[k] for k in there]
    num_anchors = len(x) if anchors == 'batch' else len(pool)
    total = 0.0
    for a in range(num_anchors):
        others = [k for k in range(len(pool)) if k != a]
        similar = {k: (pool[a] @ pool[k]) / temperature for k in others}
        positives = [k for k in others if classes[a] == classes[k] >= 0]
        denominator = sum(value.exp() for value in similar.values())
        for p in positives:
            total = total - (similar[p].exp() / denominator).log() / len(positives)
    return total / num_anchors


@pytest.mark.parametrize('anchors', ['batch', 'pool'])
@pytest.mark.parametrize('block', [1, 60, 1 << 21])
@pytest.mark.parametrize('unfilled', [0, 3, 8])
def test_equals_double_loop(anchors, block, unfilled, monkeypatch):
    monkeypatch.setattr(contrastive, '_BLOCK', block)  # 1, 3, and all rows at once.
    x, label = draw(11)
    queue, queue_label = draw(8, seed=1)
    queue_label[8 - unfilled :] = -1
    label[0] = 7  # Nobody else is in this class.
    x.requires_grad_()
    args = (x, label, queue, queue_label)
    loss = supervised_contrastive_loss(*args, temperature=0.3, anchors=anchors)
    expected = loop(*args, 0.3, anchors)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    (grad,) = torch.autograd.grad(3 * loss, x)
    torch.testing.assert_close(
        grad, torch.autograd.grad(3 * expected, x)[0], rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize('anchors', ['batch', 'pool'])
def test_gradients(anchors):
    x, label = draw(6)
    queue, queue_label = draw(4, seed=1)
    queue_label[3] = -1

    def loss(x):
        return supervised_contrastive_loss(
            x, label, queue, queue_label, temperature=0.5, anchors=anchors
        )

    assert torch.autograd.gradcheck(loss, x.requires_grad_())


def test_three_embeddings_by_hand():
    """Two alike at a right angle to the third, and one slot that was never filled."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    label = torch.tensor([0, 0, 1])
    queue, queue_label = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([-1])

    def loss(anchors):
        args = (x, label, queue, queue_label)
        return float(
            supervised_contrastive_loss(*args, temperature=1.0, anchors=anchors)
        )

    # Each of the two: exp(1) against exp(1) + exp(0), or against 2 exp(1) + exp(0).
    assert loss('batch') == pytest.approx(2 / 3 * (math.log(math.e + 1) - 1))
    assert loss('pool') == pytest.approx(2 / 4 * (math.log(2 * math.e + 1) - 1))


def test_without_a_queue():
    x, label = draw(9)
    loss = supervised_contrastive_loss(x, label, temperature=0.3)
    expected = loop(x, label, x[:0], label[:0], 0.3, 'batch')
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('num', [0, 1, 4])
def test_nobody_has_a_positive(num):
    x, _ = draw(num)
    x.requires_grad_()
    loss = supervised_contrastive_loss(x, torch.arange(num))
    assert loss == 0
    loss.backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_low_temperature_overflows_nowhere():
    x, label = draw(12)
    x = x.float().requires_grad_()
    loss = supervised_contrastive_loss(x, label, temperature=1e-3)
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


def test_half_precision_is_computed_in_single():
    x, label = draw(12)
    x = x.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = supervised_contrastive_loss(x, label)
    torch.testing.assert_close(loss, supervised_contrastive_loss(x.float(), label))


MEMORY = """
import re, sys, torch
from pathlib import Path
import torch.nn.functional as F
from hetero_mmer.functional.contrastive import supervised_contrastive_loss

def peak():
    # Not getrusage, whose maximum is inherited from the process that started this one.
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\\s*(\\d+)', status)[1]) / 1024

x = F.normalize(torch.randn(3456, 64), dim=1).requires_grad_()
queue = F.normalize(torch.randn(8192, 64), dim=1)
label, queue_label = torch.randint(36, (3456,)), torch.randint(36, (8192,))
supervised_contrastive_loss(x[:2], label[:2]).backward()
before = peak()
loss = supervised_contrastive_loss(x, label, queue, queue_label, anchors=sys.argv[1])
loss.backward()
print(peak() - before)
"""


@pytest.mark.skipif(
    not Path('/proc/self/status').exists(), reason='reads peak memory as Linux tells it'
)
@pytest.mark.parametrize('anchors', ['batch', 'pool'])
def test_memory_is_linear_in_the_pool(anchors):
    """The matrix of similarities alone would take 161 MB, or 543 MB for the pool."""
    run = subprocess.run(
        [sys.executable, '-c', MEMORY, anchors],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 5 < float(run.stdout) < 100
