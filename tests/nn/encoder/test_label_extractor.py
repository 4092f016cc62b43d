from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.nn import GATv2Conv

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit
from hetero_mmer.nn.encoder import LabelExtractor

WIDTHS = {'text': 3, 'audio': 2}
LENGTHS = [(3, 2), (0, 4), (1, 0)]


@pytest.fixture
def graphs():
    generator = torch.Generator().manual_seed(0)
    return [
        build_graph(
            {
                m: torch.randn(n, width, generator=generator)
                for (m, width), n in zip(WIDTHS.items(), lengths, strict=True)
            },
            num_labels=2,
        )
        for lengths in LENGTHS
    ]


def make(**options):
    torch.manual_seed(0)
    options = {'num_layers': 1, 'heads': 2, **options}
    return LabelExtractor(WIDTHS, 2, 8, **options).eval()


@pytest.mark.parametrize(
    'options',
    [{}, {'align_to': {'audio': 3}}, {'f2l': GATv2Conv}, {'input_norm': False}],
)
def test_equals_every_modality_of_every_sample_alone(graphs, options):
    extractor = make(**options)
    out = extractor(Batch.from_data_list(graphs))
    assert out.mask.tolist() == [[True, True], [False, True], [True, False]]
    with torch.no_grad():
        for b, graph in enumerate(graphs):
            for k, m in enumerate(WIDTHS):
                x, pos = extractor.norms[m](graph[m].x), graph[m].pos
                if not len(x):
                    assert (out.u[b, k] == 0).all()
                    continue
                ptr = torch.tensor([0, len(x)])
                if m in extractor.aligners:
                    x, ptr = extractor.aligners[m](x, ptr)
                    pos = torch.arange(len(x))
                h = extractor.encoders[m](x, ptr, pos)
                w = extractor.label_weight[k]
                if options.get('f2l'):
                    edges = torch.cartesian_prod(
                        torch.arange(len(h)), torch.arange(2)
                    ).T
                    expected = extractor.f2l.convs[m, 'f2l', 'modality']((h, w), edges)
                else:
                    expected = (w @ h.T).softmax(dim=1) @ h
                torch.testing.assert_close(out.u[b, k], expected)


@pytest.mark.parametrize('align_to', [None, {'audio': 3}])
def test_a_modality_that_is_not_there_says_nothing(graphs, align_to):
    """Whatever a layer answers cells without edges, here its bias."""
    extractor = make(f2l=GATv2Conv, align_to=align_to)
    for conv in extractor.f2l.convs.values():
        torch.nn.init.constant_(conv.bias, 3.0)
    out = extractor(Batch.from_data_list(graphs))
    there = torch.tensor([[n > 0 for n in lengths] for lengths in LENGTHS])
    assert out.mask.equal(there)
    assert (out.u[~there] == 0).all()
    assert (out.u[there] != 0).all()


@pytest.mark.parametrize('options', [{}, {'align_to': {'audio': 3}}])
def test_explicit_edges_give_the_same(graphs, options):
    extractor, batch = make(**options), Batch.from_data_list(graphs)
    pairs, edges = extractor(batch), extractor(explicit(batch))
    torch.testing.assert_close(pairs.u, edges.u)


def test_graph_equals_batch_of_one(graphs):
    extractor = make()
    torch.testing.assert_close(
        extractor(graphs[0]).u, extractor(Batch.from_data_list(graphs[:1])).u
    )


def test_input_norm_takes_away_the_size_of_features(graphs):
    def probs(scale, **options):
        batch = Batch.from_data_list(graphs)
        for m in WIDTHS:
            batch[m].x = scale * batch[m].x
        return make(**options)(batch).u

    torch.testing.assert_close(probs(1.0), probs(2.0))
    assert not torch.allclose(
        probs(1.0, input_norm=False), probs(2.0, input_norm=False)
    )


def test_number_of_layers():
    def count(**options):
        encoders = make(**options).encoders
        return {m: len(encoders[m].layers) for m in WIDTHS}

    assert count(num_layers=2) == {'text': 2, 'audio': 2}
    assert count(num_layers={'audio': 1, 'text': 3}) == {'text': 3, 'audio': 1}
    assert count(num_layers={'*': 1, 'text': 3}) == {'text': 3, 'audio': 1}


def test_refuses_layers_that_leave_a_modality_out():
    with pytest.raises(InputError, match='audio'):
        make(num_layers={'text': 1})


def test_refuses_messages_of_another_width(graphs):
    extractor = make(f2l=lambda i, o: GATv2Conv(i, o, heads=2))
    with pytest.raises(InputError, match=r'8 \(got 16\)'):
        extractor(Batch.from_data_list(graphs))


def test_other_modalities_may_have_a_name():
    """A recipe for three modalities fits two of them."""
    more = {'text': 1, 'audio': 1, 'face': 1}
    extractor = make(num_layers=more, align_to={'face': 3})
    assert list(extractor.encoders) == ['text', 'audio']
    assert not len(extractor.aligners)


def test_resetting_draws_every_weight_anew():
    extractor = make(align_to={'audio': 3})
    with torch.no_grad():
        for parameter in extractor.parameters():
            parameter.fill_(7.0)
    extractor.reset_parameters()
    for name, parameter in extractor.named_parameters():
        assert (parameter != 7.0).all(), name
