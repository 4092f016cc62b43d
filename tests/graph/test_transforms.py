"""Transforms of PyG that look at edges."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch_geometric.transforms as T
from torch_geometric.data import Batch
from torch_geometric.loader import NeighborLoader

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit, validate
from hetero_mmer.models import CARAT, HHMPN

WIDTHS = {'lyrics': 4, 'tune': 2}


def graph(lengths=(3, 4), seed=0):
    rng = np.random.default_rng(seed)
    widths = WIDTHS.items()
    x = {m: rng.normal(size=(n, F)) for (m, F), n in zip(widths, lengths, strict=True)}
    return build_graph(x, [1, 0, 0], kinds=dict.fromkeys(WIDTHS, 'set'))


ASK = {
    'RemoveIsolatedNodes': T.RemoveIsolatedNodes(),
    'RemoveDuplicatedEdges': T.RemoveDuplicatedEdges(),
    'RemoveSelfLoops': T.RemoveSelfLoops(),
    'AddSelfLoops': T.AddSelfLoops(),
    'ToUndirected': T.ToUndirected(),
    'ToSparseTensor': T.ToSparseTensor(),
    'subgraph': lambda data: data.subgraph({'tune': torch.tensor([1, 2])}),
    'to_homogeneous': lambda data: data.to_homogeneous(node_attrs=[]),
    'has_isolated_nodes': lambda data: data.has_isolated_nodes(),
    'has_self_loops': lambda data: data.has_self_loops(),
    'is_undirected': lambda data: data.is_undirected(),
    'coalesce': lambda data: data.coalesce(),
    'NeighborLoader': lambda data: next(
        iter(NeighborLoader(data, [2], input_nodes='tune'))
    ),
}


@pytest.mark.parametrize('ask', ASK.values(), ids=ASK)
@pytest.mark.parametrize('batched', [False, True])
def test_ranges_are_not_taken_for_no_edges(ask, batched):
    data = graph()
    if batched:
        data = Batch.from_data_list([data, graph(seed=1)])
    with pytest.raises(InputError, match=r'hetero_mmer\.graph\.explicit'):
        ask(copy.copy(data))


@pytest.mark.parametrize('make', [HHMPN, CARAT])
def test_items_may_be_taken_from_an_explicit_graph(make):
    torch.manual_seed(0)
    model = make(WIDTHS, 3, hidden_channels=8).eval()
    data = graph()
    for kept in ({'tune': [0, 2]}, {'tune': [], 'lyrics': [1]}, {'lyrics': [0, 1]}):
        chosen = {m: torch.tensor(rows, dtype=torch.long) for m, rows in kept.items()}
        left = {m: data[m].x[chosen[m]] if m in chosen else data[m].x for m in WIDTHS}
        expected = build_graph(left, [1, 0, 0], kinds=dict.fromkeys(WIDTHS, 'set'))
        with torch.no_grad():
            torch.testing.assert_close(
                model(explicit(data).subgraph(chosen)).probs, model(expected).probs
            )


@pytest.mark.parametrize('make', [HHMPN, CARAT])
@pytest.mark.parametrize(
    'transform', [T.RemoveIsolatedNodes(), T.RemoveDuplicatedEdges(), T.ToDevice('cpu')]
)
def test_explicit_graphs_take_transforms(make, transform):
    torch.manual_seed(0)
    model = make(WIDTHS, 3, hidden_channels=8).eval()
    with torch.no_grad():
        found = model(transform(explicit(graph()))).probs
        torch.testing.assert_close(found, model(graph()).probs)


@pytest.mark.parametrize(
    'transform', [T.NormalizeFeatures(), T.ToDevice('cpu'), T.Constant()]
)
def test_transforms_of_items_need_no_edges(transform):
    data = transform(copy.copy(graph()))
    assert data.num_edges == graph().num_edges
    if isinstance(transform, T.NormalizeFeatures):
        x = graph()['tune'].x
        x = x - x.min()
        expected = x / x.sum(dim=1, keepdim=True).clamp(min=1)
        torch.testing.assert_close(data['tune'].x, expected)


@pytest.mark.parametrize('make', [HHMPN, CARAT])
def test_items_added_or_taken_by_hand_are_seen(make):
    model = make(WIDTHS, 3, hidden_channels=8).eval()
    for rows in ([0, 1], [0, 1, 2, 3, 0]):
        data = graph()
        data['tune'].x = data['tune'].x[rows]
        with pytest.raises(InputError, match=r'ranges.*explicit'):
            model(data)
        with pytest.raises(InputError):
            validate(data)
    data = explicit(graph())
    data['tune'].x = data['tune'].x[:2]
    with pytest.raises(InputError, match="'tune'"):
        model(data)


def test_a_relation_that_is_gone_is_named():
    data = explicit(graph())
    kept = [t for t in data.edge_types if t != ('tune', 'f2f', 'lyrics')]
    with pytest.raises(InputError, match="'tune', 'f2f', 'lyrics'"):
        HHMPN(WIDTHS, 3, hidden_channels=8)(data.edge_type_subgraph(kept))
