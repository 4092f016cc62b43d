from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs, connect, prior_label_graph

LENGTHS = {'text': [2, 0, 3], 'audio': [1, 2, 0], 'visual': [0, 1, 2]}


def pointers(lengths):
    return {m: torch.tensor(np.cumsum([0, *count])) for m, count in lengths.items()}


def relations_by_loops(lengths, num_labels, label_edges=None):
    """Every edge of every relation, from the definition in the schema."""
    names = list(lengths)
    num_samples = len(lengths[names[0]])
    items = {}
    for m in names:
        rows = itertools.count()
        items[m] = [[next(rows) for _ in range(count)] for count in lengths[m]]
    cells, labels = {}, {}
    rows = itertools.count()
    for b in range(num_samples):
        for m in names:
            for i in range(num_labels):
                cells[b, m, i] = next(rows)
    rows = itertools.count()
    for b in range(num_samples):
        for i in range(num_labels):
            labels[b, i] = next(rows)

    out = {}
    for m, n in itertools.product(names, repeat=2):
        out[m, 'f2f', n] = {
            (j, i)
            for b in range(num_samples)
            for j in items[m][b]
            for i in items[n][b]
            if m != n or i != j
        }
    for m in names:
        out[m, 'f2l', 'modality'] = {
            (j, cells[b, m, i])
            for b in range(num_samples)
            for j in items[m][b]
            for i in range(num_labels)
        }
    if label_edges is None:
        label_edges = itertools.permutations(range(num_labels), 2)
    out['modality', 'l2l', 'modality'] = {
        (cells[b, m, k], cells[b, m, i])
        for (k, i) in label_edges
        for b in range(num_samples)
        for m in names
    }
    out['modality', 'm2l', 'label'] = {
        (cells[b, m, i], labels[b, i])
        for b in range(num_samples)
        for m in names
        for i in range(num_labels)
        if items[m][b]
    }
    return out


def edges_of(edge_type, attributes):
    ((name, value),) = attributes.items()
    assert value.dtype == torch.long
    if name == 'range_index':
        loops = edge_type[0] != edge_type[2]
        value = AllPairs.from_range_index(value, loops=loops).edge_index()
    else:
        assert name == 'edge_index'
        assert (value[1].diff() >= 0).all(), 'not sorted by target'
    return value


@pytest.mark.parametrize('num_labels', [1, 3])
@pytest.mark.parametrize('label_graph', [None, [(2, 0), (0, 2), (1, 1), (2, 2)]])
@pytest.mark.parametrize(
    'lengths', [LENGTHS, {'text': [2, 0, 3]}, {'text': [1], 'audio': [0]}]
)
def test_relations_agree_with_loops(lengths, num_labels, label_graph):
    if label_graph is not None:
        label_graph = [(k, i) for k, i in label_graph if max(k, i) < num_labels]
    given = None
    if label_graph is not None:
        given = torch.tensor(label_graph, dtype=torch.long).view(-1, 2).T
    relations = connect(pointers(lengths), num_labels, given)
    expected = relations_by_loops(lengths, num_labels, label_graph)
    assert relations.keys() == expected.keys()
    for edge_type, attributes in relations.items():
        edges = list(map(tuple, edges_of(edge_type, attributes).T.tolist()))
        assert len(set(edges)) == len(edges)
        assert set(edges) == expected[edge_type], edge_type


def test_complete_relations_are_stored_as_ranges():
    relations = connect(pointers(LENGTHS), num_labels=2)
    for edge_type, attributes in relations.items():
        name = 'edge_index' if edge_type == schema.M2L else 'range_index'
        assert list(attributes) == [name]


@pytest.mark.parametrize(
    'label_graph',
    [
        torch.tensor([0, 1]),
        torch.tensor([[0, 1]]),
        torch.tensor([[0.0], [1.0]]),
        torch.tensor([[0], [2]]),
        torch.tensor([[-1], [0]]),
        torch.zeros(2, 2, 2, dtype=torch.long),
    ],
    ids=['flat', 'one_row', 'float', 'too_high', 'negative', 'three_dimensions'],
)
def test_refuses_what_is_no_label_graph(label_graph):
    with pytest.raises(InputError, match=r"'label_graph'.*\(got .*\)"):
        connect(pointers(LENGTHS), 2, label_graph)


# The label graph from co-occurrence.


def prior_by_loops(labels, threshold):
    edges = set()
    num_labels = len(labels[0])
    for k in range(num_labels):
        for i in range(num_labels):
            n_k = sum(row[k] for row in labels)
            n_i = sum(row[i] for row in labels)
            n_ik = sum(row[i] * row[k] for row in labels)
            often = n_k and n_i and n_ik / math.sqrt(n_i * n_k) >= threshold
            if often or i == k:
                edges.add((k, i))
    return edges


@pytest.mark.parametrize('threshold', [0.05, 0.2, 0.5])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float, torch.bool, torch.long])
def test_prior_label_graph_agrees_with_loops(threshold, dtype):
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.6):
        labels = (rng.random((40, 6)) < share).astype(int)
        labels[:, 4] = 0  # Never occurs: only itself.
        edge_index = prior_label_graph(
            torch.from_numpy(labels).to(dtype), threshold=threshold
        )
        edges = list(map(tuple, edge_index.T.tolist()))
        assert len(set(edges)) == len(edges)
        assert set(edges) == prior_by_loops(labels.tolist(), threshold)
        assert (edge_index[1].diff() >= 0).all()


def test_prior_label_graph_by_hand():
    # Label 0 four times, label 1 once and with label 0: 1 / sqrt(4 * 1) = 0.5.
    labels = torch.tensor([[1, 1], [1, 0], [1, 0], [1, 0]])
    assert prior_label_graph(labels, threshold=0.5).size(1) == 4
    assert prior_label_graph(labels, threshold=0.51).tolist() == [[0, 1], [0, 1]]
