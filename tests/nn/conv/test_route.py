"""When layers compute on sparse matrices, and when message by message."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.explain import AttentionExplainer, Explainer

from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import AttentionConv, LabelAttentionConv, route

EDGES = torch.tensor([[0, 1, 2], [1, 1, 0]])


@pytest.mark.parametrize('conv', [AttentionConv(8, 8), LabelAttentionConv(8)])
def test_plain_layers_take_the_fast_route(conv, monkeypatch):
    calls = []

    def record(name, attention):
        def recorded(*args, **kwargs):
            calls.append(name)
            return attention(*args, **kwargs)

        monkeypatch.setattr(route, name, recorded)

    record('sparse_attention', route.sparse_attention)
    record('block_attention', route.block_attention)
    x = torch.randn(3, 8)
    pairs = AllPairs(torch.tensor([[0, 3]]), torch.tensor([[0, 3]]))
    conv((x, x), EDGES)
    conv((x, x), pairs)
    assert calls == ['sparse_attention', 'block_attention']
    conv((x, x), pairs, return_attention_weights=True)
    assert calls[2:] == ['sparse_attention']
    adj = torch.sparse_coo_tensor(EDGES, torch.ones(3), (3, 3), check_invariants=True)
    conv((x, x), adj.t().coalesce())
    conv.bfloat16()((x.bfloat16(), x.bfloat16()), EDGES)
    assert len(calls) == 3


def test_hooks_see_messages():
    conv, x, seen = AttentionConv(8, 8), torch.randn(3, 8), []
    plain = conv(x, EDGES)
    conv.register_message_forward_hook(lambda *args: seen.append(args[-1]))
    torch.testing.assert_close(conv(x, EDGES), plain)
    assert [message.shape[0] for message in seen] == [3]


def test_steps_of_a_subclass_are_taken():
    class Double(AttentionConv):
        def message(self, value_j: Tensor, alpha: Tensor) -> Tensor:
            return 2 * super().message(value_j, alpha)

    plain, double, x = AttentionConv(8, 8), Double(8, 8), torch.randn(3, 8)
    double.load_state_dict(plain.state_dict())
    torch.testing.assert_close(double(x, EDGES), 2 * plain(x, EDGES))


def test_explainers_see_attention():
    conv = AttentionConv(8, 2)
    explainer = Explainer(
        conv,
        AttentionExplainer(),
        explanation_type='model',
        edge_mask_type='object',
        model_config={'mode': 'regression', 'task_level': 'node'},
    )
    x = torch.randn(3, 8)
    mask = explainer(x, EDGES).edge_mask
    _, (_, alpha) = conv(x, EDGES, return_attention_weights=True)
    torch.testing.assert_close(mask, alpha.mean(dim=-1))
