from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, PairTensor
from torch_geometric.utils import softmax


class CosineConv(MessagePassing):
    """A message weighs more, the more its source resembles the target."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr='sum', node_dim=0)
        self.lin = Linear(in_channels, out_channels)
        self.sharpness = Parameter(torch.tensor(5.0))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        torch.nn.init.constant_(self.sharpness, 5.0)

    def forward(self, x: Tensor | PairTensor, edge_index: Adj) -> Tensor:
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        x_src, x_dst = self.lin(x_src), self.lin(x_dst)
        size = (x_src.size(0), x_dst.size(0))
        return self.propagate(edge_index, x=(x_src, x_dst), size=size)

    def message(self, x_i: Tensor, x_j: Tensor, index: Tensor, size_i: int) -> Tensor:
        score = self.sharpness * torch.cosine_similarity(x_i, x_j, dim=-1)
        return softmax(score, index, num_nodes=size_i).unsqueeze(-1) * x_j
