from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.nn import Identity, Linear
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATv2Conv, SAGEConv
from torch_geometric.utils import scatter

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit
from hetero_mmer.models import CARAT
from hetero_mmer.nn import CARATLoss, ContrastiveMemory
from hetero_mmer.nn.fusion import (
    AggregationFusion,
    AlignmentFusion,
    LabelAggregation,
    LatentSpace,
    MeanSpace,
    ModalityAggregation,
    Reconstruction,
)
from hetero_mmer.testing import MODEL_CHECKS, check_model

IN_CHANNELS = {'text': 3, 'visual': 4, 'audio': 6}  # visual is a set.
WIDTHS = {**IN_CHANNELS, 'face': 5}
LENGTHS = {'text': [3, 0, 2, 1], 'visual': [2, 3, 0, 1], 'audio': [4, 1, 0, 1]}
MASK = torch.tensor([[True] * 3, [False, True, True], [True, False, False]])
MASK = torch.cat([MASK, MASK[:1]])
NUM_LABELS = 3


def weights(**options):
    return {'losses': partial(CARATLoss, **options)}


def contrast(**options):
    return {'contrast': partial(ContrastiveMemory, **options)}


NO_SHUFFLE = partial(LabelAggregation, shuffle_samples=False, shuffle_modalities=False)
NO_CONTRAST = {'contrast': None}
PLAIN = partial(Reconstruction, first_level=False, second_level=False)
EXTRACTED = {
    'space': MeanSpace,
    'fusion': PLAIN,
    **weights(bce_weights=(1.0,)),
    **NO_CONTRAST,
}
VARIANTS = {
    'paper': {},
    'authors': contrast(anchors='pool'),
    'normalised': {
        'space': partial(LatentSpace, latent_channels=8, normalize_prototypes=True)
    },
    'aligned': {'align_to': {'audio': 2}},
    'no_input_norm': {'input_norm': False},
    'mrm_agg': {'aggregation': ModalityAggregation, **EXTRACTED},
    'mrm': {'aggregation': None, **EXTRACTED},
    'agg': {'aggregation': ModalityAggregation, 'max_pooling': False, **EXTRACTED},
    'no_contrast': NO_CONTRAST,
    'no_latent': {'space': MeanSpace, **NO_CONTRAST},
    'no_first': {
        'fusion': partial(Reconstruction, first_level=False),
        **weights(bce_weights=(0.01, 1.0)),
    },
    'no_second': {
        'fusion': partial(Reconstruction, second_level=False),
        **weights(bce_weights=(0.01, 1.0)),
    },
    'no_levels': {'fusion': PLAIN, **weights(bce_weights=(1.0,))},
    'no_shuffle': {'aggregation': NO_SHUFFLE},
    'alignment': {**EXTRACTED, 'fusion': AlignmentFusion, 'aggregation': None},
    'aggregation': {**EXTRACTED, 'fusion': AggregationFusion, 'aggregation': None},
    'one_level': {
        'space': MeanSpace,
        'fusion': partial(Reconstruction, second_level=False),
        'aggregation': None,
        **weights(bce_weights=(0.0, 1.0)),
        **NO_CONTRAST,
    },
}


SMALL = {
    'hidden_channels': 16,
    'num_layers': 1,
    'heads': 2,
    'space': partial(LatentSpace, latent_channels=8),
    **contrast(queue_size=50),
}


def make_model(in_channels=IN_CHANNELS, num_labels=NUM_LABELS, **options):
    torch.manual_seed(0)
    return CARAT(in_channels, num_labels, **{**SMALL, **options}).double().eval()


def collate(graphs):
    batch = Batch.from_data_list(graphs)
    return batch.apply(lambda x: x.double() if x.is_floating_point() else x)


def targets(batch):
    return batch['label'].y.view(batch.num_graphs, -1)


def probs_of(model, graphs):
    with torch.no_grad():
        return model(collate(graphs)).probs


def train(model, graphs, steps=2, lr=1e-2):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    batch = collate(graphs)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(model(batch), targets(batch))['total']
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.fixture
def samples(make_samples):
    return make_samples(LENGTHS, widths=WIDTHS)


@pytest.fixture
def graphs(samples, make_graphs):
    return make_graphs(samples, NUM_LABELS)


# What depends on what.


#: What depends on the variant.
VARYING = {'batch', 'missing', 'gradients', 'save', 'reset'}


@pytest.mark.parametrize('options', VARIANTS.values(), ids=VARIANTS)
def test_passes_the_checks_of_models(options):
    chosen = set(MODEL_CHECKS) if options == VARIANTS['paper'] else VARYING
    made = check_model(
        partial(CARAT, **{**SMALL, **options}),
        IN_CHANNELS,
        except_for=set(MODEL_CHECKS) - chosen,
        dtype=torch.double,
        tolerance=1e-12,
    )
    powers = {'fit', 'step', 'parameter_groups', 'criterion'}
    assert set(made) == chosen - powers - {'relabelling', 'label_facts'}


def shuffled(samples, modality):
    return [{**s, modality: s[modality][::-1].copy()} for s in samples]


@pytest.mark.parametrize('positional', [True, False])
def test_order_of_items_counts_in_sequences_only(samples, make_graphs, positional):
    model = make_model(positional=positional)
    before = probs_of(model, make_graphs(samples, NUM_LABELS))
    visual = probs_of(model, make_graphs(shuffled(samples, 'visual'), NUM_LABELS))
    torch.testing.assert_close(visual, before, rtol=0, atol=1e-12)
    audio = probs_of(model, make_graphs(shuffled(samples, 'audio'), NUM_LABELS))
    changed = ((audio - before).abs() > 1e-9).any(dim=-1)
    assert changed.tolist() == [positional, False, False, False]  # 4, 1, 0, 1 items


# Missing modalities.


@pytest.mark.parametrize('training', [True, False])
def test_weights_of_a_missing_modality_mean_nothing(graphs, training):
    """But for those that fill its place in the reconstruction."""
    model = make_model(dropout=0.0)
    train(model, graphs)
    model.train(training)
    batch = collate(graphs)
    before = model(batch).probs
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'text' in name or name in ('space.encoders.0.0.weight',):
                parameter.add_(1.0)
        model.classifier[0].add_(1.0)
        model.extractor.label_weight[0].add_(1.0)
    changed = ((model(batch).probs - before).abs() > 1e-9).any(dim=-1)
    assert changed.tolist() == [True, False, True, True]


def test_prediction_is_over_present_modalities_only(graphs):
    """Eq. 16 by a loop over samples, labels and the modalities that are there."""
    model = make_model()
    out = model(collate(graphs))
    for b in range(4):
        there = [m for m in range(3) if MASK[b, m]]
        for i in range(NUM_LABELS):
            state = out.levels['srr'][b, :, i]
            loudest = max((model.classifier[m, i] @ state[m]).item() for m in there)
            mean = 0.0
            for m in there:
                joined = out.levels['srr'][b, m].flatten()
                hidden = (model.aggregation.lin_in(joined)).relu()
                mean += model.aggregation.lin_out(hidden)[i].sigmoid().item()
            expected = (1 / (1 + math.exp(-loudest)) + mean / len(there)) / 2
            assert out.probs[b, i].item() == pytest.approx(expected, abs=1e-12)


def test_missing_cells_are_in_no_loss(graphs):
    """Whatever the states of missing modalities hold, no loss changes."""
    model, batch = make_model(dropout=0.0), collate(graphs)
    out = model(batch)
    expected = model.loss(out, targets(batch))
    noise = 1e3 * torch.randn(4, 3, 1, 1) * ~MASK[:, :, None, None]
    other = out._replace(
        levels={name: state + noise for name, state in out.levels.items()},
        u=out.u + noise,
        scores=out.scores + noise[..., 0],
        agg_logits=out.agg_logits + noise[..., 0],
    )
    actual = model.loss(other, targets(batch))
    for name, part in expected.items():
        torch.testing.assert_close(actual[name], part, msg=name)


def test_missing_cells_are_neither_shuffled_nor_remembered(graphs):
    model, batch = make_model(), collate(graphs)
    model.train()
    model.loss(model(batch), targets(batch))
    num_cells = 3 * NUM_LABELS * int(MASK.sum())  # Of three levels.
    assert (model.contrast.queue.label >= 0).sum() == min(50, num_cells)
    assert model.contrast.queue.position == num_cells % 50
    for _ in range(5):
        sample, modality = model.aggregation.draw_permutations(MASK)
        for i in range(NUM_LABELS):
            for m in range(3):
                assert sample[i, m].sort().values.tolist() == [0, 1, 2, 3]
                assert MASK[sample[i, m], m].equal(MASK[:, m])
            for b in range(4):
                assert modality[i, b].sort().values.tolist() == [0, 1, 2]
                assert MASK[b, modality[i, b]].equal(MASK[b])


# Losses.


def test_parts_add_up(graphs):
    model, batch = make_model(), collate(graphs)
    loss = model.loss(model(batch), targets(batch))
    weights = {
        'bce_lsr': 0.01,
        'bce_frr': 0.1,
        'bce_srr': 1.0,
        'mse_semantic': 1.0,
        'mse_fusion': 1.0,
        'contrastive': 1.0,
        'bce_agg': 1.0,
        'bce_shuffled': 0.1,
    }
    assert set(loss) == {'total', *weights}
    total = sum(weight * loss[name] for name, weight in weights.items())
    torch.testing.assert_close(loss['total'], total)


@pytest.mark.parametrize(
    ('options', 'parts'),
    [
        ({'bce_weights': (2.0, 0.1, 1.0)}, ['bce_lsr']),
        ({'bce_weights': (0.01, 2.0, 1.0)}, ['bce_frr']),
        ({'bce_weights': (0.01, 0.1, 2.0)}, ['bce_srr']),
        ({'reconstruction_weight': 2.0}, ['mse_semantic', 'mse_fusion']),
        ({'contrastive_weight': 2.0}, ['contrastive']),
        ({'shuffle_weight': 2.0}, ['bce_shuffled']),
    ],
)
def test_each_weight_is_that_of_its_parts(graphs, options, parts):
    paper, other = make_model(), make_model(**weights(**options))
    batch = collate(graphs)
    other.load_state_dict(paper.state_dict())
    old = {'bce_lsr': 0.01, 'bce_frr': 0.1, 'bce_shuffled': 0.1}
    loss, changed = (m.loss(m(batch), targets(batch)) for m in (paper, other))
    more = sum((2 - old.get(name, 1.0)) * loss[name] for name in parts)
    torch.testing.assert_close(changed['total'], loss['total'] + more)


def test_shuffled_loss_by_a_loop(graphs):
    """Eq. 11 to 14: a state, and its label, from another sample and modality."""
    model, batch = make_model({'text': 3, 'audio': 6}, dropout=0.0).train(), None
    graphs = [
        build_graph({m: g[m].x + 0.1 for m in ('text', 'audio')}, g['label'].y)
        for g in (graphs[0], graphs[3])
    ]
    batch = collate(graphs)
    y, sample = targets(batch), torch.tensor([[[0, 1], [1, 0]]] * 3)
    sample[1] = torch.tensor([[1, 0], [1, 0]])
    modality = torch.tensor([[[1, 0], [0, 1]]] * 3)
    model.aggregation.draw_permutations = lambda mask: (sample, modality)
    out = model(batch)
    loss = model.loss(out, y)['bce_shuffled']
    losses = []
    for b in range(2):
        for m in range(2):
            states, labels = [], []
            for i in range(NUM_LABELS):
                from_m = modality[i, b, m]
                from_b = sample[i, from_m, b]
                states.append(out.levels['srr'][from_b, from_m, i])
                labels.append(y[from_b, i])
            logits = model.aggregation.lin_out(
                model.aggregation.lin_in(torch.cat(states)).relu()
            )
            losses.append(
                F.binary_cross_entropy_with_logits(logits, torch.stack(labels))
            )
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize(
    ('options', 'moved'),
    [
        ({}, [True, True]),
        ({'shuffle_samples': False}, [False, True]),
        ({'shuffle_modalities': False}, [True, False]),
    ],
)
def test_each_shuffle_can_be_left_out(options, moved):
    model, mask = LabelAggregation(3, 3, 4, **options), torch.ones(9, 3) > 0
    torch.manual_seed(1)
    drawn = model.draw_permutations(mask)
    for perm, is_moved in zip(drawn, moved, strict=True):
        still = torch.arange(perm.size(-1)).expand_as(perm)
        assert torch.equal(perm, still) != is_moved
    drawn = model.eval().draw_permutations(mask)
    assert all(
        torch.equal(perm, torch.arange(perm.size(-1)).expand_as(perm)) for perm in drawn
    )


# Learning.


def test_fits_eight_samples(make_samples, make_graphs):
    lengths = {'text': [2, 1, 0, 3] * 2, 'audio': [1, 0, 2, 2] * 2}
    graphs = make_graphs(make_samples(lengths, widths=WIDTHS), NUM_LABELS)
    model = make_model({'text': 3, 'audio': 6}, dropout=0.0)
    train(model, graphs, steps=150, lr=5e-3)
    y = targets(collate(graphs))
    assert torch.equal(probs_of(model.eval(), graphs) > 0.5, y > 0.5)


def test_memory_moves_in_training_and_with_a_loss_only(graphs):
    model, batch = make_model(), collate(graphs)
    before = {name: b.clone() for name, b in model.named_buffers()}
    model.loss(model(batch), targets(batch))
    model.train()(batch)
    assert all(torch.equal(b, before[name]) for name, b in model.named_buffers())
    model.loss(model(batch), targets(batch))
    assert not any(torch.equal(b, before[name]) for name, b in model.named_buffers())


@pytest.mark.parametrize('queue_size', [1, 7, 100])
def test_queue_of_any_size(graphs, queue_size):
    model = make_model(**contrast(queue_size=queue_size))
    assert math.isfinite(train(model, graphs, steps=4))


def test_dropout_is_for_training_only(graphs):
    model, batch = make_model(dropout=0.5), collate(graphs)
    assert torch.equal(model(batch).probs, model(batch).probs)
    model.train()
    assert not torch.equal(model(batch).probs, model(batch).probs)


def test_training_and_evaluation_differ_by_the_intrinsic_vectors(graphs):
    model, batch = make_model(dropout=0.0), collate(graphs)
    train(model, graphs)
    soft, hard = model(batch), model.eval()(batch)
    torch.testing.assert_close(soft.u, hard.u)
    assert not torch.equal(soft.semantics.intrinsic, hard.semantics.intrinsic)


def test_prior_label_graph_is_no_trouble(samples, make_graphs):
    edges = torch.tensor([[0, 1], [1, 2]])
    graphs = make_graphs(samples, NUM_LABELS, edges)
    assert probs_of(make_model(), graphs).shape == (4, NUM_LABELS)


# Weights on disk, and drawing them.


# Attention and layers of one's own.


@pytest.mark.parametrize(
    'convert', [lambda batch: batch, explicit], ids=['pairs', 'edges']
)
def test_weights_sum_to_one_at_every_cell_with_an_item(graphs, convert):
    batch = convert(collate(graphs))
    out = make_model()(batch, return_attention=True)
    (attention,) = out.attention
    assert set(attention) == {(m, 'f2l', 'modality') for m in IN_CHANNELS}
    for k, m in enumerate(IN_CHANNELS):
        (item, cell), alpha = attention[m, 'f2l', 'modality']
        assert len(item) == NUM_LABELS * sum(LENGTHS[m])
        total = scatter(alpha.squeeze(-1), cell, dim_size=4 * 3 * NUM_LABELS)
        expected = torch.zeros(4, 3, NUM_LABELS)
        expected[MASK[:, k], k] = 1
        torch.testing.assert_close(total, expected.flatten().double())
    assert make_model()(batch).attention is None


@pytest.mark.parametrize('conv', [GATv2Conv, SAGEConv])
def test_other_layers_take_the_place_of_label_attention(graphs, conv):
    def f2l(in_channels, out_channels):
        if conv is SAGEConv:
            return SAGEConv((in_channels, in_channels), out_channels)
        return conv(in_channels, out_channels)

    model = make_model(f2l=f2l)
    together = probs_of(model, graphs)
    alone = torch.cat([probs_of(model, [graph]) for graph in graphs])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    assert not torch.allclose(together, probs_of(make_model(), graphs))
    train(model, graphs)


def test_works_on_the_batches_of_pygs_loader(graphs):
    model = make_model().float()
    with torch.no_grad():
        outs = [model(batch).probs for batch in DataLoader(graphs, batch_size=3)]
        expected = model(Batch.from_data_list(graphs)).probs
    torch.testing.assert_close(torch.cat(outs), expected)


# What is refused.


@pytest.mark.parametrize(
    'features',
    [
        {'text': 3, 'visual': 5, 'audio': 6},
        {'text': 3, 'visual': 4},
        {'text': 3, 'visual': 4, 'audio': 6, 'face': 1},
        {'visual': 4, 'text': 3, 'audio': 6},
    ],
)
def test_wrong_graph_gets_one_clear_sentence(features):
    features = {m: torch.ones(2, width) for m, width in features.items()}
    with pytest.raises(InputError, match='this model reads modalities'):
        make_model().float()(build_graph(features, [1, 0, 1]))


@pytest.mark.parametrize('labels', [[1, 0], [1] * 6])
def test_wrong_number_of_labels(labels):
    features = {m: torch.ones(2, width) for m, width in IN_CHANNELS.items()}
    with pytest.raises(InputError, match=f'got a graph with {len(labels)}'):
        make_model().float()(build_graph(features, labels))


@pytest.mark.parametrize(
    'options',
    [
        {'heads': 3},
        {'num_layers': {'text': 1}},
        {'align_to': {'text': 0}},
        weights(bce_weights=(1.0,)),
        {'fusion': AlignmentFusion, **weights(bce_weights=(1.0,))},
        {'space': MeanSpace},
        {'max_pooling': False, 'aggregation': None},
        {'space': lambda *shape: Linear(1, 1)},
        {'fusion': lambda *shape: Linear(1, 1)},
        {'aggregation': lambda *shape: Linear(1, 1)},
        {'contrast': lambda width: Identity()},
        contrast(queue_size=0),
        contrast(anchors='everyone'),
        contrast(temperature=0.0),
    ],
)
def test_refuses_parts_that_do_not_fit(options):
    with pytest.raises(InputError) as caught:
        make_model(**options)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('in_channels', 'num_labels'), [({}, 2), ({'text': 3}, 0)])
def test_refuses_what_cannot_be_a_model(in_channels, num_labels):
    with pytest.raises(InputError, match='at least one modality'):
        CARAT(in_channels, num_labels)
