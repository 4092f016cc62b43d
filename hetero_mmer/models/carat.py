from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module, Parameter
from torch_geometric.data import HeteroData

from hetero_mmer.errors import InputError
from hetero_mmer.functional.masked import masked_max, masked_mean, masked_mse
from hetero_mmer.models.check import check_graph
from hetero_mmer.nn import CARATLoss, ContrastiveMemory
from hetero_mmer.nn.conv import Attention, LabelAttentionConv
from hetero_mmer.nn.encoder import LabelExtractor
from hetero_mmer.nn.fusion import (
    Aggregation,
    Contrast,
    EmbeddingSpace,
    Fusion,
    LabelAggregation,
    LatentSpace,
    Reconstruction,
    Semantics,
    Space,
    check_part,
)

#: Makes a part from the number of modalities, the number of labels and the width.
Make = Callable[[int, int, int], Module]


class CARATOutput(NamedTuple):
    """The output of :class:`CARAT`; M' is M, or 1 after fusions that join them all."""

    probs: Tensor  # [B, L]
    scores: Tensor  # [levels, B, M', L], from each state alone
    agg_logits: Tensor | None  # [B, R, L]
    levels: dict[str, Tensor]  # states of each level, [B, M', L, d]
    semantics: Semantics
    u: Tensor  # [B, M, L, d], states before the fusion
    mask: Tensor  # [B, M], which modalities a sample has
    attention: list[Attention] | None  # of the label-wise attention, if asked for


class CARAT(Module):
    r"""Contrastive feature reconstruction and aggregation.

    Peng et al., "CARAT: Contrastive Feature Reconstruction and Aggregation for
    Multi-Modal Multi-Label Emotion Recognition", AAAI 2024. Each modality's items go
    through a Transformer, and each label attends to them (Eq. 1). Each modality's
    label states are restored from those of all
    (:class:`~hetero_mmer.nn.fusion.Reconstruction`, Eq. 2 and 3), with the help of
    prototypes in a latent space (:class:`~hetero_mmer.nn.fusion.LatentSpace`, Eq. 8 to
    10), in which a contrastive loss separates the classes
    (:class:`~hetero_mmer.nn.ContrastiveMemory`, Eq. 6 and 7). The probability of a
    label is the mean of the one by the modality with the highest score and the one by
    all labels of a modality together
    (:class:`~hetero_mmer.nn.fusion.LabelAggregation`, Eq. 11 to 14):

    .. math::
        \hat{y}_i = \tfrac{1}{2} \left( \sigma(\max_m \mathbf{w}_i^m \cdot
        \beta_i^m) + \mathrm{mean}_m \, \sigma(\mathrm{agg}(\beta^m)_i) \right)

    which is Eq. 16. Modalities that a sample lacks are restored, but take part neither
    in the maximum nor in the mean nor in a loss.

    Args:
        in_channels: Feature width of each modality, in the order of the graph.
        num_labels: Number of labels :math:`L`.
        hidden_channels: Width :math:`d` of all states.
        num_layers: Transformer layers of all modalities, or of each by its name, with
            ``'*'`` for all others; the paper has 6 for text and 4 for others.
        heads: Attention heads of the Transformers.
        dropout: Dropout in the Transformers.
        positional: Whether items of sequences get a learned position embedding.
        max_positions: Number of position embeddings.
        input_norm: Whether a layer norm comes first. It removes the scale of an item's
            features, which may matter where columns are standardised.
        align_to: Number of items that a CTC-style aligner makes of each sequence, by
            the name of the modality; none by default.
        num_embeddings: Size of the vocabulary of each modality whose items are ids;
            these get a learned embedding in place of layer norm and linear map.
        f2l: Makes the feature-to-label layer of a modality from two widths.
        space: Makes the :class:`~hetero_mmer.nn.fusion.Space` of the semantics.
        fusion: Makes the :class:`~hetero_mmer.nn.fusion.Fusion` of the modalities.
        max_pooling: Whether the modality with the highest score predicts ("MRM" in the
            paper).
        aggregation: Makes the :class:`~hetero_mmer.nn.fusion.Aggregation` ("AGG" in
            the paper), or ``None``.
        contrast: Makes the contrastive loss from the width of a latent vector, or
            ``None``.
        losses: Makes the weighted sum of all losses from the names of the levels.

    Shapes:
        - **data**: one sample's graph, or a batch of :math:`B`
        - **output**: ``probs`` ``[B, L]``

    Raises:
        InputError: If a graph has other modalities, widths or labels; if parts do not
            fit together; if ids are to be aligned.

    Deviations:
        - Prototypes are not normalised unless ``space`` says so, as in the authors'
          code.
        - Positions beyond ``max_positions`` share the last embedding.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.randn(3, 8), 'audio': torch.randn(5, 4)},
        ...                     labels=[1, 0])
        >>> model = CARAT({'text': 8, 'audio': 4}, num_labels=2, hidden_channels=16)
        >>> out = model(graph)
        >>> out.probs.shape, model.loss(out, torch.ones(1, 2))['total'].shape
        (torch.Size([1, 2]), torch.Size([]))
    """

    space: Space
    fusion: Fusion
    aggregation: Aggregation | None
    contrast: Contrast | None

    def __init__(
        self,
        in_channels: dict[str, int],
        num_labels: int,
        *,
        hidden_channels: int = 256,
        num_layers: int | dict[str, int] = 4,
        heads: int = 8,
        dropout: float = 0.3,
        positional: bool = True,
        max_positions: int = 512,
        input_norm: bool = True,
        align_to: dict[str, int] | None = None,
        num_embeddings: dict[str, int] | None = None,
        f2l: Callable[[int, int], Module] = LabelAttentionConv,
        space: Make = LatentSpace,
        fusion: Callable[[int, int], Module] = Reconstruction,
        max_pooling: bool = True,
        aggregation: Make | None = LabelAggregation,
        contrast: Callable[[int], Module] | None = ContrastiveMemory,
        losses: Callable[[tuple[str, ...]], Module] = CARATLoss,
    ) -> None:
        super().__init__()
        if num_labels < 1 or not in_channels:
            raise InputError(
                f'CARAT needs at least one modality and label (got '
                f'{list(in_channels)} and {num_labels})'
            )
        self.in_channels = dict(in_channels)
        self.num_embeddings = dict(num_embeddings or {})
        self.num_labels = num_labels
        self.hidden_channels = hidden_channels
        self.extractor = LabelExtractor(
            in_channels,
            num_labels,
            hidden_channels,
            num_layers=num_layers,
            heads=heads,
            dropout=dropout,
            max_positions=max_positions if positional else 0,
            input_norm=input_norm,
            align_to=align_to,
            num_embeddings=num_embeddings,
            f2l=f2l,
        )
        shape = (len(in_channels), num_labels, hidden_channels)
        self.space = check_part(space(*shape), Space, 'space')
        self.fusion = check_part(fusion(shape[0], hidden_channels), Fusion, 'fusion')
        states = (self.fusion.num_states, num_labels, hidden_channels)
        self.classifier: Parameter | None = None
        if max_pooling:
            self.classifier = Parameter(torch.empty(states))  # w_i^m of Eq. 4
        self.aggregation = None
        if aggregation is not None:
            self.aggregation = check_part(
                aggregation(*states), Aggregation, 'aggregation'
            )
        self.contrast = None
        if contrast is not None:
            fused = self.fusion.num_states != len(in_channels)
            if fused or not isinstance(self.space, EmbeddingSpace):
                raise InputError(
                    f'there is nothing for a contrastive loss in '
                    f'{type(self.space).__name__} with {type(self.fusion).__name__}: '
                    'they need contrast=None'
                )
            made = contrast(self.space.latent_channels)
            self.contrast = check_part(made, Contrast, 'contrast')
        self.losses = losses(tuple(self.fusion.levels) if max_pooling else ())
        if not max_pooling and aggregation is None:
            raise InputError("'max_pooling' and 'aggregation' cannot both be left out")
        self._reset_classifier()

    def reset_parameters(self) -> None:
        """Resets all parameters and buffers."""
        self.extractor.reset_parameters()
        self.space.reset_parameters()
        self.fusion.reset_parameters()
        if self.aggregation is not None:
            self.aggregation.reset_parameters()
        if self.contrast is not None:
            self.contrast.reset_parameters()
        self._reset_classifier()

    def forward(self, data: HeteroData, return_attention: bool = False) -> CARATOutput:
        """Probabilities of the labels, and what the loss needs."""
        check_graph(data, self.in_channels, self.num_labels, self.num_embeddings)
        u, mask, attention = self.extractor(data, return_attention)
        semantics = self.space(u, mask)
        levels = self.fusion(u, semantics, mask)
        states = [levels[name] for name in self.fusion.levels]
        fused_mask = self._fused(mask)

        probs = []
        scores = u.new_empty(0)
        if self.classifier is not None:
            scores = (torch.stack(states) * self.classifier).sum(dim=-1)
            probs.append(masked_max(scores[-1], fused_mask).sigmoid())
        agg_logits = None
        if self.aggregation is not None:
            agg_logits, rows = self.aggregation(states[-1], fused_mask)
            probs.append(masked_mean(agg_logits.sigmoid(), rows))
        return CARATOutput(
            probs=torch.stack(probs).mean(dim=0),  # Eq. 16
            scores=scores,
            agg_logits=agg_logits,
            levels=levels,
            semantics=semantics,
            u=u,
            mask=mask,
            attention=None if attention is None else [attention],
        )

    def loss(self, out: CARATOutput, y: Tensor) -> dict[str, Tensor]:
        """Eq. 15: ``total`` and its parts, each without its weight.

        ``bce_<level>`` of Eq. 5; ``mse_semantic`` and ``mse_fusion`` of Eq. 3;
        ``contrastive`` of Eq. 7; ``bce_agg`` and ``bce_shuffled`` of Eq. 14. In
        training, prototypes and queue are then updated with the batch.
        """
        y = y.to(out.probs.dtype)
        mask = self._fused(out.mask)
        states = [out.levels[name] for name in self.fusion.levels]
        parts = {}
        for name, scores in zip(self.fusion.levels, out.scores, strict=False):
            logits = masked_max(scores, mask)
            parts[f'bce_{name}'] = F.binary_cross_entropy_with_logits(logits, y)
        parts['mse_semantic'] = masked_mse(out.semantics.semantic, out.u, out.mask)
        parts['mse_fusion'] = self.fusion.loss(out.levels, out.mask)
        if self.contrast is not None:
            assert isinstance(self.space, EmbeddingSpace)
            x = self.space.embed(torch.stack(states, dim=1))
            parts['contrastive'] = self.contrast(x, y, out.mask)
        if self.aggregation is not None:
            assert out.agg_logits is not None
            parts |= self.aggregation.loss(out.agg_logits, states[-1], y, mask)
        if self.training:
            self.space.update_(out.u, out.semantics, y, out.mask)
        return {'total': self.losses(parts), **parts}

    def _fused(self, mask: Tensor) -> Tensor:
        """The mask of the fused states, ``[B, M']``."""
        if self.fusion.num_states == mask.size(1):
            return mask
        return mask.any(dim=1, keepdim=True)

    def _reset_classifier(self) -> None:
        if self.classifier is not None:
            bound = 1 / math.sqrt(self.classifier.size(-1))
            torch.nn.init.uniform_(self.classifier, -bound, bound)
