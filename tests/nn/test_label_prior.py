from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, prior_label_graph
from hetero_mmer.nn.label_prior import LabelPrior
from hetero_mmer.weights import load_state, load_weights, save_weights

N, L, E = 24, 4, 6


@pytest.fixture
def y():
    """Label 1 comes with label 0; label 3 never."""
    y = (np.random.default_rng(0).random((N, L)) < 0.4).astype(np.float32)
    y[:, 1] = np.maximum(y[:, 1], y[:, 0])
    y[:, 3] = 0
    return torch.from_numpy(y)


@pytest.fixture
def graphs(y):
    """Some samples have no text."""
    rng = np.random.default_rng(1)
    return [
        build_graph(
            {
                'text': rng.normal(size=(n % 4, E)).astype(np.float32),
                'ids': rng.integers(0, 5, 2),
            },
            row,
            num_embeddings={'ids': 5},
        )
        for n, row in enumerate(y)
    ]


def batches(graphs, size=7):
    return [
        Batch.from_data_list(graphs[k : k + size]) for k in range(0, len(graphs), size)
    ]


def without_cooccurrence(graphs):
    for n, graph in enumerate(graphs):
        graph['label'].y = torch.eye(L)[n % 3]
    return graphs


def through_a_file(source, target, folder):
    save_weights(source, folder / 'prior.safetensors')
    load_weights(target, folder / 'prior.safetensors')


def through_a_state(source, target, folder):
    load_state(target, source.state_dict())


def without_company(graphs):
    """How many labels come with no other one more often than by chance."""
    y = torch.stack([graph['label'].y for graph in graphs])
    return sum(
        not any(
            float(y[:, i] @ y[:, j]) * len(y) > float(y[:, i].sum() * y[:, j].sum())
            for j in range(L)
            if j != i
        )
        for i in range(L)
    )


def centroids_by_loops(graphs, y):
    pooled = [g['text'].x.double().mean(dim=0) for g in graphs]
    everyone = [n for n in range(N) if len(graphs[n]['text'].x)]
    mean = sum(pooled[n] for n in everyone) / len(everyone)
    out = torch.zeros(L, E, dtype=torch.double)
    for i in range(L):
        mine = [n for n in everyone if y[n, i]]
        if mine:
            centre = sum(pooled[n] for n in mine) / len(mine) - mean
            out[i] = centre / centre.norm()
    return out


def test_counts_do_not_depend_on_the_batches(graphs, y):
    for size in (1, 7, N):
        prior = LabelPrior(L)
        prior.fit(batches(graphs, size))
        assert prior.count.tolist() == y.sum(dim=0).tolist()
        both = (y.T @ y).fill_diagonal_(0)
        assert prior.cooccurrence.tolist() == both.tolist()
        assert prior.num_samples == N
        assert prior.conditional[0, 1] == 1
        for threshold in (0.2, 0.5):
            expected = prior_label_graph(y, threshold=threshold)
            assert torch.equal(prior.label_graph(threshold), expected)
        loops = prior.label_graph()[:, prior.label_graph()[1] == 3]
        assert loops.tolist() == [[3], [3]]  # No edge of a label that never occurs.
    assert not list(prior.parameters())


@pytest.mark.parametrize('size', [1, 7, N])
def test_centroids_by_loops(graphs, y, size):
    prior = LabelPrior(L, channels=E, modality='text')
    prior.fit(batches(graphs, size))
    assert prior.source == 'centroids'
    expected = centroids_by_loops(graphs, y)
    np.testing.assert_allclose(prior().detach()[:3], expected[:3], atol=1e-6)
    assert torch.equal(prior()[3], prior.trainable[3])


def test_the_first_source_that_there_is(graphs):
    def fitted(samples, **options):
        prior = LabelPrior(L, channels=E, **options)
        prior.fit(batches(samples))
        known = prior.vectors.any(dim=1)
        assert torch.equal(prior()[known], prior.vectors[known])
        assert len(prior.trainable) == (0 if known.all() else L)
        return prior.source, int((~known).sum())

    vectors = torch.ones(L, E)
    empty = [g for g in graphs if not len(g['text'].x)]
    given = {'label_vectors': vectors, 'modality': 'text'}
    assert fitted(graphs, **given) == ('label_vectors', 0)
    assert fitted(graphs, modality='text') == ('centroids', 1)
    assert fitted(empty, modality='text') == ('ppmi', without_company(empty))
    assert fitted(graphs) == ('ppmi', without_company(graphs))
    assert fitted(without_cooccurrence(graphs)) == ('trainable', L)


def test_given_vectors_need_no_fit():
    vectors = torch.arange(1.0, 1 + L * E).view(L, E)
    vectors[2] = 0  # Nothing is known of this label.
    prior = LabelPrior(L, channels=E, label_vectors=vectors)
    assert prior.source == 'label_vectors'
    known = [0, 1, 3]
    assert torch.equal(prior()[known], vectors[known])
    assert prior()[2].any()
    prior().sum().backward()
    assert prior.trainable.grad[2].tolist() == [1.0] * E
    assert not prior.trainable.grad[known].any()


def test_given_vectors_are_copied_and_may_be_trained():
    vectors = torch.ones(L, E)
    for freeze in (True, False):
        prior = LabelPrior(L, channels=E, label_vectors=vectors, freeze=freeze)
        assert prior().requires_grad != freeze
        vectors.zero_()
        assert (prior() == 1).all()
        prior.reset_parameters()
        assert (prior() == 1).all()
        vectors.fill_(1)


def test_trainable_vectors_are_small():
    torch.manual_seed(0)
    prior = LabelPrior(50, channels=400)
    prior.fit(batches([build_graph({'text': torch.ones(1, 1)}, torch.ones(50))]))
    assert prior.source == 'trainable'
    assert float(prior().detach().std()) == pytest.approx(1 / 20, rel=0.02)
    assert float(prior().detach().mean()) == pytest.approx(0, abs=0.002)


def test_embeddings_that_are_not_frozen_start_from_what_was_found(graphs):
    torch.manual_seed(0)
    frozen, free = (
        LabelPrior(L, channels=E, modality='text', freeze=freeze)
        for freeze in (True, False)
    )
    for prior in (frozen, free):
        prior.fit(batches(graphs))
        assert prior.source == 'centroids'
    assert torch.equal(frozen()[:3], free()[:3])
    free().sum().backward()
    assert (free.trainable.grad == 1).all()
    with torch.no_grad():
        free.trainable.fill_(7.0)
    free.reset_parameters()
    assert torch.equal(frozen()[:3], free()[:3])
    assert (free()[3] != 7.0).all()


def test_fitting_again_is_as_fitting_once(graphs):
    prior = LabelPrior(L, channels=E, modality='text')
    prior.fit(batches(without_cooccurrence(copy.copy(graphs))[:5]))
    prior.fit(batches(graphs))
    once = LabelPrior(L, channels=E, modality='text')
    once.fit(batches(graphs))
    for name, value in once.state_dict().items():
        if name != 'trainable':
            assert torch.equal(prior.state_dict()[name], value), name


@pytest.mark.parametrize('way', [through_a_file, through_a_state])
@pytest.mark.parametrize('case', ['counts', 'ppmi', 'centroids', 'given', 'free'])
def test_is_saved_and_loaded(graphs, case, way, tmp_path):
    options = {
        'counts': {},
        'ppmi': {'channels': E},
        'centroids': {'channels': E, 'modality': 'text'},
        'given': {'channels': E, 'label_vectors': torch.ones(L, E)},
        'free': {'channels': E, 'freeze': False},
    }[case]
    prior = LabelPrior(L, **options)
    prior.fit(batches(graphs))
    options.pop('label_vectors', None)  # Facts of the data, which are in the file.
    fresh = LabelPrior(L, **options)
    way(prior, fresh, tmp_path)
    for name, value in prior.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name
    assert torch.equal(fresh.label_graph(), prior.label_graph())
    if case != 'counts':
        assert fresh.source == prior.source
        assert torch.equal(fresh(), prior())
        for one in (prior, fresh):
            assert one.trainable.requires_grad == bool(one.trainable.numel())


def test_refusals(graphs):
    asks = [lambda p: p.conditional, lambda p: p.label_graph(), lambda p: p()]
    for ask in [*asks, lambda p: p.source]:
        with pytest.raises(InputError, match='before it is fitted'):
            ask(LabelPrior(L, channels=E))
    with pytest.raises(InputError, match='some samples'):
        LabelPrior(L).fit([])
    with pytest.raises(InputError, match=r'shape \[4, 6\] \(got \[4, 5\]\)'):
        LabelPrior(L, channels=E, label_vectors=torch.ones(L, 5))
    with pytest.raises(InputError, match='finite'):
        LabelPrior(L, channels=E, label_vectors=torch.full((L, E), torch.nan))
    with pytest.raises(InputError, match="'channels'"):
        LabelPrior(L, modality='text')
    for modality, words in (
        ('ids', r"features of width 6 \(got 'ids' with 1 of torch.int64\)"),
        ('face', r"the modality 'face' \(got a batch of \['text', 'ids'"),
    ):
        with pytest.raises(InputError, match=words):
            LabelPrior(L, channels=E, modality=modality).fit(batches(graphs))
