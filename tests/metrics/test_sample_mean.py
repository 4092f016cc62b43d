from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import MultilabelF1Score

from hetero_mmer.functional.multilabel import f1_score, jaccard_index
from hetero_mmer.metrics import SampleMean


def by_hand(pred, y, score, zero_division):
    values = []
    for p, t in zip(pred.tolist(), y.tolist(), strict=True):
        p, t = ({i for i, cell in enumerate(row) if cell} for row in (p, t))
        parts = (2 * len(p & t), len(p) + len(t))
        if score is jaccard_index:
            parts = (len(p & t), len(p | t))
        values.append(parts[0] / parts[1] if parts[1] else zero_division)
    return sum(values) / len(values)


@pytest.mark.parametrize('zero_division', [0, 1])
@pytest.mark.parametrize('score', [jaccard_index, f1_score])
@pytest.mark.parametrize('num_labels', [1, 4])
def test_agrees_with_a_loop(num_labels, score, zero_division):
    g = torch.Generator().manual_seed(num_labels)
    pred, y = (torch.rand(200, num_labels, generator=g) < 0.3 for _ in range(2))
    metric = SampleMean(score, num_labels, zero_division=zero_division)
    for part in torch.randperm(200, generator=g).split(33):
        metric.update(pred[part].long(), y[part].long())
    expected = by_hand(pred, y, score, zero_division)
    assert metric.compute().item() == pytest.approx(expected, abs=1e-7)


def test_f1_agrees_with_torchmetrics():
    """As spec/metrics.md 3.1 says: F1 of each sample by a shape of its own."""
    g = torch.Generator().manual_seed(0)
    pred, y = (torch.rand(50, 4, generator=g) < 0.3 for _ in range(2))
    metric, theirs = (
        SampleMean(f1_score, 4),
        MultilabelF1Score(4, average='micro', multidim_average='samplewise'),
    )
    metric.update(pred, y)
    theirs.update(pred.long()[:, :, None], y.long()[:, :, None])
    torch.testing.assert_close(metric.compute(), theirs.compute().mean())
