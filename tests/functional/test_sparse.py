from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.utils import softmax

from hetero_mmer.functional.attention import sparse_attention
from hetero_mmer.functional.sparse import EdgeLayout, edge_dot, edge_sum


def draw(num_src, num_dst, num_edges, seed=0, heads=2):
    """Edges sorted by target, queries, keys and a weight for each edge."""
    generator = torch.Generator().manual_seed(seed)
    dst, _ = torch.randint(num_dst, (num_edges,), generator=generator).sort()
    src = torch.randint(num_src, (num_edges,), generator=generator)
    query, key, weight = (
        torch.randn(*shape, generator=generator, dtype=torch.double)
        for shape in ((num_dst, heads, 3), (num_src, heads, 3), (num_edges, heads))
    )
    return torch.stack([src, dst]), query, key, weight


SIZES = st.integers(1, 6)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, st.integers(0, 50), st.integers(0, 99))
def test_equals_a_loop_over_edges(num_src, num_dst, num_edges, seed):
    """Parallel edges included, and more edges than pairs of nodes."""
    edge_index, query, key, weight = draw(num_src, num_dst, num_edges, seed)
    layout = EdgeLayout.of(edge_index, num_src, num_dst)
    products = torch.zeros(num_edges, 2, dtype=torch.double)
    sums = torch.zeros(num_dst, 2, 3, dtype=torch.double)
    for e, (j, i) in enumerate(edge_index.t().tolist()):
        for h in range(2):
            products[e, h] = query[i, h].dot(key[j, h])
            sums[i, h] += weight[e, h] * key[j, h]
    torch.testing.assert_close(edge_dot(query, key, layout), products)
    torch.testing.assert_close(edge_sum(weight, key, layout), sums)


@pytest.mark.parametrize('num_edges', [0, 9, 30])
def test_gradients(num_edges):
    edge_index, query, key, weight = draw(4, 5, num_edges)
    layout = EdgeLayout.of(edge_index, 4, 5)
    for function, inputs in ((edge_dot, (query, key)), (edge_sum, (weight, key))):
        call = partial(function, layout=layout)
        inputs = [x.requires_grad_() for x in inputs]
        assert torch.autograd.gradcheck(call, inputs)
        assert torch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize('dropout', [0.0, 0.5])
def test_attention_in_any_order_of_edges(dropout):
    edge_index, query, key, _ = draw(6, 4, 20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    mixed = edge_index[:, order]
    _, alpha = sparse_attention(query, key, key, mixed, dropout=dropout, scale=0.7)
    score = (query[mixed[1]] * key[mixed[0]]).sum(dim=-1) * 0.7
    torch.testing.assert_close(alpha, softmax(score, mixed[1], num_nodes=4))
    out, _ = sparse_attention(query, key, key, mixed, scale=0.7)
    expected = torch.zeros_like(query)
    expected.index_add_(0, mixed[1], alpha.unsqueeze(-1) * key[mixed[0]])
    torch.testing.assert_close(out, expected)


def test_dropout_drops_and_scales():
    edge_index, query, _, _ = draw(300, 200, 3000)
    ones = torch.ones(300, 2, 3, dtype=torch.double)
    out, _ = sparse_attention(query, 0 * ones, ones, edge_index, dropout=0.5)
    whole, _ = sparse_attention(query, 0 * ones, ones, edge_index)
    assert not torch.allclose(out, whole)
    assert out.mean().item() == pytest.approx(whole.mean().item(), rel=0.05)
