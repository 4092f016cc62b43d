"""The fusions and aggregations that the paper compares with."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from hetero_mmer.nn.fusion import (
    AggregationFusion,
    AlignmentFusion,
    LabelAggregation,
    MeanSpace,
    ModalityAggregation,
)

MASK = torch.tensor([[True, True, True], [True, False, True]])


@pytest.fixture
def u():
    torch.manual_seed(0)
    return (torch.randn(2, 3, 4, 5) * MASK[:, :, None, None]).double()


def test_alignment_is_the_mean_of_what_is_there(u):
    fusion = AlignmentFusion(3, 5)
    levels = fusion(u, MeanSpace(3, 4, 5)(u, MASK), MASK)
    aligned = levels['aligned']
    torch.testing.assert_close(aligned[0, 0], u[0].sum(dim=0) / 3)
    torch.testing.assert_close(aligned[1, 0], (u[1, 0] + u[1, 2]) / 2)
    expected = (
        F.mse_loss(u[0, 0], u[0, 1])
        + F.mse_loss(u[:, 0], u[:, 2])
        + F.mse_loss(u[0, 1], u[0, 2])
    )
    torch.testing.assert_close(fusion.loss(levels, MASK), expected)


def test_aggregation_maps_all_modalities_side_by_side(u):
    fusion = AggregationFusion(3, 5).double()
    semantics = MeanSpace(3, 4, 5)(u, MASK)
    levels = fusion(u, semantics, MASK)
    for b in range(2):
        for i in range(4):
            joined = torch.cat(
                [
                    u[b, m, i] if MASK[b, m] else semantics.intrinsic[b, m, i]
                    for m in range(3)
                ]
            )
            torch.testing.assert_close(
                levels['aggregated'][b, 0, i], fusion.lin(joined)
            )
    assert fusion.loss(levels, MASK) == 0


def two_layers(part, x):
    return part.lin_out(part.lin_in(x).relu())


def test_label_aggregation_joins_the_labels_of_a_modality(u):
    part = LabelAggregation(3, 4, 5).double()
    logits, rows = part(u, MASK)
    assert torch.equal(rows, MASK)
    for b in range(2):
        for m in range(3):
            joined = torch.cat([u[b, m, i] for i in range(4)])
            torch.testing.assert_close(logits[b, m], two_layers(part, joined))


def test_modality_aggregation_joins_the_modalities_of_a_label(u):
    part = ModalityAggregation(3, 4, 5).double()
    logits, rows = part(u, MASK)
    assert rows.tolist() == [[True], [True]]
    u[1, 1] = (u[1, 0] + u[1, 2]) / 2
    for b in range(2):
        for i in range(4):
            joined = torch.cat([u[b, m, i] for m in range(3)])
            torch.testing.assert_close(logits[b, 0, i], two_layers(part, joined)[i])


@pytest.mark.parametrize(
    ('make', 'rows'),
    [
        (partial(LabelAggregation, shuffle_samples=False), MASK),
        (LabelAggregation, MASK),
        (ModalityAggregation, MASK.any(dim=1, keepdim=True)),
    ],
)
def test_losses_of_aggregations_by_a_loop(u, make, rows):
    """In evaluation nothing is shuffled."""
    part = make(3, 4, 5).double().eval()
    y = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]]).double()
    logits, _ = part(u, MASK)
    losses = [
        F.softplus(logits[b, r, i]) - y[b, i] * logits[b, r, i]
        for b, r in rows.nonzero().tolist()
        for i in range(4)
    ]
    expected = torch.stack(losses).mean()
    parts = part.loss(logits, u, y, MASK)
    shuffled = isinstance(part, LabelAggregation)
    assert list(parts) == ['bce_agg', 'bce_shuffled'][: 1 + shuffled]
    for value in parts.values():
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    'part',
    [AggregationFusion(3, 5), LabelAggregation(3, 4, 5), ModalityAggregation(3, 4, 5)],
)
def test_resetting_draws_every_weight_anew(part):
    before = [p.clone() for p in part.parameters()]
    part.reset_parameters()
    assert before
    assert not any(map(torch.equal, before, part.parameters()))
