"""Both models on graphs with a modality whose items are ids."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.fusion import LatentSpace

SIZE = 7
IN_CHANNELS = {'words': 1, 'audio': 2}
SIZES = {'words': SIZE}
IDS = [[3, 1, 3], [], [6], [2, 2, 2, 0]]  # 4 and 5 never occur.

MODELS = {
    'HHMPN': partial(HHMPN, hidden_channels=8, num_steps=2),
    'CARAT': partial(
        CARAT,
        hidden_channels=16,
        num_layers=1,
        heads=2,
        space=partial(LatentSpace, latent_channels=8),
        contrast=partial(ContrastiveMemory, queue_size=50),
        input_norm=False,
    ),
}


def first_map(model):
    """The module that reads the ids."""
    if isinstance(model, HHMPN):
        return model.encoders['words']
    return model.extractor.encoders['words'].lin


@pytest.fixture(params=MODELS)
def make(request):
    def make(in_channels=IN_CHANNELS, **options):
        torch.manual_seed(0)
        return MODELS[request.param](in_channels, 3, **options).double().eval()

    return make


@pytest.fixture
def graphs():
    rng = np.random.default_rng(0)
    return [
        build_graph(
            {'words': np.array(ids, np.int64), 'audio': rng.normal(size=(2, 2))},
            rng.integers(0, 2, 3),
            num_embeddings=SIZES,
        )
        for ids in IDS
    ]


def one_hot(graph):
    """The same graph with one-hot features."""
    out = graph.clone()
    out['words'].x = torch.eye(SIZE)[graph['words'].x.squeeze(-1)]
    return out


def double(batch):
    return batch.apply(lambda x: x.double() if x.is_floating_point() else x)


def collate(graphs):
    return double(Batch.from_data_list(graphs))


def test_an_embedding_is_a_linear_map_of_one_hot_features(make, graphs):
    """In float64: outputs, losses and gradients."""
    model = make(num_embeddings=SIZES)
    other = make({'words': SIZE, 'audio': 2})
    state = model.state_dict()
    name = next(k for k, v in model.named_parameters() if v is first_map(model).weight)
    state[name] = state[name].T
    state[name.replace('weight', 'bias')] = torch.zeros(state[name].size(0))
    other.load_state_dict(state)
    batch, expected = collate(graphs), collate([one_hot(graph) for graph in graphs])
    y = batch['label'].y.view(4, 3)
    outputs = model(batch), other(expected)
    torch.testing.assert_close(outputs[0].probs, outputs[1].probs, rtol=0, atol=1e-12)
    losses = [m.loss(o, y)['total'] for m, o in zip((model, other), outputs, strict=1)]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(
        first_map(model).weight.grad.T, first_map(other).weight.grad, rtol=0, atol=1e-12
    )


def test_only_seen_ids_learn(make, graphs):
    model = make(num_embeddings=SIZES)
    batch = collate(graphs)
    model.loss(model(batch), batch['label'].y.view(4, 3))['total'].backward()
    learns = first_map(model).weight.grad.abs().sum(dim=1) > 0
    assert learns.tolist() == [True, True, True, True, False, False, True]


def test_batch_equals_single_samples(make, graphs):
    """The second sample has no words."""
    model = make(num_embeddings=SIZES)
    with torch.no_grad():
        together = model(collate(graphs)).probs
        alone = torch.cat([model(double(graph.clone())).probs for graph in graphs])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_without_the_words_their_vectors_mean_nothing(make, graphs):
    model = make(num_embeddings=SIZES)
    with torch.no_grad():
        before = model(collate(graphs)).probs
        first_map(model).weight.mul_(-2)
        after = model(collate(graphs)).probs
    changed = ((before - after).abs() > 1e-9).any(dim=1)
    assert changed.tolist() == [True, False, True, True]


def test_a_store_without_ids_is_given_as_an_empty_vocabulary(make, graphs):
    widths = {'words': SIZE, 'audio': 2}
    for given, expected in zip(
        make(widths, num_embeddings={}).parameters(),
        make(widths).parameters(),
        strict=True,
    ):
        assert torch.equal(given, expected)


def test_ids_for_features_and_features_for_ids_are_refused(make, graphs):
    floats = build_graph(
        {'words': np.ones((2, 1)), 'audio': np.ones((1, 2))}, [1, 0, 0]
    )
    with pytest.raises(InputError, match=r"integer ids for modality 'words'.*float32"):
        make(num_embeddings=SIZES)(floats)
    with pytest.raises(InputError, match=r"features for modality 'words'.*int64"):
        make()(graphs[0])


def test_contradictions_are_refused(make):
    with pytest.raises(InputError, match=r"among .*got 'lyrics'"):
        make(num_embeddings={'lyrics': 5})
    with pytest.raises(InputError, match=r'width of 1 .*\(got 2 and 5\)'):
        make(num_embeddings={'audio': 5})


def test_carats_layer_norm_leaves_ids_alone(graphs):
    model = MODELS['CARAT'](IN_CHANNELS, 3, input_norm=True, num_embeddings=SIZES)
    assert not list(model.extractor.norms['words'].parameters())
    assert list(model.extractor.norms['audio'].parameters())
    assert model(graphs[0]).probs.isfinite().all()
    model.reset_parameters()


def test_carats_aligner_refuses_ids():
    with pytest.raises(InputError, match="items of 'words' are ids: leave it out of"):
        MODELS['CARAT'](IN_CHANNELS, 3, num_embeddings=SIZES, align_to={'words': 4})
