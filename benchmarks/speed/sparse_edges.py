"""Attention over a million explicit edges, forward and backward."""

from __future__ import annotations

import torch
import torch_geometric.typing
from case import Case, Goal, Step
from torch import Tensor
from torch_geometric.nn import TransformerConv
from torch_geometric.utils import sort_edge_index

from hetero_mmer.nn.conv import AttentionConv

NODES, EDGES, CHANNELS = 50_000, 1_000_000, 64
HAS_SCATTER = torch_geometric.typing.WITH_TORCH_SCATTER


def inputs() -> tuple[Tensor, Tensor]:
    x = torch.randn(NODES, CHANNELS, requires_grad=True)
    edge_index = torch.randint(NODES, (2, EDGES))
    return x, sort_edge_index(edge_index, sort_by_row=False)


def with_conv(conv: torch.nn.Module, scatter: bool) -> Step:
    x, edge_index = inputs()

    def step() -> None:
        torch_geometric.typing.WITH_TORCH_SCATTER = scatter and HAS_SCATTER
        conv(x, edge_index).square().mean().backward()
        torch_geometric.typing.WITH_TORCH_SCATTER = HAS_SCATTER

    return step


def ours(scatter: bool) -> Step:
    return with_conv(AttentionConv(CHANNELS, CHANNELS), scatter)


def pyg(scatter: bool) -> Step:
    return with_conv(
        TransformerConv(CHANNELS, CHANNELS, root_weight=False, bias=False), scatter
    )


SIDES = {
    'ours, plain PyTorch': lambda: ours(False),
    'TransformerConv, plain PyTorch': lambda: pyg(False),
}
if HAS_SCATTER:
    SIDES['ours, torch-scatter'] = lambda: ours(True)
    SIDES['TransformerConv, torch-scatter'] = lambda: pyg(True)

CASE = Case(
    'attention over 1,000,000 edges among 50,000 nodes, d 64, forward and backward',
    SIDES,
    [
        Goal(f'ours, {route}', f'TransformerConv, {route}', 1 / 1.5)
        for route in ('plain PyTorch', 'torch-scatter')
        if f'ours, {route}' in SIDES
    ],
    repeats=5,
)
