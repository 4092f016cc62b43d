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
LENGTHS = {m: torch.full((BATCH,), ITEMS) for m in NAMES}


def make_inputs() -> dict[str, torch.Tensor]:
    return {m: torch.randn(BATCH * ITEMS, CHANNELS, requires_grad=True) for m in NAMES}


def backward(outs: dict[str, torch.Tensor]) -> None:
    torch.stack([out.square().mean() for out in outs.values()]).sum().backward()


def ours() -> Step:
    x = make_inputs()
    stage = Stage({t: AttentionConv(CHANNELS, CHANNELS) for t in f2f(LENGTHS)})
    return lambda: backward(stage(x, f2f(LENGTHS)))


def pyg() -> Step:
    x = make_inputs()
    edges = {t: pairs.edge_index() for t, pairs in f2f(LENGTHS).items()}
    convs = {t: TransformerConv(CHANNELS, CHANNELS, root_weight=False) for t in edges}
    stage = HeteroConv(convs)
    return lambda: backward(stage(x, edges))


def dense() -> Step:
    x = make_inputs()
    pairs = [(m, n) for m in NAMES for n in NAMES]
    query, key, value = (
        {pair: Linear(CHANNELS, CHANNELS) for pair in pairs} for _ in range(3)
    )
    others = ~torch.eye(ITEMS, dtype=torch.bool)

    def step() -> None:
        outs = {}
        for n in NAMES:
            total = None
            for m in NAMES:
                q, k, v = (
                    lin[m, n](data).view(BATCH, 1, ITEMS, CHANNELS)
                    for lin, data in ((query, x[n]), (key, x[m]), (value, x[m]))
                )
                mask = others if m == n else None
                out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
                total = out if total is None else total + out
            outs[n] = total
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
