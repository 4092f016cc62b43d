from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import (
    GATv2Conv,
    GraphConv,
    HeteroConv,
    SAGEConv,
    SimpleConv,
    TransformerConv,
)

from hetero_mmer.graph import AllPairs


def edges_by_loops(src, dst, loops):
    edges = []
    for (s0, s1), (t0, t1) in zip(src, dst, strict=True):
        for target in range(t0, t1):
            for source in range(s0, s1):
                if loops or source - s0 != target - t0:
                    edges.append((source, target))
    return edges


def as_pairs(edge_index):
    return list(map(tuple, edge_index.T.tolist()))


def make(src, dst, loops=True):
    src, dst = (torch.tensor(x, dtype=torch.long).view(-1, 2) for x in (src, dst))
    return AllPairs(src, dst, loops)


CASES = {
    'one_block': ([[0, 3]], [[0, 2]]),
    'blocks': ([[0, 2], [2, 5]], [[0, 1], [1, 4]]),
    'empty_source': ([[0, 0], [0, 2]], [[0, 2], [2, 3]]),
    'empty_target': ([[0, 2], [2, 3]], [[0, 0], [0, 2]]),
    'all_empty': ([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    'gaps': ([[1, 3], [5, 6]], [[2, 4], [4, 5]]),
    'shared_sources': ([[0, 2], [0, 2]], [[0, 1], [1, 3]]),
    'no_block': ([], []),
}


@pytest.mark.parametrize('name', CASES)
def test_edge_index_agrees_with_loops(name):
    src, dst = CASES[name]
    pairs = make(src, dst)
    edge_index = pairs.edge_index()
    assert edge_index.shape[0] == 2
    assert edge_index.dtype == torch.long
    assert as_pairs(edge_index) == edges_by_loops(src, dst, loops=True)
    assert pairs.num_edges == edge_index.size(1)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6),
    loops=st.booleans(),
)
def test_edge_index_of_random_blocks(lengths, loops):
    src, dst, s, t = [], [], 0, 0
    for num_src, num_dst in lengths:
        num_dst = num_dst if loops else num_src
        src.append([s, s + num_src])
        dst.append([t, t + num_dst])
        s, t = s + num_src, t + num_dst
    pairs = make(src, dst, loops)
    edges = as_pairs(pairs.edge_index())
    assert edges == edges_by_loops(src, dst, loops)
    assert pairs.num_edges == len(edges)
    assert [target for _, target in edges] == sorted(target for _, target in edges)


def test_without_loops_no_row_hears_itself():
    blocks = [[0, 3], [3, 4], [4, 6]]
    edges = as_pairs(make(blocks, blocks, loops=False).edge_index())
    assert edges == [(1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2), (5, 4), (4, 5)]


def test_flattened_ranges_are_read_back():
    range_index = torch.tensor([[0, 3, 3, 5], [0, 2, 2, 4]])
    pairs = AllPairs.from_range_index(range_index, loops=False)
    assert pairs.src.tolist() == [[0, 3], [3, 5]]
    assert pairs.dst.tolist() == [[0, 2], [2, 4]]
    assert not pairs.loops
    assert AllPairs.from_range_index(range_index).loops


def test_moves_to_a_device_whole():
    pairs = make([[0, 2]], [[0, 2]], loops=False).to('meta')
    assert pairs.src.device.type == pairs.dst.device.type == 'meta'
    assert not pairs.loops


@pytest.mark.parametrize(
    'duplicate', [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_and_pickles(duplicate):
    pairs = make([[0, 2]], [[0, 2]], loops=False)
    again = duplicate(pairs)
    assert torch.equal(again.edge_index(), pairs.edge_index())
    assert again.loops == pairs.loops


@pytest.mark.parametrize(
    'conv',
    [
        GATv2Conv((4, 4), 4, add_self_loops=False),
        TransformerConv((4, 4), 4),
        SAGEConv((4, 4), 4),
        GraphConv((4, 4), 4),
        SimpleConv(),
    ],
    ids=lambda conv: type(conv).__name__,
)
def test_plain_hetero_conv_fails_instead_of_dropping_messages(conv):
    stage = HeteroConv({('a', 'r', 'b'): conv, ('b', 'r', 'a'): SimpleConv()})
    x_dict = {'a': torch.randn(3, 4), 'b': torch.randn(2, 4)}
    pairs = make([[0, 3]], [[0, 2]])
    edges = torch.tensor([[0], [0]])
    with pytest.raises((ValueError, TypeError, AttributeError)):
        stage(x_dict, {('a', 'r', 'b'): pairs, ('b', 'r', 'a'): edges})
