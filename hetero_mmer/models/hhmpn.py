from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import Embedding, Module, ModuleList, Parameter
from torch_geometric.data import HeteroData
from torch_geometric.nn import SimpleConv
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.typing import NodeType

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.functional.position import sinusoidal_encoding
from hetero_mmer.graph import AllPairs
from hetero_mmer.graph.validate import check_relations
from hetero_mmer.models.check import check_graph
from hetero_mmer.nn.conv import (
    Attention,
    AttentionConv,
    ReadoutConv,
    Relations,
    Stage,
    send_to_cells,
)
from hetero_mmer.nn.conv.stage import send
from hetero_mmer.nn.criterion import BCE
from hetero_mmer.nn.dropout import Dropout
from hetero_mmer.nn.encoder.item_encoder import check_num_embeddings, item_encoder
from hetero_mmer.nn.feed_forward import ResidualBlock, ResidualFeedForward
from hetero_mmer.nn.label_prior import LabelPrior

#: Makes the layer of a stage from its input and output width. ``True`` stands for
#: the paper's layer, ``False`` leaves the stage out as in the paper's ablation.
StageConv = bool | Callable[[int, int], Module]


class HHMPNOutput(NamedTuple):
    """What :class:`HHMPN` returns."""

    probs: Tensor  # [B, L]
    logits: Tensor  # [T, B, L], of every round
    attention: list[Attention] | None  # of every round, if asked for


class HHMPN(Module):
    r"""Heterogeneous hierarchical message passing network.

    Zhang et al., "Multi-modal Multi-label Emotion Recognition with Heterogeneous
    Hierarchical Message Passing", AAAI 2021, Eq. 3 to 20. Items of all modalities
    exchange messages (F2F), each modality's labels gather from its items (F2L) and
    from each other (L2L), and are fused over the modalities (M2L); T times:

    .. math::
        \hat{y}_i^t = \sigma(\mathbf{W}_i^{o} \cdot \mathbf{u}_i^t), \qquad
        J = \mathrm{BCE}(\hat{y}^T) + \lambda \sum_{t<T} \mathrm{BCE}(\hat{y}^t)

    Each stage takes ``True`` for the paper's layer, ``False`` for the paper's
    ablation without it, or anything that makes a layer from two widths, such as
    ``torch_geometric.nn.GATv2Conv``. Self-loops are the graph's business, so a
    layer's own ``add_self_loops`` is switched off.

    Args:
        in_channels: Feature width of each modality, in the order of the graph.
        num_labels: Number of labels :math:`L`.
        hidden_channels: Width :math:`d` of all states.
        num_steps: Number of rounds :math:`T`, each with its own weights.
        heads: Attention heads of the paper's layers.
        dropout: Dropout on embeddings, attention weights and updates.
        aux_weight: :math:`\lambda`, the weight of the loss of each earlier round.
        norm: Whether a layer norm follows each residual sum.
        positional: Whether items of sequences get a position encoding.
        num_embeddings: Size of the vocabulary of each modality whose items are ids;
            these get a learned embedding instead of a linear map.
        f2f: Feature-to-feature stage; without it items stay as they are.
        f2l: Feature-to-label stage; without it a cell gets the mean of its items.
        l2l: Label-to-label stage; without it cells stay as they are.
        m2l: Modality-to-label stage; without it the modalities are summed.
        label_graph: Which labels of a modality exchange messages, unless the data come
            with a label graph: all pairs, or those that often occur together in the
            train split (:func:`~hetero_mmer.graph.prior_label_graph`, as in the
            authors' code), which :meth:`fit` finds out.
        criterion: Makes the loss of the logits of a round.

    Shapes:
        - **data**: one sample's graph, or a batch of :math:`B`
        - **output**: ``probs`` ``[B, L]``, ``logits`` ``[T, B, L]``

    Raises:
        InputError: If a graph has other modalities, widths or labels.

    Deviations:
        - Eq. 10 adds a message of width :math:`|M| d` to a state of width d; the
          residual here is the item itself, as in Eq. 6.
        - Layer norms, which the authors' code has and the equations lack, are off.
        - Without F2L something must still reach the labels: the mean of the items.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.randn(3, 8), 'audio': torch.randn(5, 4)},
        ...                     labels=[1, 0])
        >>> model = HHMPN({'text': 8, 'audio': 4}, num_labels=2)
        >>> out = model(graph)
        >>> out.probs.shape, model.loss(out, torch.ones(1, 2))['total'].shape
        (torch.Size([1, 2]), torch.Size([]))
    """

    def __init__(
        self,
        in_channels: dict[str, int],
        num_labels: int,
        *,
        hidden_channels: int = 256,
        num_steps: int = 3,
        heads: int = 1,
        dropout: float = 0.2,
        aux_weight: float = 0.2,
        norm: bool = False,
        positional: bool = True,
        num_embeddings: dict[str, int] | None = None,
        f2f: StageConv = True,
        f2l: StageConv = True,
        l2l: StageConv = True,
        m2l: StageConv = True,
        label_graph: Literal['complete', 'prior'] = 'complete',
        criterion: Callable[[], Module] = BCE,
    ) -> None:
        super().__init__()
        if not in_channels or min(num_labels, num_steps, hidden_channels) < 1:
            raise InputError(
                f'HHMPN has at least one modality, label, step and hidden channel '
                f'(got {list(in_channels)}, {num_labels}, {num_steps} and '
                f'{hidden_channels})'
            )
        self.in_channels = dict(in_channels)
        self.num_embeddings = check_num_embeddings(num_embeddings, in_channels)
        self.num_labels = num_labels
        self.hidden_channels = hidden_channels
        self.aux_weight = aux_weight
        self.positional = positional
        self.criterion = criterion()
        if label_graph not in ('complete', 'prior'):
            raise InputError(
                f"'label_graph' is one of ('complete', 'prior') (got '{label_graph}')"
            )
        self.prior = LabelPrior(num_labels) if label_graph == 'prior' else None
        self.encoders = ModuleDict(
            {
                m: item_encoder(width, hidden_channels, self.num_embeddings.get(m))
                for m, width in in_channels.items()
            }
        )
        self.label_embedding = Embedding(num_labels, hidden_channels)  # W_y
        self.dropout = Dropout(dropout)
        self.rounds = ModuleList(
            HHMPNLayer(
                list(in_channels),
                num_labels,
                hidden_channels,
                heads=heads,
                dropout=dropout,
                norm=norm,
                f2f=f2f,
                f2l=f2l,
                l2l=l2l,
                m2l=m2l,
            )
            for _ in range(num_steps)
        )
        self.out_weight = Parameter(torch.empty(num_labels, hidden_channels))  # W^o
        torch.nn.init.xavier_uniform_(self.out_weight)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in [*self.encoders.values(), self.label_embedding, *self.rounds]:
            module.reset_parameters()
        torch.nn.init.xavier_uniform_(self.out_weight)

    def fit(self, batches: Iterable[HeteroData]) -> None:
        """Finds the labels that often occur together, for a prior label graph."""
        if self.prior is not None:
            self.prior.fit(batches)

    def forward(self, data: HeteroData, return_attention: bool = False) -> HHMPNOutput:
        """Probabilities of the labels, and the logits of every round."""
        check_graph(data, self.in_channels, self.num_labels, self.num_embeddings)
        relations = Relations(data.edge_index_dict)
        check_relations(data, relations)
        if self.prior is not None:
            relations[schema.L2L] = self._prior(relations[schema.L2L], data)
        v = {m: self._embed(m, data) for m in self.in_channels}
        u = self.dropout(self.label_embedding(data[schema.LABEL].label_id))  # [B·L, d]
        logits: list[Tensor] = []
        attention: list[Attention] = []
        for layer in self.rounds:
            v, u, weights = layer(v, u, relations, return_attention)
            u_i = u.view(-1, self.num_labels, u.size(-1))  # [B, L, d]
            logits.append((u_i * self.out_weight).sum(dim=-1))  # Eq. 17
            attention.append(weights)
        return HHMPNOutput(
            probs=logits[-1].sigmoid(),
            logits=torch.stack(logits),
            attention=attention if return_attention else None,
        )

    def loss(self, out: HHMPNOutput, y: Tensor) -> dict[str, Tensor]:
        """Eq. 18 to 20: ``total``, its last round ``out`` and the earlier ``aux``."""
        y = y.to(out.logits.dtype)
        steps = torch.stack([self.criterion(step, y) for step in out.logits])  # [T]
        aux = steps[:-1].sum()
        return {
            'total': steps[-1] + self.aux_weight * aux,
            'out': steps[-1],
            'aux': aux,
        }

    def _prior(self, given: Tensor | AllPairs, data: HeteroData) -> Tensor:
        """The prior label graph among the cells of each modality of each sample."""
        assert self.prior is not None
        if not isinstance(given, AllPairs):
            raise InputError(
                "the data come with a label graph, so HHMPN takes no 'prior' one: "
                'leave out one of both'
            )
        edges = self.prior.label_graph()
        cells = data[schema.MODALITY].num_nodes
        shift = torch.arange(0, cells, self.num_labels, device=edges.device)
        return (edges.unsqueeze(1) + shift.view(1, -1, 1)).flatten(1)

    def _embed(self, modality: str, data: HeteroData) -> Tensor:
        store = data[modality]
        v = self.encoders[modality](store.x)
        if self.positional and 'pos' in store:
            # A place beyond 256 has no exact bfloat16.
            exact = torch.promote_types(v.dtype, torch.float32)
            v = v + sinusoidal_encoding(store.pos, v.size(-1), dtype=exact).to(v.dtype)
        return self.dropout(v)


class HHMPNLayer(Module):
    """One of the T rounds of :class:`HHMPN`: F2F, F2L, L2L, M2L (Figure 2)."""

    def __init__(
        self,
        modalities: list[str],
        num_labels: int,
        channels: int,
        *,
        heads: int,
        dropout: float,
        norm: bool,
        f2f: StageConv,
        f2l: StageConv,
        l2l: StageConv,
        m2l: StageConv,
    ) -> None:
        super().__init__()
        self.num_labels = num_labels
        attention = partial(AttentionConv, heads=heads, dropout=dropout)
        self.f2f: Stage | None = None
        if f2f:
            # One weight set W_xx for all pairs of modalities; Eq. 9 concatenates.
            conv = _make(f2f, attention, channels)
            relations = [schema.f2f(m, n) for n in modalities for m in modalities]
            self.f2f = Stage(
                dict.fromkeys(relations, conv), aggr='cat', out_channels=channels
            )
            self.f2f_update = ResidualFeedForward(
                len(modalities) * channels, channels, dropout=dropout, norm=norm
            )
        # One weight set W_xy for all modalities.
        conv = _make(f2l, attention, channels) if f2l else SimpleConv(aggr='mean')
        self.f2l = Stage(
            {schema.f2l(m): conv for m in modalities}, aggr=None, out_channels=channels
        )
        self.f2l_update = ResidualBlock(
            channels, dropout=dropout, norm=norm, feed_forward=bool(f2l)
        )
        self.l2l: Stage | None = None
        if l2l:
            conv = _make(l2l, attention, channels)
            self.l2l = Stage({schema.L2L: conv}, out_channels=channels)
            self.l2l_update = ResidualBlock(channels, dropout=dropout, norm=norm)
        conv = (
            _make(m2l, lambda width, _: ReadoutConv(width), channels)
            if m2l
            else SimpleConv(aggr='sum')
        )
        self.m2l = Stage({schema.M2L: conv}, out_channels=channels)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in self.children():
            module.reset_parameters()  # type: ignore[operator]

    def forward(
        self,
        v: dict[NodeType, Tensor],
        u: Tensor,
        relations: Relations,
        return_attention: bool = False,
    ) -> tuple[dict[NodeType, Tensor], Tensor, Attention]:
        """Next items, ``[ΣS, d]`` of each modality, and labels, ``[B·L, d]``.

        With ``return_attention=True`` also the weights of each relation, else none.
        """
        attention: Attention = {}
        if self.f2f is not None:  # Eq. 9, 10
            g, attention = send(self.f2f, v, relations, return_attention)
            v = {m: self.f2f_update(v[m], g[m]) for m in v}
        # Every modality starts from the fused labels.
        cells = u.view(-1, 1, self.num_labels, u.size(-1)).expand(-1, len(v), -1, -1)
        message, f2l = send_to_cells(self.f2l, v, cells, relations, return_attention)
        cells = self.f2l_update(cells, message).flatten(0, 2)  # Eq. 11, 12
        attention |= f2l
        if self.l2l is not None:  # Eq. 13, 14
            x_dict = {schema.MODALITY: cells}
            g, weights = send(self.l2l, x_dict, relations, return_attention)
            cells = self.l2l_update(cells, g[schema.MODALITY])
            attention |= weights
        x_dict = {schema.MODALITY: cells, schema.LABEL: u}
        g, weights = send(self.m2l, x_dict, relations, return_attention)  # Eq. 15, 16
        return v, g[schema.LABEL], attention | weights


def _make(
    conv: StageConv, paper: Callable[[int, int], Module], channels: int
) -> Module:
    """The layer of a stage, without self-loops of its own."""
    if isinstance(conv, Module):
        raise InputError(
            f'a stage takes what makes a layer, such as a class, because each round '
            f'has its own (got the layer {conv})'
        )
    layer = (paper if conv is True else conv)(channels, channels)  # type: ignore
    if getattr(layer, 'add_self_loops', False):
        layer.add_self_loops = False
    return layer
