from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Identity, LayerNorm, Module, Parameter
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs, ptr_of
from hetero_mmer.graph.validate import check_relations
from hetero_mmer.nn.conv import Attention, LabelAttentionConv, Stage, send_to_cells
from hetero_mmer.nn.encoder.ctc_aligner import CTCAligner
from hetero_mmer.nn.encoder.item_encoder import check_num_embeddings
from hetero_mmer.nn.encoder.transformer_encoder import EPS, TransformerEncoder


class Extracted(NamedTuple):
    """What :class:`LabelExtractor` returns."""

    u: Tensor  # [B, M, L, d], 0 where a modality is missing
    mask: Tensor  # [B, M], which modalities a sample has
    attention: Attention | None  # if asked for


class LabelExtractor(Module):
    r"""From the items of each modality to the states of its labels.

    The first part of CARAT (Peng et al., AAAI 2024): a layer norm and a Transformer
    over the items of each modality, to which each label attends with a vector
    :math:`\mathbf{w}_i^m` of its own
    (:class:`~hetero_mmer.nn.conv.LabelAttentionConv`, Eq. 1).

    Args:
        in_channels: Feature width of each modality, in the order of the graph.
        num_labels: Number of labels :math:`L`.
        out_channels: Width :math:`d` of all states.
        num_layers: Transformer layers of all modalities, or of each by its name, with
            ``'*'`` for all others.
        heads: Attention heads of the Transformers.
        dropout: Dropout in the Transformers.
        max_positions: Number of position embeddings; later positions share the last.
        input_norm: Whether a layer norm comes first. It removes the scale of an item's
            features, which may matter where columns are standardised.
        align_to: Number of items that a :class:`CTCAligner` makes of each sequence, by
            the name of the modality; names of other modalities are ignored.
        num_embeddings: Size of the vocabulary of each modality whose items are ids;
            these get a learned embedding instead of layer norm and linear map.
        f2l: Makes the feature-to-label layer of a modality from two widths.

    Shapes:
        - **data**: one sample's graph, or a batch of :math:`B`
        - **output**: states ``[B, M, L, d]`` and mask ``[B, M]``

    Raises:
        InputError: If ``num_layers`` lacks a modality, a layer's messages are of
            another width, or ids are to be aligned.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.randn(3, 8), 'audio': torch.randn(0, 4)},
        ...                     labels=[1, 0])
        >>> out = LabelExtractor({'text': 8, 'audio': 4}, 2, 16)(graph)
        >>> out.u.shape, out.mask
        (torch.Size([1, 2, 2, 16]), tensor([[ True, False]]))
    """

    def __init__(
        self,
        in_channels: dict[str, int],
        num_labels: int,
        out_channels: int,
        *,
        num_layers: int | dict[str, int] = 4,
        heads: int = 8,
        dropout: float = 0.3,
        max_positions: int = 512,
        input_norm: bool = True,
        align_to: dict[str, int] | None = None,
        num_embeddings: dict[str, int] | None = None,
        f2l: Callable[[int, int], Module] = LabelAttentionConv,
    ) -> None:
        super().__init__()
        sizes = check_num_embeddings(num_embeddings, in_channels)
        layers = _layers(num_layers, in_channels)
        aligned = {m: n for m, n in (align_to or {}).items() if m in in_channels}
        if ids := [m for m in aligned if m in sizes]:
            raise InputError(
                f"an aligner sums features up, but the items of '{ids[0]}' are ids: "
                f"leave it out of 'align_to'"
            )
        normed = [m for m in in_channels if input_norm and m not in sizes]
        self.norms = ModuleDict(
            {
                m: LayerNorm(width, eps=EPS) if m in normed else Identity()
                for m, width in in_channels.items()
            }
        )
        self.aligners = ModuleDict(
            {m: CTCAligner(in_channels[m], n) for m, n in aligned.items()}
        )
        self.encoders = ModuleDict(
            {
                m: TransformerEncoder(
                    width,
                    out_channels,
                    num_layers=layers[m],
                    heads=heads,
                    dropout=dropout,
                    max_positions=max_positions,
                    num_embeddings=sizes.get(m),
                )
                for m, width in in_channels.items()
            }
        )
        shape = (len(in_channels), num_labels, out_channels)
        self.label_weight = Parameter(torch.empty(shape))
        self.f2l = Stage(
            {schema.f2l(m): _layer(f2l, out_channels) for m in in_channels},
            aggr=None,
            out_channels=out_channels,
        )
        self._reset_label_weight()

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for parts in (self.norms, self.aligners, self.encoders):
            for part in parts.values():
                if not isinstance(part, Identity):
                    part.reset_parameters()
        self.f2l.reset_parameters()
        self._reset_label_weight()

    def forward(self, data: HeteroData, return_attention: bool = False) -> Extracted:
        """The label states of all samples."""
        relations = dict(data.edge_index_dict)
        check_relations(data, relations)
        x_dict, masks = {}, []
        for k, m in enumerate(self.encoders.keys()):
            x, ptr, pos = self.norms[m](data[m].x), ptr_of(data, m), data[m].get('pos')
            masks.append(ptr.diff() > 0)
            if m in self.aligners:
                x, ptr = self.aligners[m](x, ptr)
                pos = torch.arange(len(x), device=x.device) % self.aligners[m].num_items
                relations[schema.f2l(m)] = self._relation(k, ptr)
            x_dict[m] = self.encoders[m](x, ptr, pos)
        mask = torch.stack(masks, dim=-1)

        cells = self.label_weight.expand(len(mask), -1, -1, -1)
        u, attention = send_to_cells(
            self.f2l, x_dict, cells, relations, return_attention
        )
        u = u * mask[:, :, None, None]
        return Extracted(u, mask, attention if return_attention else None)

    def _relation(self, modality: int, ptr: Tensor) -> AllPairs:
        """All new items of a modality to its cells."""
        num_modalities, num_labels, _ = self.label_weight.shape
        sample = torch.arange(len(ptr) - 1, device=ptr.device)
        first = (sample * num_modalities + modality) * num_labels
        return AllPairs(
            torch.stack([ptr[:-1], ptr[1:]], dim=-1),
            torch.stack([first, first + num_labels], dim=-1),
        )

    def _reset_label_weight(self) -> None:
        bound = 1 / math.sqrt(self.label_weight.size(-1))
        torch.nn.init.uniform_(self.label_weight, -bound, bound)


def _layer(f2l: Callable[[int, int], Module], channels: int) -> Module:
    """A layer that adds no self-loops: the edges are those of the graph."""
    layer: Any = f2l(channels, channels)
    if getattr(layer, 'add_self_loops', False):
        layer.add_self_loops = False
    return layer


def _layers(
    num_layers: int | dict[str, int], in_channels: dict[str, int]
) -> dict[str, int]:
    if isinstance(num_layers, int):
        return dict.fromkeys(in_channels, num_layers)
    layers = {m: num_layers.get(m, num_layers.get('*', -1)) for m in in_channels}
    if missing := [m for m in in_channels if layers[m] < 0]:
        raise InputError(
            f"'num_layers' is one number, or one for each modality (none for {missing})"
        )
    return layers
