from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric import EdgeIndex

from hetero_mmer.functional.attention import block_attention, edge_attention
from hetero_mmer.graph import AllPairs


def attend_by_loops(query, key, value, src, dst, loops):
    """The message of each target, one target, head and source at a time."""
    query, key, value = (x.detach().double().numpy() for x in (query, key, value))
    out = np.zeros((len(query), *value.shape[1:]))
    heads, width = query.shape[1:]
    for (s0, s1), (t0, t1) in zip(src.tolist(), dst.tolist(), strict=True):
        for i, target in enumerate(range(t0, t1)):
            near = [s for j, s in enumerate(range(s0, s1)) if loops or j != i]
            for h in range(heads if near else 0):
                scores = [
                    sum(query[target, h] * key[s, h]) / math.sqrt(width) for s in near
                ]
                weights = [math.exp(score) for score in scores]
                for s, w in zip(near, weights, strict=True):
                    out[target, h] += w / sum(weights) * value[s, h]
    return out


def draw(num_src, num_dst, heads=2, width=3, seed=0, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, heads, width, generator=generator, dtype=dtype)
        for n in (num_dst, num_src, num_src)
    ]


def ranges(lengths, gaps=0, order=None):
    """Ranges of these lengths one after the other, with ``gaps`` rows between."""
    out, start = [], gaps
    for length in lengths:
        out.append([start, start + length])
        start += length + gaps
    if order is not None:
        out = [out[k] for k in order]
    return torch.tensor(out, dtype=torch.long).view(-1, 2), start


def check(src, dst, num_src, num_dst, loops, seed=0):
    query, key, value = draw(num_src, num_dst, seed=seed)
    out = block_attention(query, key, value, src, dst, loops=loops)
    expected = attend_by_loops(query, key, value, src, dst, loops)
    assert out.dtype == torch.double
    np.testing.assert_allclose(out.numpy(), expected, rtol=0, atol=1e-12)
    # The same, over the edges.
    edge_index = AllPairs(src, dst, loops).edge_index()
    alpha = edge_attention(
        query[edge_index[1]],
        key[edge_index[0]],
        edge_index[1],
        ptr=None,
        num_nodes=num_dst,
    )
    by_edges = torch.zeros_like(query).index_add(
        0, edge_index[1], alpha.unsqueeze(-1) * value[edge_index[0]]
    )
    np.testing.assert_allclose(by_edges.numpy(), expected, rtol=0, atol=1e-12)


BLOCKS = {
    'equal': ([3, 3, 3], [2, 2, 2]),
    'equal_one_block': ([4], [3]),
    'ragged': ([3, 1, 4], [2, 5, 1]),
    'ragged_sources': ([3, 1, 4], [2, 2, 2]),
    'ragged_targets': ([2, 2, 2], [3, 1, 2]),
    'empty_sources': ([0, 2, 0], [2, 3, 1]),
    'empty_targets': ([3, 2, 1], [0, 3, 0]),
    'empty_blocks': ([0, 2, 0], [0, 1, 0]),
    'no_source_at_all': ([0, 0], [2, 1]),
    'no_target_at_all': ([2, 1], [0, 0]),
    'no_row_at_all': ([0, 0], [0, 0]),
    'no_block': ([], []),
    'one_row_each': ([1, 1, 1], [1, 1, 1]),
}


@pytest.mark.parametrize('gaps', [0, 2])
@pytest.mark.parametrize('name', BLOCKS)
def test_block_attention_agrees_with_loops(name, gaps):
    src, num_src = ranges(BLOCKS[name][0], gaps)
    dst, num_dst = ranges(BLOCKS[name][1], gaps)
    check(src, dst, num_src, num_dst, loops=True)


@pytest.mark.parametrize('gaps', [0, 1])
@pytest.mark.parametrize(
    'lengths', [[3, 3], [3, 1, 4], [1, 1], [1, 0, 2], [0, 0], [2], [1], []], ids=str
)
def test_block_attention_without_loops_agrees_with_loops(lengths, gaps):
    blocks, num_rows = ranges(lengths, gaps)
    check(blocks, blocks, num_rows, num_rows, loops=False)


def test_blocks_may_come_in_any_order():
    src, num_src = ranges([3, 1, 4], gaps=1, order=[2, 0, 1])
    dst, num_dst = ranges([2, 5, 1], gaps=1, order=[1, 2, 0])
    check(src, dst, num_src, num_dst, loops=True)
    check(dst, dst, num_dst, num_dst, loops=False)


@pytest.mark.parametrize('order', [[1, 0, 2], [2, 1, 0]])
def test_equal_blocks_out_of_order_are_not_taken_for_the_rows_in_order(order):
    src, num_src = ranges([2, 2, 2], order=order)
    dst, num_dst = ranges([3, 3, 3])
    check(src, dst, num_src, num_dst, loops=True)
    check(dst, src, num_dst, num_src, loops=True)
    check(src, src, num_src, num_src, loops=False)


def test_blocks_may_share_their_sources():
    src = torch.tensor([[0, 3], [0, 3], [1, 4]])
    dst, num_dst = ranges([2, 1, 3])
    check(src, dst, 4, num_dst, loops=True)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5),
    gaps=st.integers(0, 1),
    loops=st.booleans(),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 99),
)
def test_block_attention_agrees_with_loops_on_random_blocks(
    lengths, gaps, loops, order, seed
):
    num_src, num_dst = ([pair[k] for pair in lengths] for k in (0, 1))
    blocks = list(range(len(lengths)))
    order.shuffle(blocks)
    src, rows_src = ranges(num_src, gaps, blocks)
    dst, rows_dst = ranges(num_dst, gaps, blocks)
    if not loops:
        dst, rows_dst = src, rows_src
    check(src, dst, rows_src, rows_dst, loops, seed)


@pytest.mark.parametrize(
    ('lengths', 'loops'),
    [
        (([2, 2], [3, 3]), True),
        (([3, 0, 1], [1, 2, 0]), True),
        (([0, 0], [1, 2]), True),
        (([2, 2], [2, 2]), False),
        (([1, 3, 0], [1, 3, 0]), False),
    ],
)
def test_gradients_of_block_attention(lengths, loops):
    (src, num_src), (dst, num_dst) = ranges(lengths[0], 1), ranges(lengths[1], 1)
    inputs = [x.requires_grad_() for x in draw(num_src, num_dst)]

    def attend(query, key, value):
        return block_attention(query, key, value, src, dst, loops=loops)

    assert torch.autograd.gradcheck(attend, inputs)


@pytest.mark.parametrize('dtype', [torch.float, torch.double, torch.bfloat16])
def test_no_gradient_is_nan_where_nobody_is_heard(dtype):
    lengths, num_rows = ranges([1, 0, 3, 1])
    inputs = [x.requires_grad_() for x in draw(num_rows, num_rows, dtype=dtype)]
    out = block_attention(*inputs, lengths, lengths, loops=False, dropout=0.5)
    assert out.dtype == dtype
    (out * torch.randn_like(out)).sum().backward()
    assert out.isfinite().all()
    assert all(x.grad.isfinite().all() for x in inputs)
    assert (out[[0, 4]] == 0).all()


def test_large_scores_do_not_overflow():
    blocks, num_rows = ranges([2, 3])
    query, key, value = draw(num_rows, num_rows, dtype=torch.float)
    out = block_attention(query * 1e3, key * 1e3, value, blocks, blocks)
    assert out.isfinite().all()
    edges = AllPairs(blocks, blocks).edge_index()
    alpha = edge_attention(
        1e3 * query[edges[1]], 1e3 * key[edges[0]], edges[1], ptr=None, num_nodes=5
    )
    assert alpha.isfinite().all()


@pytest.mark.parametrize('lengths', [[4, 4], [2, 4, 1]], ids=str)
def test_dropout_drops_weights_and_keeps_the_expectation(lengths):
    blocks, num_rows = ranges(lengths)
    query, key, _ = draw(num_rows, num_rows, heads=1)
    value = torch.eye(num_rows, dtype=torch.double).unsqueeze(1)  # Shows the weights.
    kept = block_attention(query, key, value, blocks, blocks).squeeze(1)
    torch.manual_seed(0)
    draws = torch.stack(
        [
            block_attention(query, key, value, blocks, blocks, dropout=0.25).squeeze(1)
            for _ in range(2000)
        ]
    )
    real = kept > 0
    dropped = (draws == 0).double().mean(dim=0)
    # Standard error sqrt(0.25 * 0.75 / 2000) = 0.010.
    assert (dropped[real] - 0.25).abs().max() < 0.05
    torch.testing.assert_close(draws.mean(dim=0), kept, rtol=0, atol=0.06)
    survived = draws[:, real]
    scaled = (kept[real] / 0.75).expand_as(survived)
    torch.testing.assert_close(survived[survived != 0], scaled[survived != 0])


def test_equal_blocks_are_neither_copied_nor_masked(monkeypatch):
    calls = []
    attend = F.scaled_dot_product_attention

    def watch(query, key, value, attn_mask=None, **options):
        calls.append((query, key, value, attn_mask))
        return attend(query, key, value, attn_mask, **options)

    monkeypatch.setattr(F, 'scaled_dot_product_attention', watch)
    (src, num_src), (dst, num_dst) = ranges([3, 3]), ranges([2, 2])
    inputs = draw(num_src, num_dst)
    block_attention(*inputs, src, dst)
    ((query, key, value, mask),) = calls
    assert mask is None
    for seen, given_ in zip((query, key, value), inputs, strict=True):
        assert seen.data_ptr() == given_.data_ptr()
    assert query.shape == (2, 2, 2, 3)  # [K, H, S_t, C]
    assert key.shape == (2, 2, 3, 3)


@pytest.mark.parametrize('loops', [True, False])
def test_no_row_of_a_mask_is_empty(monkeypatch, loops):
    """A softmax over nothing is NaN on some devices, though not on all."""
    masks = []
    attend = F.scaled_dot_product_attention

    def watch(query, key, value, attn_mask=None, **options):
        masks.append(attn_mask)
        return attend(query, key, value, attn_mask, **options)

    monkeypatch.setattr(F, 'scaled_dot_product_attention', watch)
    blocks, num_rows = ranges([1, 0, 3])
    block_attention(*draw(num_rows, num_rows), blocks, blocks, loops=loops)
    assert masks[0].any(dim=-1).all()


# Explicit edges.


def weights_by_loops(query, key, index):
    query, key = query.numpy(), key.numpy()
    num_edges, heads, width = query.shape
    out = np.zeros((num_edges, heads))
    for h in range(heads):
        score = [
            sum(query[e, h] * key[e, h]) / math.sqrt(width) for e in range(num_edges)
        ]
        for e in range(num_edges):
            same = [f for f in range(num_edges) if index[f] == index[e]]
            total = sum(math.exp(score[f]) for f in same)
            out[e, h] = math.exp(score[e]) / total
    return out


EDGES = {
    'unsorted': [2, 0, 2, 5, 0, 2, 3],
    'sorted': [0, 0, 2, 2, 2, 3, 5],
    'one': [4],
    'none': [],
}


@pytest.mark.parametrize('name', EDGES)
@pytest.mark.usefixtures('kernel')
def test_edge_attention_agrees_with_loops(name):
    index = torch.tensor(EDGES[name], dtype=torch.long)
    query, key, _ = draw(len(index), len(index))
    alpha = edge_attention(query, key, index, ptr=None, num_nodes=7)
    expected = weights_by_loops(query, key, index.tolist())
    np.testing.assert_allclose(alpha.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('name', ['sorted', 'one', 'none'])
@pytest.mark.usefixtures('kernel')
def test_sorted_edges_give_the_same_through_their_ptr(name):
    index = torch.tensor(EDGES[name], dtype=torch.long)
    edges = EdgeIndex(
        torch.stack([torch.zeros_like(index), index]),
        sparse_size=(1, 7),
        sort_order='col',
    )
    (ptr, _), _ = edges.get_csc()
    query, key, _ = draw(len(index), len(index))
    plain = edge_attention(query, key, index, ptr=None, num_nodes=7)
    by_ptr = edge_attention(query, key, index, ptr=ptr, num_nodes=7)
    torch.testing.assert_close(by_ptr, plain)


@pytest.mark.usefixtures('kernel')
def test_gradients_of_edge_attention():
    index = torch.tensor(EDGES['unsorted'])
    query, key, _ = draw(len(index), len(index))

    def attend(query, key):
        return edge_attention(query, key, index, ptr=None, num_nodes=7)

    assert torch.autograd.gradcheck(
        attend, (query.requires_grad_(), key.requires_grad_())
    )
