"""HHMPN's F2F stage: 3 x 60 items, d 256, batch 16, forward and backward."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from case import Case, Goal, Step
from data import f2f
from torch.nn import Linear
from torch_geometric.nn import HeteroConv, TransformerConv

from hetero_mmer.nn.conv import AttentionConv, Stage

NAMES, BATCH, ITEMS, CHANNELS = ('text', 'visual', 'audio'), 16, 60, 256
GRAD = torch.rand(BATCH * ITEMS, len(NAMES) * CHANNELS)  # What comes from the loss.
LENGTHS = {m: torch.full((BATCH,), ITEMS) for m in NAMES}


def make_inputs() -> dict[str, torch.Tensor]:
    return {m: torch.randn(BATCH * ITEMS, CHANNELS, requires_grad=True) for m in NAMES}


def backward(outs: dict[str, torch.Tensor]) -> None:
    torch.autograd.backward(list(outs.values()), [GRAD] * len(outs))


def ours() -> Step:
    x = make_inputs()
    conv = AttentionConv(CHANNELS, CHANNELS)  # One weight set for all pairs, as Eq. 9.
    relations = f2f(LENGTHS)
    stage = Stage(dict.fromkeys(relations, conv), aggr='cat')
    return lambda: backward(stage(x, relations))


def pyg() -> Step:
    x = make_inputs()
    edges = {t: pairs.edge_index() for t, pairs in f2f(LENGTHS).items()}
    conv = TransformerConv(CHANNELS, CHANNELS, root_weight=False, bias=False)
    stage = HeteroConv(dict.fromkeys(edges, conv), aggr='cat')
    return lambda: backward(stage(x, edges))


def dense() -> Step:
    x = make_inputs()
    query, key, value = (Linear(CHANNELS, CHANNELS, bias=False) for _ in range(3))
    others = ~torch.eye(ITEMS, dtype=torch.bool)

    def step() -> None:
        q, k, v = (
            {m: lin(x[m]).view(BATCH, 1, ITEMS, CHANNELS) for m in NAMES}
            for lin in (query, key, value)
        )
        outs = {}
        for n in NAMES:
            masks = {m: others if m == n else None for m in NAMES}
            messages = [
                F.scaled_dot_product_attention(q[n], k[m], v[m], attn_mask=masks[m])
                for m in NAMES
            ]
            outs[n] = torch.cat(messages, dim=-1).flatten(0, 2)
        backward(outs)

    return step


CASE = Case(
    "HHMPN's F2F stage, 3 x 60 items, d 256, batch 16, forward and backward",
    {'ours': ours, 'dense, by hand': dense, 'HeteroConv of TransformerConv': pyg},
    [
        Goal('ours', 'HeteroConv of TransformerConv', 1 / 50),
        Goal('ours', 'HeteroConv of TransformerConv', 1 / 5, 'memory'),
        Goal('ours', 'dense, by hand', 1.15),
    ],
)
