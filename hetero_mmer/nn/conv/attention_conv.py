from __future__ import annotations

from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, PairTensor

from hetero_mmer.errors import InputError
from hetero_mmer.functional.attention import edge_attention
from hetero_mmer.functional.joint_attention import JointLayout, joint_attention
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv.route import Weights, attend


class AttentionConv(MessagePassing):
    r"""Dot-product attention from source to target nodes.

    The message function of HHMPN (Zhang et al., AAAI 2021), Eq. 3 to 5, summed over
    a target's neighbours:

    .. math::
        e_{ij} = (\mathbf{W}^{v1} \mathbf{x}_i)^{\top} \mathbf{W}^{v2} \mathbf{x}_j
        / \sqrt{d}, \qquad
        \mathbf{x}'_i = \sum_{j \in \mathcal{N}(i)}
        \mathrm{softmax}_j(e_{ij}) \, \mathbf{W}^{v} \mathbf{x}_j

    Takes explicit edges and :class:`~hetero_mmer.graph.AllPairs` alike; the kind of
    the relation decides how it computes, never what.

    Args:
        in_channels: Width of the nodes, or of (source, target) if they differ.
        out_channels: Width :math:`d` of a message.
        heads: Number of heads. One head is the paper's equation; more split the
            width, scale by :math:`\sqrt{d / heads}` and add an output projection.
        dropout: Probability to drop an attention weight in training.

    Shapes:
        - **x**: ``[N, F]``, or ``([N_s, F_s], [N_t, F_t])`` if bipartite
        - **edge_index**: ``[2, E]`` or ``AllPairs``
        - **output**: ``[N_t, d]``, zero for a target without neighbours; with
          ``return_attention_weights=True`` also ``(edge_index [2, E],
          alpha [E, heads])``

    Raises:
        InputError: If ``heads`` does not divide ``out_channels``.

    Deviations:
        The residual of Eq. 6 is left to the caller, since Eq. 9 has none.

    Example:
        >>> import torch
        >>> conv = AttentionConv(8, 16)
        >>> conv(torch.randn(3, 8), torch.tensor([[0, 1], [2, 2]])).shape
        torch.Size([3, 16])
    """

    #: Tells :class:`~hetero_mmer.nn.conv.Stage` to hand over complete relations.
    supports_all_pairs = True

    # What PyG's templates would look for in calls in this class.
    propagate_type = {'value': Tensor, 'alpha': Tensor}
    edge_updater_type = {'query': Tensor, 'key': Tensor}

    scale: float | None = None  # of scores, 1 / √C by default

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        heads: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(aggr='sum', node_dim=0)
        if heads < 1 or out_channels % heads:
            raise InputError(
                f"'heads' divides the width of a message, {out_channels} (got {heads})"
            )
        if isinstance(in_channels, int):
            in_channels = (in_channels, in_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.dropout = dropout
        self.lin_query = Linear(in_channels[1], out_channels, bias=False)
        self.lin_key = Linear(in_channels[0], out_channels, bias=False)
        self.lin_value = Linear(in_channels[0], out_channels, bias=False)
        self.lin_out = None
        if heads > 1:
            self.lin_out = Linear(out_channels, out_channels, bias=False)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        super().reset_parameters()
        for lin in (self.lin_query, self.lin_key, self.lin_value, self.lin_out):
            if lin is not None:
                lin.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj | AllPairs,
        return_attention_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Weights]:
        """Sums the messages that reach each target."""
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        return self.attend(
            self.query(x_dst),
            self.key_value(x_src),
            edge_index,
            return_attention_weights,
        )

    def query(self, x_dst: Tensor) -> Tensor:
        """Projects targets to queries, ``[N_t, heads, d / heads]``."""
        return self._split(self.lin_query(x_dst))

    def key_value(self, x_src: Tensor) -> PairTensor:
        """Projects sources to keys and values, ``[N_s, heads, d / heads]`` each."""
        return self._split(self.lin_key(x_src)), self._split(self.lin_value(x_src))

    def attend(
        self,
        query: Tensor,
        key_value: tuple[Tensor, Tensor],
        edge_index: Adj | AllPairs,
        return_attention_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Weights]:
        """The part of :meth:`forward` after the projections.

        Relations that share a layer and a node type need each projection once.
        """
        out, weights = attend(
            self, AttentionConv, query, *key_value, edge_index, return_attention_weights
        )
        out = self._merge(out)
        return (out, weights) if return_attention_weights else out  # type: ignore

    def attend_jointly(self, x: Tensor, layout: JointLayout) -> list[Tensor]:
        """:meth:`forward` of the relations between all pairs of M node types.

        Args:
            x: Nodes of all types ``[N, F]``, concatenated.
            layout: Their blocks.

        Returns:
            Messages ``[N, M, d]`` to each type.
        """
        x = layout.arrange(x)
        key, value = self.key_value(x)
        dropout = self.dropout if self.training else 0.0
        outs = joint_attention(self.query(x), key, value, layout, dropout=dropout)
        return [self._merge(out) for out in outs]

    def edge_update(
        self,
        query_i: Tensor,
        key_j: Tensor,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int,
    ) -> Tensor:
        """Attention weight of each edge, ``[E, heads]``."""
        return edge_attention(
            query_i, key_j, index, ptr=ptr, num_nodes=size_i, scale=self.scale
        )

    def message(self, value_j: Tensor, alpha: Tensor) -> Tensor:
        """Weighted value along each edge, ``[E, heads, d / heads]``."""
        return value_j * alpha.unsqueeze(-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(-1, self.heads, self.out_channels // self.heads)

    def _merge(self, x: Tensor) -> Tensor:
        x = x.flatten(-2)  # [..., d]
        return x if self.lin_out is None else self.lin_out(x)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, {self.out_channels}, '
            f'heads={self.heads})'
        )
