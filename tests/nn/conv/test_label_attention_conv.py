from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import HeteroConv

from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import LabelAttentionConv, Stage
from hetero_mmer.testing import LAYER_CHECKS, check_layer

EDGES = torch.tensor([[0, 3, 1, 2, 0], [2, 0, 0, 2, 0]])  # Nobody tells 1.


def draw(num_nodes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_nodes, 4, generator=generator, dtype=torch.double)


def loop(items, labels, edge_index):
    """Eq. 1, one label at a time."""
    out = torch.zeros_like(labels)
    for i in range(len(labels)):
        sources = edge_index[0, edge_index[1] == i].tolist()
        if sources:
            weight = torch.stack([(labels[i] @ items[j]).exp() for j in sources])
            weight = weight / weight.sum()
            out[i] = sum(w * items[j] for w, j in zip(weight, sources, strict=True))
    return out


def test_string_form():
    assert str(LabelAttentionConv(4)) == 'LabelAttentionConv(4)'


@pytest.mark.usefixtures('kernel')
def test_passes_the_checks_of_layers():
    made = check_layer(
        LabelAttentionConv, dtype=torch.double, except_for=['one_node_type']
    )
    assert {*made, 'one_node_type'} == set(LAYER_CHECKS)


@pytest.mark.usefixtures('kernel')
def test_agrees_with_a_loop():
    x, conv = (draw(4), draw(3, seed=1)), LabelAttentionConv(4)
    expected = loop(*x, EDGES)
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        out, (edges, alpha) = conv(x, EDGES[:, order], return_attention_weights=True)
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(conv(x, EDGES[:, order]), expected)
        assert alpha.shape == (5, 1)
        torch.testing.assert_close(alpha[edges[1] == 2].sum(), torch.ones(()).double())


@pytest.mark.parametrize('kind', [HeteroConv, Stage])
def test_in_a_stage(kind):
    relation = ('text', 'f2l', 'modality')
    stage = kind({relation: LabelAttentionConv(4, 4)})
    x = {'text': draw(4), 'modality': draw(3, seed=1)}
    out = stage(x, {relation: EDGES})['modality']
    torch.testing.assert_close(out, loop(*x.values(), EDGES))


@pytest.mark.parametrize('pairs', [True, False])
def test_dropout_is_for_training_only(pairs):
    conv, x = LabelAttentionConv(4, dropout=0.5), (draw(4), draw(3))
    relation = AllPairs(torch.tensor([[0, 4]]), torch.tensor([[0, 3]]))
    relation = relation if pairs else relation.edge_index()
    assert not torch.equal(conv(x, relation), conv(x, relation))
    conv.eval()
    assert torch.equal(conv(x, relation), conv(x, relation))


def test_refuses_another_width():
    with pytest.raises(InputError):
        LabelAttentionConv(4, 5)
