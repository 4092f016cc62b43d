from __future__ import annotations

import pytest
import torch

from hetero_mmer.nn.fusion import MeanSpace

# Two modalities, one label, width 1; the second sample lacks the second modality.
U = torch.tensor([[1.0, 4.0], [3.0, 0.0], [8.0, 6.0]]).view(3, 2, 1, 1)
MASK = torch.tensor([[True, True], [True, False], [True, True]])
Y = torch.zeros(3, 1)


def test_mean_of_the_batch_by_hand():
    out = MeanSpace(2, 1, 1)(U, MASK)
    assert out.intrinsic.flatten().tolist() == [4, 5] * 3
    assert out.semantic.flatten().tolist() == [1, 4, 3, 5, 8, 6]
    assert out.latent is None


def test_evaluation_uses_the_mean_of_training():
    space = MeanSpace(2, 1, 1, momentum=0.5)
    space.update_(U, space(U, MASK), Y, MASK)
    space.eval()
    out = space(U[1:2], MASK[1:2])
    assert out.intrinsic.flatten().tolist() == [2, 2.5]  # Half way from zero.
    assert out.semantic.flatten().tolist() == [3, 2.5]
    space.reset_parameters()
    assert (space.mean == 0).all()


def test_modality_that_the_whole_batch_lacks_keeps_its_mean():
    space = MeanSpace(2, 1, 1, momentum=0.5)
    space.update_(U, space(U, MASK), Y, MASK)
    out = space(U[1:2], MASK[1:2])
    assert out.intrinsic.flatten().tolist() == [3, 2.5]
    space.update_(U[1:2], out, Y[1:2], MASK[1:2])
    assert space.mean.flatten().tolist() == pytest.approx([2.5, 2.5])


@pytest.mark.parametrize('momentum', [0.9, 0.25, 0.0, 1.0])
def test_momentum_is_what_the_mean_keeps_of_itself(momentum):
    space = MeanSpace(2, 1, 1, momentum=momentum)
    expected = [0.0, 0.0]
    for scale in (1.0, 5.0, -2.0):
        u = scale * U
        space.update_(u, space(u, MASK), Y, MASK)
        for m, mean in enumerate([4, 5]):  # Of U, by hand.
            expected[m] = momentum * expected[m] + (1 - momentum) * scale * mean
    assert space.mean.flatten().tolist() == pytest.approx(expected)
