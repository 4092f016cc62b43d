from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph
from hetero_mmer.nn.encoder import EarlyFusion
from hetero_mmer.nn.encoder.early_fusion import are_aligned, fusion_mode

WIDTHS = {'said': 3, 'tone': 2, 'words': 1, 'face': 4}
SIZES = {'words': 9}

#: Items of each modality; every modality is missing somewhere, and has one item.
LENGTHS = [(2, 4, 1, 3), (1, 0, 5, 2), (0, 1, 2, 0), (3, 2, 0, 1)]
ALIGNED = [(2, 2, 2, 2), (1, 0, 1, 1), (0, 4, 4, 0), (3, 3, 0, 3)]
CTC = {'mode': 'ctc', 'max_lengths': {'said': 3, 'tone': 9, 'words': 5, 'face': 3}}
MODES = {
    'align': (ALIGNED, {'mode': 'align'}),
    'ctc': (LENGTHS, {**CTC, 'anchor': 'said'}),
    'time': (LENGTHS, {'mode': 'time'}),
    'pool': (LENGTHS, {'mode': 'pool', 'pool': ['mean', 'std', 'max']}),
}


def make_graphs(lengths, modalities=tuple(WIDTHS)):
    generator = torch.Generator().manual_seed(0)

    def items(m, n):
        if m in SIZES:
            return torch.randint(0, SIZES[m], (n,), generator=generator)
        return torch.randn(n, WIDTHS[m], generator=generator, dtype=torch.double)

    sizes = {m: n for m, n in SIZES.items() if m in modalities}
    return [
        build_graph(
            {m: items(m, n) for m, n in zip(modalities, row, strict=True)},
            num_labels=1,
            num_embeddings=sizes,
        )
        for row in lengths
    ]


def make(mode, modalities=tuple(WIDTHS)):
    torch.manual_seed(0)
    _, options = MODES[mode]
    if mode == 'ctc':
        options = {**options, 'anchor': modalities[0]}
    return EarlyFusion(
        {m: WIDTHS[m] for m in modalities},
        channels=6,
        num_embeddings={m: n for m, n in SIZES.items() if m in modalities},
        **options,
    ).double()


def to_double(data):
    for m in WIDTHS:
        if m in data.node_types and data[m].x.is_floating_point():
            data[m].x = data[m].x.double()
    return data


def states(fusion, graph, modality):
    return fusion.encoders[modality](graph[modality].x)


def by_loops(mode, fusion, graph):
    """Steps of one sample [S, D]; places of an anchor that is not there are left."""
    parts = {m: states(fusion, graph, m) for m in fusion.encoders}
    if mode == 'time':
        rows = [
            state + fusion.modality_type[k]
            for k, part in enumerate(parts.values())
            for state in part
        ]
        return torch.stack(rows)
    if mode == 'pool':
        out = []
        for x in parts.values():
            none = torch.zeros(3, x.size(1), dtype=x.dtype)
            how = [x.mean(0), x.std(0, correction=0), x.amax(0)] if len(x) else none
            out += [*how]
        return torch.cat(out)
    if mode == 'ctc':
        anchor = parts['said']
        for m, x in parts.items():
            if m == 'said':
                continue
            n = torch.tensor([len(anchor)])
            one = x.unsqueeze(0) if len(x) else x.new_zeros(1, 1, x.size(1))
            mask = torch.full((1, one.size(1)), len(x) > 0)
            parts[m] = fusion.aligners[m].align(one, mask, n)[0][0]
    steps = len(parts['said']) if len(parts['said']) else max(map(len, parts.values()))
    rows = []
    for t in range(steps):
        row = [
            x[t] if t < len(x) else torch.zeros(x.size(1), dtype=x.dtype)
            for x in parts.values()
        ]
        rows.append(torch.cat(row))
    return torch.stack(rows)


@pytest.mark.parametrize('mode', MODES)
def test_equals_loops_over_samples_and_items(mode):
    lengths, _ = MODES[mode]
    graphs, fusion = [to_double(g) for g in make_graphs(lengths)], make(mode)
    out = fusion(Batch.from_data_list(graphs))
    assert out.x.size(-1) == fusion.out_channels
    for b, graph in enumerate(graphs):
        expected = by_loops(mode, fusion, graph)
        alone = fusion(graph)
        if mode == 'pool':
            torch.testing.assert_close(out.x[b], expected)
            torch.testing.assert_close(alone.x[0], expected)
            assert out.mask is None
            continue
        n = len(expected)
        assert out.mask[b].tolist() == [k < n for k in range(out.mask.size(1))]
        torch.testing.assert_close(out.x[b, :n], expected)
        assert not out.x[b, n:].any()
        torch.testing.assert_close(alone.x[alone.mask], expected)
        if mode == 'ctc':
            torch.testing.assert_close(out.ctc_loss[b], alone.ctc_loss[0])
        else:
            assert out.ctc_loss is None


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('modalities', [('said',), ('words',), ('words', 'face')])
def test_one_modality_or_two(mode, modalities):
    rows = [[n] * len(modalities) for n in (3, 1)]
    graphs = [to_double(g) for g in make_graphs(rows, modalities)]
    fusion = make(mode, modalities)
    out = fusion(Batch.from_data_list(graphs))
    if len(modalities) == 1 and mode in ('align', 'ctc'):  # As it comes.
        torch.testing.assert_close(
            out.x[out.mask],
            torch.cat([states(fusion, graph, modalities[0]) for graph in graphs]),
        )
        assert out.ctc_loss is None or not out.ctc_loss.any()
    assert out.x.isfinite().all()
    assert out.x.shape[::2] == (2, fusion.out_channels) or mode == 'pool'


@pytest.mark.parametrize('mode', MODES)
def test_gradients_reach_every_parameter(mode):
    lengths, _ = MODES[mode]
    graphs = [to_double(g) for g in make_graphs(lengths)]
    fusion = make(mode)
    out = fusion(Batch.from_data_list(graphs))
    loss = out.x.square().sum()
    if mode == 'ctc':
        loss = out.ctc_loss.mean()
        weights = [p for a in fusion.aligners.values() for p in a.parameters()]
        grads = torch.autograd.grad(loss, weights, retain_graph=True)
        assert all(grad.any() for grad in grads)  # The loss alone teaches aligners.
        loss = loss + out.x.square().sum()
    loss.backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize('mode', MODES)
def test_resetting_draws_every_weight_anew(mode):
    fusion = make(mode)
    for parameter in fusion.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    fusion.reset_parameters()
    for name, parameter in fusion.named_parameters():
        assert (parameter != 7.0).all(), name


def test_places_of_an_anchor():
    """At most as many as it was made for, and all of them where it is missing."""
    graphs = [to_double(g) for g in make_graphs([(5, 2, 2, 2), (0, 2, 0, 0)])]
    torch.manual_seed(0)
    options = {**CTC, 'anchor': 'said', 'max_anchor': 2, 'num_embeddings': SIZES}
    fusion = EarlyFusion(WIDTHS, **options).double()
    out = fusion(Batch.from_data_list(graphs))
    assert fusion.num_items == 2
    torch.testing.assert_close(out.x[0, :, :3], graphs[0]['said'].x[:2])
    assert out.mask.all()
    assert out.x[1].any(dim=1).all()
    assert (out.ctc_loss > 0).tolist() == [True, False]


def test_aligners_are_made_as_asked_for():
    options = {'normalize': True, 'ctc_input_length': 'anchor'}
    fusion = EarlyFusion(WIDTHS, num_embeddings=SIZES, **CTC, **options)
    for aligner in fusion.aligners.values():
        assert {k: getattr(aligner, k) for k in options} == options


def test_which_anchor():
    def anchor(**options):
        return EarlyFusion(WIDTHS, num_embeddings=SIZES, **CTC | options).anchor

    assert anchor() == 'said'  # The first of the shortest.
    assert anchor(anchor='words') == 'words'
    lengths = {'said': 0, 'tone': 9, 'words': 5, 'face': 3}  # Never there.
    assert anchor(max_lengths=lengths) == 'face'


@pytest.mark.parametrize(
    ('options', 'mode'),
    [
        ({}, 'time'),
        ({'aligned': True}, 'align'),
        ({'aligned': True, 'anchor': 'b'}, 'align'),
        ({'anchor': 'b'}, 'time'),
        ({'max_lengths': {'a': 9, 'b': 5}}, 'time'),
        ({'max_lengths': {'a': 9, 'b': 5}, 'anchor': 'b'}, 'ctc'),
        ({'max_lengths': {'a': 5, 'b': 5}, 'anchor': 'b'}, 'ctc'),
        ({'max_lengths': {'a': 4, 'b': 5}, 'anchor': 'b'}, 'time'),
        ({'max_lengths': {'a': 0, 'b': 5}, 'anchor': 'b'}, 'ctc'),
        ({'max_lengths': {'a': 9, 'b': 0}, 'anchor': 'b'}, 'time'),
        ({'max_lengths': {'b': 5}, 'anchor': 'b'}, 'time'),
        ({'max_lengths': {'a': 9, 'b': 5, 'c': 1}, 'anchor': 'b'}, 'ctc'),
    ],
)
def test_the_choice(options, mode):
    assert EarlyFusion({'a': 1, 'b': 1}, **options).mode == mode
    assert EarlyFusion({'b': 1}, **options).mode == 'align'
    assert fusion_mode(['b'], {}) == 'align'


def test_aligned_lengths():
    assert are_aligned(torch.tensor([[3, 0, 2], [3, 2, 0]]))
    assert not are_aligned(torch.tensor([[3, 0, 2], [3, 2, 1]]))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'mode': 'late'}, r"'mode' is one of .*'auto'.* \(got 'late'\)"),
        ({'pool': ['sum']}, r"'pool' is some of .*'std'.* \(got \['sum'\]\)"),
        ({'pool': []}, r'\(got \[\]\)'),
        ({'anchor': 'text'}, r"'anchor' is one of \['said'.* \(got 'text'\)"),
        ({'mode': 'ctc'}, "nothing about 'said'"),
        ({'mode': 'ctc', 'anchor': 'tone'}, "how long 'tone' is"),
        ({'num_embeddings': {'text': 3}}, "'num_embeddings'"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(InputError, match=words):
        EarlyFusion(WIDTHS, **options)


def test_refuses_to_fuse_nothing():
    with pytest.raises(InputError, match='at least one modality'):
        EarlyFusion({})


def test_refuses_steps_that_do_not_belong_together():
    batch = Batch.from_data_list(make_graphs(LENGTHS))
    with pytest.raises(InputError, match=r"'align'.*'tone': 4.*use 'ctc' or 'time'"):
        EarlyFusion(WIDTHS, mode='align', num_embeddings=SIZES)(batch)
