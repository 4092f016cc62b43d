from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, HeteroData
from torch_geometric.loader import DataLoader

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import (
    AllPairs,
    SampleGraph,
    build_graph,
    explicit,
    validate,
)

WIDTHS = {'text': 4, 'audio': 3, 'visual': 2}
LENGTHS = [
    {'text': 2, 'audio': 0, 'visual': 1},  # The first sample lacks audio ...
    {'text': 0, 'audio': 2, 'visual': 3},  # ... the second text,
    {'text': 3, 'audio': 1, 'visual': 0},  # and the last visual.
]
LABELS = [[1, 0], [0, 0], [1, 1]]


def features_of(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return {m: rng.normal(size=(lengths[m], WIDTHS[m])) for m in lengths}


def build(i, **kwargs):
    kwargs = {'labels': LABELS[i], 'sample_id': f'clip-{i}', **kwargs}
    return build_graph(features_of(LENGTHS[i], seed=i), **kwargs)


@pytest.fixture
def graphs():
    return [build(i) for i in range(3)]


def edges_of(relation):
    if isinstance(relation, AllPairs):
        relation = relation.edge_index()
    return set(map(tuple, relation.T.tolist()))


def assert_same_graph(one, other):
    assert one.node_types == other.node_types
    assert one.edge_types == other.edge_types
    assert one.sample_id == other.sample_id
    for store, again in zip(one.stores, other.stores, strict=True):
        assert sorted(store.keys()) == sorted(again.keys())
        for key, value in store.items():
            if isinstance(value, torch.Tensor):
                assert value.dtype == again[key].dtype
                assert torch.equal(value, again[key]), (store, key)
            else:
                assert value == again[key]


# One sample.


def test_number_of_edges_is_that_of_explicit_ones():
    features = {'text': np.zeros((3, 2)), 'audio': np.zeros((2, 4))}
    graph = build_graph(features, labels=[1, 0])
    assert graph.num_edges == explicit(graph).num_edges > 3 * 2
    batch = Batch.from_data_list([graph, graph])
    assert batch.num_edges == 2 * graph.num_edges


def test_sample_by_hand():
    graph = build_graph(
        {'text': [[1.0, 2.0], [3.0, 4.0]], 'audio': np.ones((1, 3), dtype=np.float64)},
        labels=[1, 0],
        kinds={'audio': 'set'},
        sample_id='clip',
    )
    assert graph.sample_id == 'clip'
    assert graph.node_types == ['text', 'audio', 'modality', 'label']
    assert graph['text'].x.tolist() == [[1, 2], [3, 4]]
    assert graph['audio'].x.dtype == torch.get_default_dtype()
    assert graph['text'].pos.tolist() == [0, 1]
    assert 'pos' not in graph['audio']
    assert graph['modality'].num_nodes == 4
    assert graph['modality'].label_id.tolist() == [0, 1, 0, 1]
    assert graph['modality'].modality_id.tolist() == [0, 0, 1, 1]
    assert graph['label'].num_nodes == 2
    assert graph['label'].label_id.tolist() == [0, 1]
    assert graph['label'].y.tolist() == [1, 0]
    assert graph['label'].y.is_floating_point()
    relations = {
        ('text', 'f2f', 'text'): {(0, 1), (1, 0)},
        ('text', 'f2f', 'audio'): {(0, 0), (1, 0)},
        ('audio', 'f2f', 'text'): {(0, 0), (0, 1)},
        ('audio', 'f2f', 'audio'): set(),
        ('text', 'f2l', 'modality'): {(0, 0), (0, 1), (1, 0), (1, 1)},
        ('audio', 'f2l', 'modality'): {(0, 2), (0, 3)},
        ('modality', 'l2l', 'modality'): {(0, 1), (1, 0), (2, 3), (3, 2)},
        ('modality', 'm2l', 'label'): {(0, 0), (1, 1), (2, 0), (3, 1)},
    }
    assert {k: edges_of(v) for k, v in graph.edge_index_dict.items()} == relations
    assert set(graph.edge_types) == set(relations)


@pytest.mark.parametrize(
    'labels',
    [[1, 0, 1], np.array([1, 0, 1], dtype=np.uint8), torch.tensor([1.0, 0.0, 1.0])],
    ids=['list', 'numpy', 'tensor'],
)
def test_labels_come_in_any_form(labels):
    y = build(0, labels=labels)['label'].y
    assert y.tolist() == [1, 0, 1]
    assert y.dtype == torch.get_default_dtype()


def test_sample_without_labels_has_no_targets():
    graph = build(0, labels=None, num_labels=5)
    assert 'y' not in graph['label']
    assert graph['label'].num_nodes == 5
    assert graph['modality'].num_nodes == 15


@pytest.mark.parametrize('i', range(3))
def test_every_type_and_relation_is_there_even_if_empty(graphs, i):
    names = list(WIDTHS)
    graph = graphs[i]
    assert graph.node_types == [*names, 'modality', 'label']
    assert set(graph.edge_types) == {
        *((m, 'f2f', n) for m in names for n in names),
        *((m, 'f2l', 'modality') for m in names),
        schema.L2L,
        schema.M2L,
    }
    assert set(graph.edge_index_dict) == set(graph.edge_types)
    for m in names:
        assert graph[m].x.shape == (LENGTHS[i][m], WIDTHS[m])
        assert graph[m].num_nodes == LENGTHS[i][m]


def test_label_graph_is_among_the_cells_of_each_modality(graphs):
    graph = build(0, label_graph=torch.tensor([[1, 1], [0, 1]]))
    edges = edges_of(graph.edge_index_dict[schema.L2L])
    assert edges == {(c + 1, c) for c in (0, 2, 4)} | {
        (c + 1, c + 1) for c in (0, 2, 4)
    }


# What is refused.

REFUSED = {
    'no_item': ({'text': np.zeros((0, 2))}, {}, 'has no item'),
    'no_modality': ({}, {}, 'has no item'),
    'one_dimension': ({'text': np.zeros(3)}, {}, r"'text'.*\[S, F\].*\(got \[3\]\)"),
    'three_dimensions': ({'text': np.zeros((1, 2, 3))}, {}, r"'text'.*\[1, 2, 3\]"),
    'no_width': ({'text': np.zeros((3, 0))}, {}, r"'text'.*\(got \[3, 0\]\)"),
    'nan': ({'text': [[0.0, np.nan], [np.inf, 1]]}, {}, r"'text'.*2 values"),
    'label_two': ({'text': np.zeros((1, 2))}, {'labels': [0, 2]}, '0 or 1'),
    'label_half': ({'text': np.zeros((1, 2))}, {'labels': [0.5, 1]}, '0 or 1'),
    'label_nan': ({'text': np.zeros((1, 2))}, {'labels': [np.nan, 1]}, '0 or 1'),
    'label_matrix': ({'text': np.zeros((1, 2))}, {'labels': [[0, 1]]}, '0 or 1'),
    'no_label': ({'text': np.zeros((1, 2))}, {'labels': []}, 'labels'),
    'labels_unknown': ({'text': np.zeros((1, 2))}, {'labels': None}, 'num_labels'),
    'no_num_labels': (
        {'text': np.zeros((1, 2))},
        {'labels': None, 'num_labels': 0},
        'num_labels',
    ),
    'other_num_labels': (
        {'text': np.zeros((1, 2))},
        {'labels': [0, 1], 'num_labels': 3},
        'num_labels',
    ),
    'kind_of_nobody': (
        {'text': np.zeros((1, 2))},
        {'kinds': {'audio': 'set'}},
        "'kinds'.*audio",
    ),
    'unknown_kind': (
        {'text': np.zeros((1, 2))},
        {'kinds': {'text': 'series'}},
        'series',
    ),
    'reserved_modality': ({'modality': np.zeros((1, 2))}, {}, "'modality'"),
    'reserved_label': ({'label': np.zeros((1, 2))}, {}, "'label'"),
    'no_name': ({'': np.zeros((1, 2))}, {}, 'name'),
    'name_with_dot': ({'a.b': np.zeros((1, 2))}, {}, r'a\.b'),
    'label_graph': (
        {'text': np.zeros((1, 2))},
        {'label_graph': torch.tensor([[0], [2]])},
        "'label_graph'",
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_refuses_in_one_sentence(name):
    features, kwargs, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        build_graph(features, **{'labels': [1, 0], 'sample_id': 'clip-7', **kwargs})
    text = str(caught.value)
    assert '\n' not in text
    assert not text.endswith('.')


@pytest.mark.parametrize('name', ['no_item', 'one_dimension', 'nan', 'label_two'])
def test_refusal_names_the_sample(name):
    features, kwargs, _ = REFUSED[name]
    kwargs = {'labels': [1, 0], **kwargs}
    with pytest.raises(InputError, match="'clip-7'"):
        build_graph(features, sample_id='clip-7', **kwargs)
    with pytest.raises(InputError, match='the sample'):
        build_graph(features, **kwargs)


# Batches. PyG gives the rows of a type that some sample lacks to the wrong sample.


@pytest.mark.parametrize('order', [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 0, 1]])
def test_items_belong_to_the_right_sample(graphs, order):
    batch = Batch.from_data_list([graphs[i] for i in order])
    for m in WIDTHS:
        expected = [b for b, i in enumerate(order) for _ in range(LENGTHS[i][m])]
        assert batch[m].batch.tolist() == expected
        ptr = np.cumsum([0] + [LENGTHS[i][m] for i in order])
        assert batch[m].ptr.tolist() == ptr.tolist()
    assert batch['modality'].batch.tolist() == [b for b in range(3) for _ in range(6)]
    assert batch['label'].batch.tolist() == [0, 0, 1, 1, 2, 2]
    assert batch['label'].y.tolist() == [v for i in order for v in LABELS[i]]
    assert batch.sample_id == [f'clip-{i}' for i in order]
    assert batch.num_graphs == 3


def test_a_type_that_a_sample_leaves_out_is_the_trap(graphs):
    """What PyG does without our empty types, so that we see when it changes."""
    plain = []
    for lengths in LENGTHS:
        data = HeteroData()
        for m, count in lengths.items():
            if count:
                data[m].x = torch.zeros(count, WIDTHS[m])
        plain.append(data)
    assert 'audio' not in Batch.from_data_list(plain).node_types
    wrong = Batch.from_data_list([plain[1], plain[0], plain[2]])
    assert wrong['audio'].batch.tolist() != [0, 0, 2]


def test_relations_of_a_batch_are_the_shifted_relations_of_its_samples(graphs):
    batch = Batch.from_data_list(graphs)
    for edge_type, relation in batch.edge_index_dict.items():
        src, _, dst = edge_type
        expected = set()
        start = [0, 0]
        for graph in graphs:
            for j, i in edges_of(graph.edge_index_dict[edge_type]):
                expected.add((j + start[0], i + start[1]))
            start[0] += graph[src].num_nodes
            start[1] += graph[dst].num_nodes
        assert edges_of(relation) == expected


@pytest.mark.parametrize('label_graph', [None, torch.tensor([[1], [0]])])
def test_batch_gives_its_samples_back(label_graph):
    graphs = [build(i, label_graph=label_graph) for i in range(3)]
    batch = Batch.from_data_list(graphs)
    for one, other in zip(batch.to_data_list(), graphs, strict=True):
        assert type(one) is SampleGraph
        assert_same_graph(one, other)
        relations = {k: edges_of(v) for k, v in one.edge_index_dict.items()}
        assert relations == {k: edges_of(v) for k, v in other.edge_index_dict.items()}
    assert_same_graph(batch[1], graphs[1])


def test_batches_come_out_of_pygs_loader(graphs):
    first, second = DataLoader(graphs, batch_size=2)
    assert first.num_graphs == 2
    assert second.sample_id == ['clip-2']
    assert isinstance(first.edge_index_dict['text', 'f2f', 'text'], AllPairs)


# Explicit relations.


@pytest.mark.parametrize('batched', [False, True])
def test_explicit_says_the_same_with_edges(graphs, batched):
    data = Batch.from_data_list(graphs) if batched else graphs[1]
    before = {k: edges_of(v) for k, v in data.edge_index_dict.items()}
    out = explicit(data)
    assert out.edge_types == data.edge_types
    for edge_type, edge_index in out.edge_index_dict.items():
        assert isinstance(edge_index, torch.Tensor)
        assert edges_of(edge_index) == before[edge_type]
        assert (edge_index[1].diff() >= 0).all()
        assert list(out[edge_type].keys()) == ['edge_index']
    for m in WIDTHS:
        assert torch.equal(out[m].x, data[m].x)


def test_explicit_leaves_the_graph_as_it_was(graphs):
    copied = graphs[0].clone()
    explicit(graphs[0])
    assert_same_graph(graphs[0], copied)
    assert isinstance(graphs[0].edge_index_dict[schema.L2L], AllPairs)


def test_explicit_samples_batch_like_an_explicit_batch(graphs):
    one = Batch.from_data_list([explicit(graph) for graph in graphs])
    other = explicit(Batch.from_data_list(graphs))
    for edge_type, edge_index in one.edge_index_dict.items():
        assert edges_of(edge_index) == edges_of(other.edge_index_dict[edge_type])


def test_explicit_batch_gives_its_samples_back(graphs):
    batch = explicit(Batch.from_data_list(graphs))
    for one, other in zip(batch.to_data_list(), graphs, strict=True):
        assert_same_graph(one, explicit(other))


def test_explicit_graph_passes_pygs_validation(graphs):
    assert explicit(graphs[0]).validate(raise_on_error=True)


# Moving, copying, storing.


@pytest.mark.parametrize('batched', [False, True])
def test_moves_to_a_device(graphs, batched):
    data = Batch.from_data_list(graphs) if batched else graphs[0]
    data = data.to('meta')
    for relation in data.edge_index_dict.values():
        if isinstance(relation, AllPairs):
            assert relation.src.device.type == relation.dst.device.type == 'meta'
        else:
            assert relation.device.type == 'meta'
    assert data['text'].x.device.type == 'meta'


@pytest.mark.parametrize(
    'duplicate', [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@pytest.mark.parametrize('batched', [False, True])
def test_copies_and_pickles(graphs, duplicate, batched):
    data = Batch.from_data_list(graphs) if batched else graphs[0]
    again = duplicate(data)
    assert type(again) is type(data)
    assert_same_graph(again, data)
    relations = {k: edges_of(v) for k, v in again.edge_index_dict.items()}
    assert relations == {k: edges_of(v) for k, v in data.edge_index_dict.items()}
    if batched:
        assert_same_graph(again[2], graphs[2])


@pytest.mark.parametrize(
    'ids',
    [
        [3, 0, 3],
        np.array([3, 0, 3], np.uint8),
        np.array([[3], [0], [3]], np.int32),
        torch.tensor([3, 0, 3]),
    ],
)
def test_ids_stay_integers(ids):
    graph = build_graph(
        {'words': ids, 'audio': np.ones((2, 3))}, [1], num_embeddings={'words': 4}
    )
    assert torch.equal(graph['words'].x, torch.tensor([[3], [0], [3]]))
    assert graph['words'].pos.tolist() == [0, 1, 2]
    assert graph.edge_index_dict['words', 'f2f', 'audio'].num_edges == 6


@pytest.mark.parametrize('none', [[], np.zeros(0), np.zeros((0, 1)), torch.zeros(0)])
def test_a_sample_without_ids(none):
    sample = {'words': none, 'audio': np.ones((2, 3))}
    x = build_graph(sample, [1], num_embeddings={'words': 4})['words'].x
    assert (x.dtype, x.shape) == (torch.long, (0, 1))


def test_integers_are_features_unless_they_are_called_ids():
    graph = build_graph({'words': np.array([[3], [0]])}, [1])
    assert graph['words'].x.dtype == torch.float
    with pytest.raises(InputError, match=r'shape \[S, F\] \(got \[2\]\)'):
        build_graph({'words': [3, 0]}, [1])


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        ([0, 4], r'has ids from 0 to 3 \(got 0 to 4\)'),
        ([-1], r'\(got -1 to -1\)'),
        ([[1.0]], r'integer ids of shape \[S\] or \[S, 1\] \(got \[1, 1\] of torch.f'),
        ([[1, 2]], r'got \[1, 2\]'),
        ([True], r'torch.bool'),
        (3, r'got \[\]'),
    ],
)
def test_what_is_no_id_is_refused(ids, message):
    with pytest.raises(InputError, match=message):
        build_graph({'words': ids}, [1], num_embeddings={'words': 4})


def test_a_vocabulary_without_its_modality_is_refused():
    with pytest.raises(InputError, match=r"'num_embeddings' names \['lyrics'\]"):
        build_graph({'words': [3]}, [1], num_embeddings={'lyrics': 4})


FACTS = {
    'intensities': [0.5, 3],
    'segments': {'text': np.array([0, 1, 1], np.int32)},
    'extras': {'pair': np.array([1, 2]), 'score': np.float64(0.5)},
}
SAMPLE = {'text': np.ones((3, 2)), 'audio': np.ones((2, 2))}


def test_facts_of_a_sample():
    graph = build_graph(SAMPLE, [1, 0], **FACTS)
    assert graph['label'].intensity.tolist() == [0.5, 3]
    assert torch.equal(graph['text'].segment, torch.tensor([0, 1, 1]))
    assert 'segment' not in graph['audio']
    assert torch.equal(graph['pair'], torch.tensor([[1.0, 2.0]]))
    assert torch.equal(graph['score'], torch.tensor([0.5]))
    graph.validate()
    validate(graph)
    assert torch.equal(explicit(graph)['pair'], graph['pair'])


def test_facts_of_a_batch_come_back():
    graphs = [build_graph(SAMPLE, [1, 0], sample_id=s, **FACTS) for s in 'ab']
    batch = Batch.from_data_list(graphs)
    assert batch['text'].segment.tolist() == [0, 1, 1] * 2
    for data in (batch, explicit(batch)):
        assert data['pair'].tolist() == [[1, 2], [1, 2]]
        assert data['score'].tolist() == [0.5, 0.5]
        assert torch.equal(data[1]['pair'], graphs[1]['pair'])
    with pytest.raises(InputError, match="sample 'b' has no 'pair', which others"):
        Batch.from_data_list([graphs[0], build_graph(SAMPLE, [1, 0], sample_id='b')])


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('intensities', [1, 2, 3], r'finite numbers of shape \[2\]'),
        ('intensities', [1, np.nan], 'finite numbers'),
        ('segments', {'text': [0, 1]}, r'each of 3 items \(got \[2\]'),
        ('segments', {'text': [0, 1, -1]}, 'numbers from 0'),
        ('segments', {'text': [0.0, 1.0, 1.0]}, 'float'),
        ('segments', {'voice': [0]}, r"'segments' names \['voice'\]"),
        ('extras', {'text': [0]}, "cannot be called 'text'"),
        ('extras', {'modality': [0]}, "cannot be called 'modality'"),
        ('extras', {'l2l': [0]}, "cannot be called 'l2l'"),
        ('extras', {'my_batch': [0]}, "cannot be called 'my_batch'"),
        ('extras', {'pair': ['a']}, "values of 'pair' of sample 'clip-7' are numbers"),
    ],
)
def test_facts_that_do_not_fit_are_refused(name, value, message):
    with pytest.raises(InputError, match=message):
        build_graph(SAMPLE, [1, 0], sample_id='clip-7', **{name: value})


@pytest.mark.parametrize('lacking', [0, 1, 2])
@pytest.mark.parametrize(
    'make', [lambda graph: graph, explicit], ids=['pairs', 'edges']
)
@pytest.mark.parametrize(
    'edge_type', [('text', 'f2f', 'audio'), ('text', 'f2l', 'modality'), schema.L2L]
)
def test_a_relation_that_a_sample_lacks_is_seen(lacking, make, edge_type):
    graphs = [make(build_graph(SAMPLE, [1, 0])) for _ in range(3)]
    del graphs[lacking][edge_type]
    first = next(graph for graph in graphs if edge_type in graph.edge_types)
    graphs.sort(key=lambda graph: graph is not first)
    with pytest.raises(InputError, match='3 samples of the batch'):
        validate(Batch.from_data_list(graphs))
