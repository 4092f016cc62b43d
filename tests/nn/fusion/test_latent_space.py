from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hetero_mmer.nn.fusion import LatentSpace

MASK = torch.tensor([[True, True, True], [True, False, True]])


def make(**options):
    torch.manual_seed(0)
    space = LatentSpace(3, 2, 6, latent_channels=4, **options).double()
    space.prototypes.values.normal_()
    return space


@pytest.fixture
def u():
    u = torch.randn(2, 3, 2, 6, generator=torch.Generator().manual_seed(0))
    return (u * MASK[:, :, None, None]).double()


def mlp(coder, x):
    """Two layers by hand."""
    hidden = (coder[0].weight @ x + coder[0].bias).clamp(min=0)
    return coder[2].weight @ hidden + coder[2].bias


@pytest.mark.parametrize('training', [True, False])
def test_equals_a_loop_over_cells(u, training):
    """Eq. 9 in training, Eq. 10 in evaluation."""
    space = make().train(training)
    out = space(u, MASK)
    for b in range(2):
        for i in range(2):
            latent = [
                F.normalize(mlp(space.encoders[m], u[b, m, i]), dim=0) for m in range(3)
            ]
            similar = [space.prototypes.values[m, i] @ latent[m] for m in range(3)]
            for m in range(3):
                negative, positive = space.prototypes.values[m, i]
                decoder = space.decoders[m]
                if not MASK[b, m]:
                    mean = (similar[0] + similar[2]) / 2
                    expected = mlp(decoder, positive if mean[1] > mean[0] else negative)
                    torch.testing.assert_close(out.semantic[b, m, i], expected)
                    torch.testing.assert_close(out.intrinsic[b, m, i], expected)
                    continue
                q = similar[m].exp() / similar[m].exp().sum()
                if not training:
                    q = torch.tensor([1.0, 0.0] if q[1] <= q[0] else [0.0, 1.0])
                expected = mlp(decoder, q[0] * negative + q[1] * positive)
                torch.testing.assert_close(out.intrinsic[b, m, i], expected)
                torch.testing.assert_close(out.latent[b, m, i], latent[m])
                z = mlp(space.encoders[m], u[b, m, i])
                torch.testing.assert_close(out.semantic[b, m, i], mlp(decoder, z))


def test_missing_modality_says_nothing(u):
    """Whatever its states hold, the others do not change."""
    space = make().train()
    expected = space(u, MASK)
    u[~MASK] = 1e3
    for a, b in zip(space(u, MASK)[:2], expected[:2], strict=True):
        torch.testing.assert_close(a, b)


def test_update_moves_the_prototypes_of_what_is_there(u):
    space = make(momentum=0.5)
    before, out = space.prototypes.values.clone(), space(u, MASK)
    y = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    space.update_(u, out, y, MASK)
    changed = (space.prototypes.values != before).any(dim=-1)
    assert changed.all(dim=1).tolist() == [[True, True], [False, True], [True, True]]
    torch.testing.assert_close(
        space.prototypes.values[1, :, 1], (before[1, :, 1] + out.latent[0, 1]) / 2
    )


def test_backward_after_update(u):
    """The prototypes may move between the forward and the backward pass."""
    space = make().train()
    u = u.requires_grad_()
    out = space(u, MASK)
    (expected,) = torch.autograd.grad(out.intrinsic.sum(), u, retain_graph=True)
    space.update_(u, out, torch.ones(2, 2), MASK)
    (grad,) = torch.autograd.grad(out.intrinsic.sum(), u)
    assert torch.equal(grad, expected)


def test_embeds_states_of_any_level(u):
    space = make()
    both = space.embed(torch.stack([u, 2 * u], dim=1))
    assert both.shape == (2, 2, 3, 2, 4)
    torch.testing.assert_close(both[:, 0], space(u, MASK).latent)
    torch.testing.assert_close(both.norm(dim=-1), torch.ones(2, 2, 3, 2).double())


def test_reset_draws_weights_and_forgets_prototypes():
    space = make()
    before = [p.clone() for p in space.parameters()]
    space.reset_parameters()
    assert not any(map(torch.equal, before, space.parameters()))
    assert (space.prototypes.values == 0).all()
