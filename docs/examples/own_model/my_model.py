from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, Linear, Module
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from hetero_mmer import schema
from hetero_mmer.nn.conv import AttentionConv, ReadoutConv, Stage


class LabelPoolingOutput(NamedTuple):
    """What LabelPooling returns; probs come first."""

    probs: Tensor  # [B, L]
    logits: Tensor  # [B, L]


class LabelPooling(Module):
    """Each label attends to the items of each modality, then to the modalities."""

    def __init__(
        self,
        in_channels: dict[str, int],  # two facts of the data ...
        num_labels: int,
        *,  # ... then hyper-parameters, each with a default
        hidden_channels: int = 64,
    ) -> None:
        super().__init__()
        self.num_labels = num_labels
        # PyG's ModuleDict, since PyTorch's has no place for a modality called 'type'.
        self.items = ModuleDict(
            {m: Linear(width, hidden_channels) for m, width in in_channels.items()}
        )
        self.labels = Embedding(num_labels, hidden_channels)
        self.f2l = Stage(
            {
                schema.f2l(m): AttentionConv(hidden_channels, hidden_channels)
                for m in in_channels
            }
        )
        self.m2l = Stage({schema.M2L: ReadoutConv(hidden_channels)})
        self.lin_out = Linear(hidden_channels, 1)

    def forward(self, batch: HeteroData) -> LabelPoolingOutput:
        x_dict = {m: lin(batch[m].x) for m, lin in self.items.items()}
        # One cell for each modality and label of a sample: [B·M·L, d].
        cells = self.labels(batch[schema.MODALITY].label_id)
        messages = self.f2l({**x_dict, schema.MODALITY: cells}, batch.edge_index_dict)
        cells = cells + messages[schema.MODALITY]
        # One node for each label of a sample: [B·L, d].
        labels = self.labels(batch[schema.LABEL].label_id)
        x_dict = {schema.MODALITY: cells, schema.LABEL: labels}
        labels = self.m2l(x_dict, batch.edge_index_dict)[schema.LABEL]
        logits = self.lin_out(labels).view(-1, self.num_labels)  # [B, L]
        return LabelPoolingOutput(logits.sigmoid(), logits)

    def loss(self, out: LabelPoolingOutput, y: Tensor) -> dict[str, Tensor]:
        bce = F.binary_cross_entropy_with_logits(out.logits, y.to(out.logits.dtype))
        return {'total': bce}
