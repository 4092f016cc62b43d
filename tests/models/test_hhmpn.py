from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Parameter
from torch_geometric.data import Batch, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATv2Conv, MessagePassing, SAGEConv, TransformerConv
from torch_geometric.utils import scatter

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit
from hetero_mmer.models import HHMPN
from hetero_mmer.testing import MODEL_CHECKS, check_model

IN_CHANNELS = {'text': 3, 'visual': 4, 'audio': 2}  # visual is a set.
LENGTHS = {'text': [3, 0, 2, 1], 'visual': [2, 3, 0, 1], 'audio': [4, 1, 0, 1]}
NUM_LABELS = 3
STAGES = ['f2f', 'f2l', 'l2l', 'm2l']


class BiasConv(MessagePassing):
    """A layer of one's own: a mean of neighbours, a root weight and a bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr='mean')
        self.lin = Linear(in_channels, out_channels, bias=False)
        self.root = Linear(in_channels, out_channels, bias=False)
        self.bias = Parameter(torch.randn(out_channels))

    def reset_parameters(self) -> None:
        self.lin.reset_parameters()

    def forward(self, x: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        x = (x, x) if isinstance(x, Tensor) else x
        size = (x[0].size(0), x[1].size(0))
        out = self.propagate(edge_index, x=(self.lin(x[0]), None), size=size)
        return out + self.root(x[1]) + self.bias


def sage_of_pairs(in_channels, out_channels):
    return SAGEConv((in_channels, in_channels), out_channels)


def two_headed_gat(in_channels, out_channels):
    return GATv2Conv(in_channels, out_channels // 2, heads=2, residual=True)


CONVS = [
    GATv2Conv,
    TransformerConv,
    SAGEConv,
    BiasConv,
    sage_of_pairs,
    two_headed_gat,
]


def make_model(in_channels=IN_CHANNELS, num_labels=NUM_LABELS, **options):
    torch.manual_seed(0)
    options = {'hidden_channels': 8, 'num_steps': 2, **options}
    return HHMPN(in_channels, num_labels, **options).double().eval()


def collate(graphs):
    batch = Batch.from_data_list(graphs)
    return batch.apply(lambda x: x.double() if x.is_floating_point() else x)


def logits_of(model, graphs):
    with torch.no_grad():
        return model(collate(graphs)).logits


@pytest.fixture
def samples(make_samples):
    return make_samples(LENGTHS)


@pytest.fixture
def graphs(samples, make_graphs):
    return make_graphs(samples, NUM_LABELS)


# What depends on what.

VARIANTS = {
    'paper': {},
    'heads': {'heads': 2, 'norm': True},
    'bare': dict.fromkeys(STAGES, False),
    'prior': {'label_graph': 'prior'},
}


def relabel(model, order):
    for weight in (model.label_embedding.weight, model.out_weight):
        weight.copy_(weight[order])
    if model.prior is not None:
        model.prior.count = model.prior.count[order]
        model.prior.cooccurrence = model.prior.cooccurrence[order][:, order]


#: Without layers that attend there are no weights; no label graph but one is taken.
EXCEPTIONS = {'bare': {'attention'}, 'prior': {'explicit_edges'}}


@pytest.mark.parametrize('name', VARIANTS)
def test_passes_the_checks_of_models(name):
    except_for = EXCEPTIONS.get(name, set())
    made = check_model(
        partial(HHMPN, hidden_channels=8, num_steps=2, **VARIANTS[name]),
        except_for=except_for,
        relabel=relabel,
        dtype=torch.double,
        tolerance=1e-12,
    )
    lacks = {'step', 'parameter_groups', 'label_facts'}
    assert set(made) == set(MODEL_CHECKS) - lacks - except_for


def shuffled(samples, modality):
    return [{**s, modality: s[modality][::-1].copy()} for s in samples]


@pytest.mark.parametrize('positional', [True, False])
def test_order_of_the_items_of_a_sequence_counts_if_positional(
    samples, make_graphs, positional
):
    model = make_model(positional=positional)
    before = logits_of(model, make_graphs(samples, NUM_LABELS))
    after = logits_of(model, make_graphs(shuffled(samples, 'audio'), NUM_LABELS))
    changed = ((after - before).abs() > 1e-6).any(dim=-1).all(dim=0)
    assert changed.tolist() == [positional, False, False, False]  # 4, 1, 0, 1 items


def test_relabelling_permutes_the_outputs_with_the_label_graph(samples, make_graphs):
    model = make_model()
    edges = torch.tensor([[0, 1, 2], [1, 2, 2]])
    before = logits_of(model, make_graphs(samples, NUM_LABELS, edges))
    order = torch.tensor([2, 0, 1])  # Label i is now what label order[i] was.
    with torch.no_grad():
        model.label_embedding.weight.copy_(model.label_embedding.weight[order])
        model.out_weight.copy_(model.out_weight[order])
    edges = order.argsort()[edges]
    after = logits_of(model, make_graphs(samples, NUM_LABELS, edges))
    torch.testing.assert_close(after, before[..., order], rtol=0, atol=1e-12)


def test_label_graph_makes_a_difference(samples, make_graphs):
    model = make_model()
    edges = torch.tensor([[0], [1]])
    complete = logits_of(model, make_graphs(samples, NUM_LABELS))
    given = logits_of(model, make_graphs(samples, NUM_LABELS, edges))
    assert ((complete - given).abs() > 1e-6).all()


def test_features_of_a_missing_modality_mean_nothing(samples, make_graphs):
    """The sample that lacks text does not depend on text's weights."""
    model = make_model(f2f=False)
    before = logits_of(model, make_graphs(samples, NUM_LABELS))
    with torch.no_grad():
        model.encoders['text'].weight.add_(1.0)
        model.encoders['text'].bias.add_(1.0)
    after = logits_of(model, make_graphs(samples, NUM_LABELS))
    changed = ((after - before).abs() > 1e-9).any(dim=-1).all(dim=0)
    assert changed.tolist() == [True, False, True, True]


def test_position_in_a_long_sequence_is_exact_in_float64(make_graphs):
    model = make_model({'text': 3}, f2f=False, num_steps=1, hidden_channels=16)
    seen = []
    model.rounds[0].f2l.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    nothing = {'text': np.zeros((2001, 3), dtype=np.float32)}
    logits_of(model, make_graphs([nothing], NUM_LABELS))
    place = seen[0]['text'][2000] - model.encoders['text'].bias.detach()
    angles = [2000 / 10000 ** (2 * k / 16) for k in range(8)]
    expected = [f(angle) for angle in angles for f in (math.sin, math.cos)]
    np.testing.assert_allclose(place.numpy(), expected, rtol=0, atol=1e-6)


# Learning.


def test_number_of_parameters_is_that_of_the_equations():
    d, rounds, labels = 8, 2, NUM_LABELS
    update = 2 * (d * d + d)
    f2f = 3 * d * d + update + (len(IN_CHANNELS) - 1) * d * d  # W^r is |M|d to d.
    f2l = l2l = 3 * d * d + update
    embedding = sum(width * d + d for width in IN_CHANNELS.values())
    expected = embedding + 2 * labels * d + rounds * (f2f + f2l + l2l + d)
    assert sum(p.numel() for p in make_model().parameters()) == expected


def test_fits_eight_samples(make_samples, make_graphs):
    lengths = {'text': [2, 1, 0, 3] * 2, 'audio': [1, 0, 2, 2] * 2}
    graphs = make_graphs(make_samples(lengths), NUM_LABELS)
    model = make_model({'text': 3, 'audio': 2}, hidden_channels=16, dropout=0.0)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch = collate(graphs)
    y = batch['label'].y.view(-1, NUM_LABELS)
    for _ in range(80):
        optimizer.zero_grad()
        loss = model.loss(model(batch), y)['total']
        loss.backward()
        optimizer.step()
    probs = model.eval()(batch).probs
    assert loss < 0.05
    assert torch.equal(probs > 0.5, y > 0.5)


def test_dropout_is_for_training_only(graphs):
    model = make_model(dropout=0.5)
    batch = collate(graphs)
    assert torch.equal(model(batch).logits, model(batch).logits)
    model.train()
    assert not torch.equal(model(batch).logits, model(batch).logits)
    same = make_model(dropout=0.0)
    torch.testing.assert_close(same.train()(batch).logits, same.eval()(batch).logits)


def test_dropout_reaches_embeddings_weights_and_updates(graphs):
    """Each of the three alone makes two passes differ."""
    batch = collate(graphs)
    for kept in range(3):
        model = make_model(dropout=0.5).train()
        sources = [
            [model.dropout],
            [m for m in model.modules() if hasattr(m, 'lin_query')],
            [u for step in model.rounds for u in step.modules() if hasattr(u, 'p')],
        ]
        for k, modules in enumerate(sources):
            assert modules
            for module in modules:
                if k != kept:
                    setattr(module, 'p' if hasattr(module, 'p') else 'dropout', 0.0)
        assert not torch.equal(model(batch).logits, model(batch).logits), kept


def test_dropout_reaches_the_embeddings_of_items_and_labels(graphs):
    model = make_model(dropout=0.5, hidden_channels=64, f2f=False).train()
    seen = []
    model.rounds[0].f2l.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(collate(graphs))
    for name in (*IN_CHANNELS, *map(schema.f2l, IN_CHANNELS)):
        assert 0.3 < (seen[0][name] == 0).double().mean() < 0.7, name


def test_half_precision_gives_finite_gradients(graphs):
    model = make_model(heads=2).float().train()
    batch = Batch.from_data_list(graphs)
    y = batch['label'].y.view(-1, NUM_LABELS)
    for data in (batch, explicit(batch)):
        model.zero_grad()
        with torch.autocast('cpu', torch.bfloat16):
            loss = model.loss(model(data), y)['total']
        loss.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())


# Weights on disk, and drawing them.


# Attention.


@pytest.mark.parametrize(
    'convert', [lambda batch: batch, explicit], ids=['pairs', 'edges']
)
@pytest.mark.parametrize('heads', [1, 2])
def test_weights_sum_to_one_at_every_target_with_a_source(graphs, convert, heads):
    batch = convert(collate(graphs))
    out = make_model(heads=heads)(batch, return_attention=True)
    assert len(out.attention) == 2
    for attention in out.attention:
        assert set(attention) == set(batch.edge_types)
        for (_, relation, dst), (edge_index, alpha) in attention.items():
            assert alpha.shape == (
                edge_index.size(1),
                1 if relation == 'm2l' else heads,
            )
            num_nodes = batch[dst].num_nodes
            total = scatter(alpha, edge_index[1], dim_size=num_nodes)
            heard = torch.zeros(num_nodes, dtype=torch.bool)
            heard[edge_index[1]] = True
            torch.testing.assert_close(total[heard], torch.ones_like(total[heard]))


def test_missing_modality_has_no_weight(graphs):
    out = make_model()(collate(graphs), return_attention=True)
    for attention in out.attention:
        (cell, label), alpha = attention[schema.M2L]
        seen = set(zip((label // NUM_LABELS).tolist(), cell.tolist(), strict=True))
        expected = set()
        for b in range(4):
            for k, m in enumerate(IN_CHANNELS):
                if LENGTHS[m][b]:
                    first = (b * len(IN_CHANNELS) + k) * NUM_LABELS
                    expected |= {(b, first + i) for i in range(NUM_LABELS)}
        assert seen == expected
        only_visual = alpha[label // NUM_LABELS == 2]
        assert len(only_visual) == NUM_LABELS  # The third sample has text alone.
        assert torch.equal(only_visual, torch.ones_like(only_visual))


def test_stages_that_are_left_out_have_no_weights(graphs):
    model = make_model(**dict.fromkeys(STAGES, False))
    out = model(collate(graphs), return_attention=True)
    assert out.attention == [{}, {}]


def test_layers_of_pyg_return_their_weights_too(graphs):
    model = make_model(f2l=GATv2Conv, l2l=SAGEConv)
    (attention, _) = model(collate(graphs), return_attention=True).attention
    assert schema.L2L not in attention
    edge_index, alpha = attention['audio', 'f2l', 'modality']
    total = scatter(alpha, edge_index[1], dim_size=4 * 9)
    assert alpha.size(0) == sum(LENGTHS['audio']) * NUM_LABELS
    torch.testing.assert_close(total[edge_index[1]], torch.ones_like(alpha))


# Layers of one's own choice.


@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize('conv', CONVS)
def test_any_layer_in_any_stage(graphs, conv, stage):
    model = make_model(**{stage: conv})
    paper = make_model()
    together = logits_of(model, graphs)
    assert not torch.allclose(together, logits_of(paper, graphs))
    alone = torch.cat([logits_of(model, [graph]) for graph in graphs], dim=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    batch = collate(graphs)
    with torch.no_grad():
        by_edges = model(explicit(batch)).logits
    torch.testing.assert_close(together, by_edges, rtol=0, atol=1e-12)

    model.train()
    y = batch['label'].y.view(-1, NUM_LABELS)
    model.loss(model(batch), y)['total'].backward()
    layer = next(iter(getattr(model.rounds[0], stage).convs.values()))
    grads = [p.grad for p in layer.parameters()]
    assert any(grad is not None and grad.abs().sum() > 0 for grad in grads)
    assert all(grad is None or grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize('conv', CONVS)
def test_any_layer_in_all_stages(graphs, conv):
    model = make_model(**dict.fromkeys(STAGES, conv), norm=True)
    together = logits_of(model, graphs)
    alone = torch.cat([logits_of(model, [graph]) for graph in graphs], dim=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize('conv', CONVS)
def test_cell_hears_its_own_modality_only(graphs, samples, conv):
    """Whatever a layer answers to targets without edges."""
    model = make_model(f2f=False, l2l=False, f2l=conv, num_steps=1, positional=False)
    seen = []
    step = model.rounds[0]
    step.m2l.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    logits_of(model, graphs)
    cells = seen[0]['modality'].view(4, len(IN_CHANNELS), NUM_LABELS, -1)
    u = model.label_embedding.weight
    with torch.no_grad():
        for k, m in enumerate(IN_CHANNELS):
            layer = step.f2l.convs[schema.f2l(m)]
            for b, sample in enumerate(samples):
                items = model.encoders[m](torch.from_numpy(sample[m]).double())
                every = torch.cartesian_prod(
                    torch.arange(len(items)), torch.arange(NUM_LABELS)
                )
                message = layer((items, u), every.view(-1, 2).T)
                g = u + message
                expected = g + step.f2l_update.update.update(g)
                torch.testing.assert_close(cells[b, k], expected, rtol=0, atol=1e-12)


def test_item_does_not_hear_itself_through_a_layer_with_self_loops(make_graphs):
    """A single item has no neighbour: only the bias is left of its messages."""
    model = make_model({'text': 3}, num_labels=2, f2f=GATv2Conv, positional=False)
    graphs = make_graphs([{'text': np.ones((1, 3), dtype=np.float32)}], 2)
    seen = []
    model.rounds[0].f2f.register_forward_hook(lambda *args: seen.append(args[-1]))
    logits_of(model, graphs)
    layer = model.rounds[0].f2f.convs[schema.f2f('text', 'text')]
    torch.testing.assert_close(seen[0]['text'], layer.bias.detach().unsqueeze(0))


def test_layers_of_a_round_are_its_own():
    model = make_model(f2l=SAGEConv)
    first, second = (step.f2l.convs[schema.f2l('text')] for step in model.rounds)
    assert first is not second
    assert first is model.rounds[0].f2l.convs[schema.f2l('audio')]


# Through loaders, and with the wrong graph.


def test_works_on_the_batches_of_pygs_loader(graphs):
    model = make_model().float()
    with torch.no_grad():
        outs = [model(batch).probs for batch in DataLoader(graphs, batch_size=3)]
        expected = model(Batch.from_data_list(graphs)).probs
    assert [len(out) for out in outs] == [3, 1]
    torch.testing.assert_close(torch.cat(outs), expected)


def features(**widths):
    return {m: np.ones((2, width)) for m, width in widths.items()}


WRONG = {
    'width': build_graph(features(text=3, visual=5, audio=2), [1, 0, 1]),
    'modality_lacking': build_graph(features(text=3, visual=4), [1, 0, 1]),
    'modality_too_many': build_graph(
        features(text=3, visual=4, audio=2, face=1), [1, 0, 1]
    ),
    'modality_renamed': build_graph(features(text=3, visual=4, sound=2), [1, 0, 1]),
    'modalities_in_another_order': build_graph(
        features(visual=4, text=3, audio=2), [1, 0, 1]
    ),
    'fewer_labels': build_graph(features(text=3, visual=4, audio=2), [1, 0]),
    'twice_the_labels': build_graph(features(text=3, visual=4, audio=2), [1] * 6),
}
WRONG['batch_with_fewer_labels'] = Batch.from_data_list([WRONG['fewer_labels']] * 3)
WRONG['nothing'] = HeteroData()
WRONG['no_labels'] = copy.copy(
    build_graph(features(text=3, visual=4, audio=2), [1, 0, 1])
)
del WRONG['no_labels']['label']
WRONG['no_relation'] = copy.copy(
    build_graph(features(text=3, visual=4, audio=2), [1, 0, 1])
)
del WRONG['no_relation']['text', 'f2f', 'audio']


@pytest.mark.parametrize('name', WRONG)
def test_wrong_graph_gets_one_clear_sentence(name):
    with pytest.raises(InputError) as caught:
        make_model().float()(WRONG[name])
    text = str(caught.value)
    assert '\n' not in text
    words = {'width': '5', 'no_relation': 'f2f', 'fewer_labels': 'got a graph with 2'}
    assert words.get(name, '') in text


@pytest.mark.parametrize(
    ('in_channels', 'num_labels', 'options'),
    [
        ({}, 2, {}),
        ({'text': 3}, 0, {}),
        ({'text': 3}, 2, {'num_steps': 0}),
        ({'text': 3}, 2, {'heads': 3}),
        ({'text': 3}, 2, {'heads': 0}),
    ],
)
def test_refuses_what_cannot_be_a_model(in_channels, num_labels, options):
    with pytest.raises(InputError):
        HHMPN(in_channels, num_labels, hidden_channels=4, **options)


def test_refuses_layers_that_do_not_fit(graphs):
    with pytest.raises(InputError, match='takes what makes a layer'):
        make_model(f2l=GATv2Conv(8, 8))

    def wide(in_channels, out_channels):
        return GATv2Conv(in_channels, out_channels, heads=2)

    for stage in ('f2f', 'f2l', 'l2l', 'm2l'):
        with pytest.raises(InputError, match='width of the states'):
            logits_of(make_model(**{stage: wide}), graphs)
