from __future__ import annotations

import math

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import HeteroConv

from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import AttentionConv

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
def test_order_of_edges_does_not_matter():
    conv = make(heads=2)
    x = draw(4, 3), draw(5, 5, seed=1)
    expected = conv(x, EDGES)
    for order in ([5, 4, 3, 2, 1, 0], [1, 2, 4, 0, 3, 5]):
        torch.testing.assert_close(conv(x, EDGES[:, order]), expected)


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.usefixtures('kernel')
def test_target_without_edges_gets_zero(heads):
    conv = make(heads=heads)
    x = [draw(4, 3).requires_grad_(), draw(5, 5).requires_grad_()]
    out = conv(tuple(x), EDGES)
    assert (out[[1, 4]] == 0).all()
    out.sum().backward()
    assert all(part.grad.isfinite().all() for part in x)
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert torch.equal(conv(tuple(x), nothing), torch.zeros(5, 4).double())


def test_one_node_type():
    conv = make(3)
    x = draw(5, 3)
    torch.testing.assert_close(conv(x, EDGES), dense(conv, x, x, EDGES)[0])
    torch.testing.assert_close(conv(x, EDGES), conv((x, x), EDGES))


def test_no_node_at_all():
    out = make()((draw(0, 3), draw(2, 5)), torch.empty(2, 0, dtype=torch.long))
    assert torch.equal(out, torch.zeros(2, 4).double())
    out = make()((draw(2, 3), draw(0, 5)), torch.empty(2, 0, dtype=torch.long))
    assert out.shape == (0, 4)


BLOCKS = {
    'equal': ([[0, 2], [2, 4]], [[0, 3], [3, 6]]),
    'ragged': ([[0, 1], [1, 4]], [[0, 4], [4, 6]]),
    'empty': ([[0, 4], [4, 4]], [[0, 0], [0, 6]]),
    'partial': ([[1, 3]], [[2, 5]]),
}


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.parametrize('name', BLOCKS)
@pytest.mark.usefixtures('kernel')
def test_all_pairs_are_the_same_as_their_edges(name, heads):
    conv = make(heads=heads)
    src, dst = map(torch.tensor, BLOCKS[name])
    pairs = AllPairs(src, dst)
    x = draw(4, 3).requires_grad_(), draw(6, 5).requires_grad_()
    out = conv(x, pairs)
    edge_index = pairs.edge_index()
    torch.testing.assert_close(out, dense(conv, *x, edge_index)[0])
    by_edges, (edges, alpha) = conv(x, edge_index, return_attention_weights=True)
    torch.testing.assert_close(out, by_edges)
    again, (pair_edges, pair_alpha) = conv(x, pairs, return_attention_weights=True)
    torch.testing.assert_close(out, again)
    assert torch.equal(pair_edges, edges)
    torch.testing.assert_close(pair_alpha, alpha)
    weight = draw(6, 4, seed=2)
    inputs = [*x, conv.lin_query.weight, conv.lin_key.weight, conv.lin_value.weight]
    grads = torch.autograd.grad((out * weight).sum(), inputs)
    expected = torch.autograd.grad((by_edges * weight).sum(), inputs)
    torch.testing.assert_close(grads, expected)


def test_all_pairs_without_loops():
    conv = make(3)
    blocks = torch.tensor([[0, 2], [2, 3], [3, 6]])
    pairs = AllPairs(blocks, blocks, loops=False)
    x = draw(6, 3)
    out = conv(x, pairs)
    torch.testing.assert_close(out, conv(x, pairs.edge_index()))
    assert (out[2] == 0).all()


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


def test_resetting_draws_the_same_weights_from_the_same_seed():
    conv = make(heads=2)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        conv.reset_parameters()
        drawn.append(torch.cat([p.detach().flatten() for p in conv.parameters()]))
    assert torch.equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).all()


@pytest.mark.parametrize('heads', [0, -1, 3])
def test_refuses_heads_that_do_not_divide_the_width(heads):
    with pytest.raises(InputError, match=rf"'heads'.*\(got {heads}\)"):
        make(heads=heads)
