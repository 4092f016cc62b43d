from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import HeteroConv

from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import AttentionConv
from hetero_mmer.testing import LAYER_CHECKS, check_layer

EDGES = torch.tensor([[0, 3, 1, 2, 0, 3], [2, 0, 0, 2, 0, 3]])  # Nobody tells 1 and 4.


def make(in_channels=(3, 5), heads=1, **kwargs):
    torch.manual_seed(0)
    return AttentionConv(in_channels, 4, heads=heads, **kwargs).double().eval()


def draw(num_nodes, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_nodes, width, generator=generator, dtype=torch.double)


def dense(conv, x_src, x_dst, edge_index):
    """The matrix formula: a softmax over an adjacency, head by head."""
    adjacency = torch.zeros(len(x_dst), len(x_src), dtype=torch.bool)
    adjacency[edge_index[1], edge_index[0]] = True
    query, key, value = (
        x @ lin.weight.T
        for x, lin in (
            (x_dst, conv.lin_query),
            (x_src, conv.lin_key),
            (x_src, conv.lin_value),
        )
    )
    out, alphas, size = [], [], 4 // conv.heads
    for h in range(conv.heads):
        part = slice(h * size, (h + 1) * size)
        score = query[:, part] @ key[:, part].T / math.sqrt(size)
        weight = torch.where(adjacency, score.exp(), torch.zeros_like(score))
        alpha = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-300)
        out.append(alpha @ value[:, part])
        alphas.append(alpha)
    out = torch.cat(out, dim=1)
    if conv.heads > 1:
        out = out @ conv.lin_out.weight.T
    return out, torch.stack(alphas, dim=-1)


def test_string_form():
    assert str(make(8, heads=2)) == 'AttentionConv((8, 8), 4, heads=2)'


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.usefixtures('kernel')
def test_passes_the_checks_of_layers(heads):
    made = check_layer(partial(AttentionConv, heads=heads), dtype=torch.double)
    assert made == tuple(LAYER_CHECKS)


@pytest.mark.parametrize('heads', [1, 2, 4])
@pytest.mark.usefixtures('kernel')
def test_agrees_with_dense_formula(heads):
    conv = make(heads=heads)
    x = draw(4, 3), draw(5, 5, seed=1)
    out, (edge_index, alpha) = conv(x, EDGES, return_attention_weights=True)
    expected, weights = dense(conv, *x, EDGES)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(conv(x, EDGES), expected)
    torch.testing.assert_close(alpha, weights[edge_index[1], edge_index[0]])


@pytest.mark.usefixtures('kernel')
def test_sorted_edge_index_gives_the_same():
    conv = make(heads=2)
    x = draw(4, 3), draw(5, 5, seed=1)
    edges = EDGES[:, EDGES[1].argsort()]
    csr = EdgeIndex(edges, sparse_size=(4, 5), sort_order='col')
    torch.testing.assert_close(conv(x, csr), conv(x, EDGES))


def test_works_in_a_plain_hetero_conv():
    conv = make()
    x_dict = {'a': draw(4, 3), 'b': draw(5, 5)}
    relation = ('a', 'r', 'b')
    with pytest.warns(UserWarning, match='node types'):
        stage = HeteroConv({relation: conv})
    pairs = AllPairs(torch.tensor([[0, 4]]), torch.tensor([[0, 5]]))
    expected = conv((x_dict['a'], x_dict['b']), pairs.edge_index())
    for edge_index in (pairs, pairs.edge_index()):
        out = stage(x_dict, {relation: edge_index})['b']
        torch.testing.assert_close(out, expected)


@pytest.mark.parametrize('by', ['pairs', 'edges'])
def test_dropout_keeps_the_expectation_in_training_only(by):
    conv = make(dropout=0.5)
    x = draw(4, 3), draw(2, 5)
    relation = AllPairs(torch.tensor([[0, 4]]), torch.tensor([[0, 2]]))
    if by == 'edges':
        relation = relation.edge_index()
    with torch.no_grad():
        expected = conv(x, relation)
        torch.testing.assert_close(conv(x, relation), expected)
        conv.train()
        outs = torch.stack([conv(x, relation) for _ in range(2000)])
    assert (outs.std(dim=0) > 0.01).all()
    error = outs.std(dim=0) / math.sqrt(2000)
    assert ((outs.mean(dim=0) - expected).abs() < 5 * error).all()


def test_one_head_has_no_output_projection():
    assert {n for n, _ in make().named_parameters()} == {
        'lin_query.weight',
        'lin_key.weight',
        'lin_value.weight',
    }


@pytest.mark.parametrize('heads', [0, -1, 3])
def test_refuses_heads_that_do_not_divide_the_width(heads):
    with pytest.raises(InputError, match=rf"'heads'.*\(got {heads}\)"):
        make(heads=heads)
