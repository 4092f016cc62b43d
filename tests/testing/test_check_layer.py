"""Each check of layers passes a sound toy and catches one that is broken in its way."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, MessagePassing, SAGEConv, TransformerConv
from torch_geometric.utils import softmax

from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.testing import LAYER_CHECKS, CheckError, check_layer


class Toy(MessagePassing):
    """Attention by a score of the source alone; takes ranges, too."""

    supports_all_pairs = True

    def __init__(self, in_channels, out_channels):
        super().__init__(aggr='sum', node_dim=0)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.score = nn.Linear(in_channels, 1, bias=False)

    def __repr__(self):
        return f'{type(self).__name__}({self.in_channels}, {self.out_channels})'

    def reset_parameters(self):
        self.lin.reset_parameters()
        self.score.reset_parameters()

    def forward(self, x, edge_index, return_attention_weights=False):
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        if isinstance(edge_index, AllPairs):
            edge_index = self.explicit(edge_index)
        alpha = self.alpha(x_src, edge_index, len(x_dst))
        size = (len(x_src), len(x_dst))
        out = self.messages(self.lin(x_src), alpha, edge_index, size)
        return (out, (edge_index, alpha)) if return_attention_weights else out

    def explicit(self, pairs):
        return pairs.edge_index()

    def alpha(self, x_src, edge_index, num_nodes):
        return softmax(self.score(x_src)[edge_index[0]], edge_index[1], None, num_nodes)

    def messages(self, x, alpha, edge_index, size):
        return self.propagate(edge_index, size=size, x=(x, None), alpha=alpha)

    def message(self, x_j, alpha):
        return x_j * alpha


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_a_sound_layer_passes_every_check(dtype):
    assert check_layer(Toy, 5, dtype=dtype) == tuple(LAYER_CHECKS)


@pytest.mark.parametrize(
    ('layer', 'facts', 'attention'),
    [
        (GATv2Conv, {'except_for': ['no_edges']}, True),
        (partial(GATv2Conv, heads=2, concat=False), {'except_for': ['no_edges']}, True),
        (partial(GATv2Conv, bias=False), {}, True),
        (TransformerConv, {'except_for': ['no_edges']}, True),
        (SAGEConv, {'except_for': ['no_edges']}, False),
        (partial(SAGEConv, root_weight=False, bias=False), {}, False),
    ],
)
def test_layers_of_pyg(layer, facts, attention):
    made = check_layer(layer, **facts)
    lacks = {'all_pairs', *facts.get('except_for', ())}
    lacks |= set() if attention else {'attention'}
    assert set(made) == set(LAYER_CHECKS) - lacks


@pytest.mark.gpu
def test_on_a_gpu():
    check_layer(Toy, device='cuda')


# One fault for each check.


class NoForm(Toy):
    __repr__ = nn.Module.__repr__


class Wide(Toy):
    def messages(self, x, alpha, edge_index, size):
        return super().messages(x, alpha, edge_index, size).repeat(1, 2)


class Infinite(Toy):
    def messages(self, x, alpha, edge_index, size):
        return super().messages(x, alpha, edge_index, size) / torch.zeros(size[1], 1)


class ByPlace(Toy):
    def alpha(self, x_src, edge_index, num_nodes):
        place = torch.arange(edge_index.size(1)).to(x_src).unsqueeze(1)
        return softmax(place, edge_index[1], None, num_nodes)


class Deaf(Toy):
    def messages(self, x, alpha, edge_index, size):
        return super().messages(x.detach() * 0, alpha, edge_index, size)


class HearsAll(Toy):
    def messages(self, x, alpha, edge_index, size):
        return super().messages(x, alpha, edge_index, size) + x.mean(dim=0)


class OverAll(Toy):
    """A softmax over all edges of the batch."""

    def alpha(self, x_src, edge_index, num_nodes):
        return self.score(x_src)[edge_index[0]].softmax(dim=0)


class Bias(Toy):
    def __init__(self, *args):
        super().__init__(*args)
        self.bias = nn.Parameter(torch.zeros(args[1]))

    def messages(self, x, alpha, edge_index, size):
        return super().messages(x, alpha, edge_index, size) + self.bias

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.zeros_(self.bias)


class SomeNodes(Toy):
    def alpha(self, x_src, edge_index, num_nodes):
        x_src.max()
        return super().alpha(x_src, edge_index, num_nodes)


class PairsOnly(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        x_src, x_dst = x
        return super().forward((x_src, x_dst), edge_index, return_attention_weights)


class OwnSelf(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        return out + self.lin(x) if isinstance(x, Tensor) else out


class WithLoops(Toy):
    def explicit(self, pairs):
        return AllPairs(pairs.src, pairs.dst).edge_index()


class NoGradientByRanges(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        return out.detach() if isinstance(edge_index, AllPairs) else out


class Drops(Toy):
    def alpha(self, x_src, edge_index, num_nodes):
        alpha = super().alpha(x_src, edge_index, num_nodes)
        return nn.functional.dropout(alpha, 0.5)


class InPlace(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        if isinstance(x, tuple) and not x[0].requires_grad:
            x[0].mul_(2)
        return super().forward(x, edge_index, return_attention_weights)


class Unused(Toy):
    def __init__(self, *args):
        super().__init__(*args)
        self.gate = nn.Parameter(torch.ones(()))


class NotANumber(Toy):
    def messages(self, x, alpha, edge_index, size):
        out = super().messages(x, alpha, edge_index, size)
        return out + (0 * self.lin.weight.detach() * self.score.weight).sum().sqrt()


class HalfReset(Toy):
    def reset_parameters(self):
        self.lin.reset_parameters()


class OwnSeed(Toy):
    def reset_parameters(self):
        nn.init.constant_(self.score.weight, torch.seed() % 1000)
        self.lin.reset_parameters()


class NoReset(nn.Module):
    """No layer of PyG."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x, edge_index):
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        out = x_src.new_zeros(len(x_dst), x_src.size(1))
        return self.lin(out.index_add(0, edge_index[1], x_src[edge_index[0]]))


class Triple(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        return (out[0], *out[1]) if return_attention_weights else out


class HalfWeights(Toy):
    def alpha(self, x_src, edge_index, num_nodes):
        return super().alpha(x_src, edge_index, num_nodes) / 2


class OneDim(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        if not return_attention_weights:
            return out
        return out[0], (out[1][0], out[1][1].squeeze(1))


class OtherEdges(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        if not return_attention_weights:
            return out
        return out[0], (out[1][0].flip(1), out[1][1])


class OtherMessages(Toy):
    def forward(self, x, edge_index, return_attention_weights=False):
        out = super().forward(x, edge_index, return_attention_weights)
        return (2 * out[0], out[1]) if return_attention_weights else out


class NoMessages(Toy):
    def messages(self, x, alpha, edge_index, size):
        out = x.new_zeros(size[1], x.size(1))
        return out.index_add(0, edge_index[1], x[edge_index[0]] * alpha)


class Last(Toy):
    """A second relation hears what the first one said."""

    said = 0

    def messages(self, x, alpha, edge_index, size):
        self.said = self.said + 1
        return super().messages(x, alpha, edge_index, size) * self.said


class SingleOnly(Toy):
    def messages(self, x, alpha, edge_index, size):
        return super().messages(x @ torch.eye(x.size(1)), alpha, edge_index, size)


class NoCopies(Toy):
    def __init__(self, *args):
        super().__init__(*args)
        self.act = lambda x: x


FAULTS = [
    ('string_form', NoForm, 'one line'),
    ('output', Wide, r'here \[4, 8\] \(got \[4, 16\]\)'),
    ('output', Infinite, 'finite'),
    ('edge_order', ByPlace, 'another order'),
    ('edges_count', Deaf, r'\[0, 2, 3\], and no other \(got \[\]\)'),
    ('edges_count', HearsAll, r'\(got \[0, 1, 2, 3\]\)'),
    ('side_by_side', OverAll, 'side by side'),
    ('no_edges', Bias, 'gets something'),
    ('no_nodes', SomeNodes, 'max'),
    ('one_node_type', PairsOnly, 'unpack'),
    ('one_node_type', OwnSelf, 'twice its states'),
    ('all_pairs', WithLoops, 'without loops'),
    ('all_pairs', NoGradientByRanges, 'grad'),
    ('deterministic', Drops, 'evaluated twice'),
    ('inputs', InPlace, 'leaves its sources'),
    ('gradients', Unused, "not 'gate'"),
    ('gradients', Deaf, 'not '),
    ('gradients', NotANumber, "gradient of 'score.weight' is finite"),
    ('reset', HalfReset, "not all of 'score.weight'"),
    ('reset', OwnSeed, 'same seed'),
    ('reset', NoReset, "has 'reset_parameters'"),
    ('attention', Triple, 'got tuple'),
    ('attention', HalfWeights, 'sum to one'),
    ('attention', OneDim, 'E, heads'),
    ('attention', OtherEdges, 'the edges of the relation'),
    ('attention', OtherMessages, 'changes no messages'),
    ('hooks', NoMessages, 'on messages has its effect with edges'),
    ('in_a_stage', Last, "PyG's HeteroConv"),
    ('double_precision', SingleOnly, 'dtype'),
    ('copies', NoCopies, 'pickle'),
]


@pytest.mark.parametrize(('check', 'layer', 'text'), FAULTS)
def test_a_fault_is_caught(check, layer, text):
    others = [name for name in LAYER_CHECKS if name != check]
    with pytest.raises(CheckError, match=text) as caught:
        check_layer(layer, except_for=others)
    assert set(caught.value.failures) == {check}


def test_every_check_has_a_fault():
    assert {check for check, *_ in FAULTS} == set(LAYER_CHECKS)


def test_exceptions():
    check_layer(Bias, except_for=['no_edges'])
    check_layer(Unused, untrained=['gate'], except_for=['reset'])
    with pytest.raises(InputError, match="did you mean 'no_edges'"):
        check_layer(Bias, except_for=['no_edge'])
