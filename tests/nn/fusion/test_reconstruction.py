from __future__ import annotations

import pytest
import torch

from hetero_mmer.nn.fusion import Reconstruction, Semantics

# One label, width 1: what three modalities say, and what cells of their kind are like.
SAYS, LIKE = [1.0, 2.0, 3.0], [7.0, 8.0, 9.0]
MASK = torch.ones(1, 3, dtype=torch.bool)


def cells(values):
    return torch.tensor(values).view(1, 3, 1, 1)


def levels(u=(0.0, 0.0, 0.0), **options):
    """Every map reads its three places as the digits of a number."""
    fusion = Reconstruction(3, 1, **options)
    with torch.no_grad():
        for lin in fusion.restore:
            lin.weight.copy_(torch.tensor([[100.0, 10.0, 1.0]]))
            lin.bias.zero_()
    semantics = Semantics(cells(SAYS), cells(LIKE), None)
    out = fusion(cells(u), semantics, MASK)
    assert tuple(out) == fusion.levels
    return fusion, {name: state.flatten().tolist() for name, state in out.items()}


def test_order_of_modalities_by_hand():
    _, out = levels()
    assert out['frr'] == [723, 183, 129]
    assert out['srr'] == [100 * 723 + 10 * 183 + 129] * 3


def test_each_modality_has_its_own_map():
    fusion, _ = levels()
    with torch.no_grad():
        fusion.restore[1].bias.fill_(0.5)
    out = fusion(cells(SAYS), Semantics(cells(SAYS), cells(LIKE), None), MASK)
    assert out['frr'].flatten().tolist() == [723, 183.5, 129]
    total = 100 * 723 + 10 * 183.5 + 129
    assert out['srr'].flatten().tolist() == [total, total + 0.5, total]


def test_without_the_first_level():
    fusion, out = levels(first_level=False)
    assert out == {'lsr': [0, 0, 0], 'srr': [123] * 3}
    assert fusion.loss({'lsr': cells(SAYS), 'srr': cells(LIKE)}, MASK) == 0


def test_without_the_second_level():
    _, out = levels(second_level=False)
    assert out == {'lsr': [0, 0, 0], 'frr': [723, 183, 129]}


def test_without_any_level():
    fusion, out = levels(u=[4.0, 5.0, 6.0], first_level=False, second_level=False)
    assert out == {'lsr': [4, 5, 6]}
    assert not list(fusion.parameters())


def test_loss_by_hand():
    fusion, _ = levels()
    restored, states = cells([1.0, 2.0, 5.0]), cells([0.0, 2.0, 3.0])
    out = {'lsr': states, 'frr': restored, 'srr': cells(LIKE)}
    assert fusion.loss(out, MASK) == pytest.approx(1 + 0 + 4)
    assert fusion.loss(out, torch.tensor([[False, True, True]])) == pytest.approx(4)


def test_resetting_draws_every_weight_anew():
    fusion, _ = levels()
    before = [p.clone() for p in fusion.parameters()]
    fusion.reset_parameters()
    assert not any(map(torch.equal, before, fusion.parameters()))
