from __future__ import annotations

from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, PairTensor
from torch_geometric.utils import softmax

from hetero_mmer.nn.conv.route import Weights


class ReadoutConv(MessagePassing):
    r"""Weighted mean of the sources, with weights that depend on the sources alone.

    The modality-to-label readout of HHMPN (Zhang et al., AAAI 2021), Eq. 15 and 16:

    .. math::
        \mathbf{x}'_i = \sum_{j \in \mathcal{N}(i)} \alpha_{ij} \mathbf{x}_j, \qquad
        \alpha_{ij} = \mathrm{softmax}_j(\mathbf{W}^{l} \mathbf{x}_j)

    A modality that a sample lacks has no edge, hence weight 0.

    Args:
        in_channels: Width of the source nodes, or of (source, target).

    Shapes:
        - **x**: ``[N, d]``, or ``([N_s, d], [N_t, *])`` if bipartite
        - **edge_index**: ``[2, E]``
        - **output**: ``[N_t, d]``, zero for a target without neighbours; with
          ``return_attention_weights=True`` also ``(edge_index [2, E], alpha [E, 1])``

    Example:
        >>> import torch
        >>> cells, labels = torch.randn(4, 8), torch.randn(2, 8)
        >>> edge_index = torch.tensor([[0, 2, 1, 3], [0, 0, 1, 1]])
        >>> ReadoutConv(8)((cells, labels), edge_index).shape
        torch.Size([2, 8])
    """

    def __init__(self, in_channels: int | tuple[int, int]) -> None:
        super().__init__(aggr='sum', node_dim=0)
        if not isinstance(in_channels, int):
            in_channels = in_channels[0]
        self.in_channels = in_channels
        self.lin = Linear(in_channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """Resets the parameters."""
        super().reset_parameters()
        self.lin.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj,
        return_attention_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Weights]:
        """Reads out each target's sources."""
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        size = (x_src.size(0), x_dst.size(0))
        alpha = self.edge_updater(edge_index, size=size, score=(self.lin(x_src), None))
        out = self.propagate(edge_index, size=size, x=(x_src, x_dst), alpha=alpha)
        return (out, (edge_index, alpha)) if return_attention_weights else out

    def edge_update(
        self, score_j: Tensor, index: Tensor, ptr: Tensor | None, size_i: int
    ) -> Tensor:
        """Weight of each edge, ``[E, 1]``; Eq. 16."""
        return softmax(score_j, index, ptr=ptr, num_nodes=size_i)

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        """Weighted source along each edge, ``[E, d]``; Eq. 15."""
        return x_j * alpha

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.in_channels})'
