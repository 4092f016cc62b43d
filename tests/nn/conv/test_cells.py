"""Messages to cells, against layers that see all cells and a choice among them."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.nn import GATv2Conv, SAGEConv, SimpleConv, TransformerConv

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit
from hetero_mmer.nn.conv import (
    AttentionConv,
    LabelAttentionConv,
    Relations,
    Stage,
    send_to_cells,
)

LENGTHS = {'text': [3, 0, 2, 1], 'visual': [2, 3, 0, 1], 'audio': [4, 1, 0, 1]}
B, M, L, D = 4, 3, 2, 8


def sage(in_channels, out_channels):
    return SAGEConv((in_channels, in_channels), out_channels)


def gat(in_channels, out_channels):
    return GATv2Conv(in_channels, out_channels, add_self_loops=False)


def attention(in_channels, out_channels):
    return AttentionConv(in_channels, out_channels, heads=2)


def mean(in_channels, out_channels):
    return SimpleConv(aggr='mean')


CONVS = [sage, gat, TransformerConv, attention, LabelAttentionConv, mean]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    graphs = [
        build_graph({m: torch.randn(n[i], D) for m, n in LENGTHS.items()}, [0] * L)
        for i in range(B)
    ]
    data = Batch.from_data_list(graphs)
    return data.apply(lambda x: x.double() if x.is_floating_point() else x)


@pytest.fixture
def cells():
    return torch.randn(B, M, L, D, dtype=torch.double)


def make_stage(make, shared=False):
    torch.manual_seed(0)
    conv = make(D, D)
    convs = {schema.f2l(m): conv if shared else make(D, D) for m in LENGTHS}
    return Stage(convs, aggr=None, out_channels=D).double()


@pytest.mark.parametrize('convert', [lambda x: x, explicit], ids=['pairs', 'edges'])
@pytest.mark.parametrize('shared', [True, False])
@pytest.mark.parametrize('make', CONVS)
def test_cells_get_the_answer_of_their_own_modality(
    batch, cells, make, shared, convert
):
    stage, edges = make_stage(make, shared), explicit(batch).edge_index_dict
    x_dict = {m: batch[m].x for m in LENGTHS}
    out, weights = send_to_cells(stage, x_dict, cells, convert(batch).edge_index_dict)
    assert weights == {}
    for k, m in enumerate(LENGTHS):
        conv = stage.convs[schema.f2l(m)]
        every = conv((x_dict[m], cells.flatten(0, 2)), edges[schema.f2l(m)])
        expected = every.view(B, M, L, D)[:, k]
        torch.testing.assert_close(out[:, k], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('make', [gat, TransformerConv, attention, sage])
def test_weights_are_those_of_the_edges_of_the_graph(batch, cells, make):
    stage, edges = make_stage(make), explicit(batch).edge_index_dict
    x_dict = {m: batch[m].x for m in LENGTHS}
    relations = batch.edge_index_dict
    out, weights = send_to_cells(stage, x_dict, cells, relations, True)
    plain, _ = send_to_cells(stage, x_dict, cells, relations)
    torch.testing.assert_close(out, plain)
    assert set(weights) == (set() if make is sage else set(stage.convs.keys()))
    for (src, rel, dst), (edge_index, alpha) in weights.items():
        x = x_dict[src], cells.flatten(0, 2)
        conv, given = stage.convs[src, rel, dst], edges[src, rel, dst]
        _, (_, expected) = conv(x, given, return_attention_weights=True)
        assert torch.equal(edge_index, given)
        torch.testing.assert_close(alpha, expected)


def test_layers_see_the_cells_of_one_modality(batch, cells):
    stage, seen = make_stage(sage), []
    for conv in stage.convs.values():
        conv.register_forward_pre_hook(lambda _, args: seen.append(args[0][1]))
    send_to_cells(stage, {m: batch[m].x for m in LENGTHS}, cells, batch.edge_index_dict)
    assert all(torch.equal(x, cells[:, k].flatten(0, 1)) for k, x in enumerate(seen))


def test_relations_are_counted_anew_once(batch, cells, monkeypatch):
    stage, seen = make_stage(LabelAttentionConv), []
    for conv in stage.convs.values():
        conv.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    relations, x_dict = Relations(batch.edge_index_dict), {}
    x_dict = {m: batch[m].x for m in LENGTHS}
    for _ in range(2):
        send_to_cells(stage, x_dict, cells, relations)
    assert all(seen[k] is seen[k + M] for k in range(M))


def test_missing_relation_and_other_width_are_refused(batch, cells):
    x_dict = {m: batch[m].x for m in LENGTHS}
    relations = dict(batch.edge_index_dict)
    wide = Stage({schema.f2l(m): sage(D, 2 * D).double() for m in LENGTHS}, aggr=None)
    wide.out_channels = D
    with pytest.raises(InputError, match=f'width of the states, {D}'):
        send_to_cells(wide, x_dict, cells, relations)
    del relations[schema.f2l('visual')]
    with pytest.raises(InputError, match='visual'):
        send_to_cells(make_stage(sage), x_dict, cells, relations)
