from __future__ import annotations

import math

import pytest
import torch

from hetero_mmer.nn.conv import ReadoutConv
from hetero_mmer.testing import LAYER_CHECKS, check_layer

EDGES = torch.tensor([[0, 3, 1, 2, 0], [2, 0, 0, 2, 0]])  # Nobody tells 1.


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return ReadoutConv(4).double()


def draw(num_nodes, width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_nodes, width, generator=generator, dtype=torch.double)


def by_loops(conv, x, edge_index, num_targets):
    weight = conv.lin.weight.detach()[0]
    out, alphas = torch.zeros(num_targets, x.size(1)).double(), {}
    for i in range(num_targets):
        near = [j for j, target in edge_index.T.tolist() if target == i]
        scores = {j: math.exp(sum(weight * x[j])) for j in near}
        for j in near:
            alphas[j, i] = scores[j] / sum(scores.values())
            out[i] += alphas[j, i] * x[j]
    return out, alphas


def test_string_form(conv):
    assert str(conv) == 'ReadoutConv(4)'


@pytest.mark.usefixtures('kernel')
def test_passes_the_checks_of_layers():
    made = check_layer(lambda width, _: ReadoutConv(width), dtype=torch.double)
    assert {*made, 'all_pairs'} == set(LAYER_CHECKS)


@pytest.mark.usefixtures('kernel')
def test_agrees_with_loops(conv):
    x = draw(4), draw(3, width=7)
    out, (edge_index, alpha) = conv(x, EDGES, return_attention_weights=True)
    expected, weights = by_loops(conv, x[0], EDGES, 3)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(conv(x, EDGES), expected)
    assert alpha.shape == (5, 1)
    for (j, i), value in zip(edge_index.T.tolist(), alpha[:, 0].tolist(), strict=True):
        assert value == pytest.approx(weights[j, i])


def test_two_sources_by_hand():
    conv = ReadoutConv(1)
    with torch.no_grad():
        conv.lin.weight.fill_(1.0)
    x = torch.tensor([[0.0], [math.log(3.0)]])  # Weights 1 and 3, of 4.
    out = conv((x, torch.zeros(1, 1)), torch.tensor([[0, 1], [0, 0]]))
    assert out.item() == pytest.approx(0.75 * math.log(3.0))


def test_state_of_the_target_does_not_matter(conv):
    x = draw(4)
    torch.testing.assert_close(
        conv((x, draw(3, seed=1)), EDGES), conv((x, draw(3, seed=2)), EDGES)
    )


def test_one_source_is_taken_as_it_is(conv):
    x = draw(4)
    out = conv((x, draw(2)), torch.tensor([[3, 1], [0, 1]]))
    torch.testing.assert_close(out, x[[3, 1]])


def test_large_scores_do_not_overflow(conv):
    assert conv((1e4 * draw(4), draw(3)), EDGES).isfinite().all()


def test_width_of_a_pair_is_that_of_its_sources():
    assert ReadoutConv((6, 3)).in_channels == 6
    assert [p.shape for p in ReadoutConv((6, 3)).parameters()] == [(1, 6)]
