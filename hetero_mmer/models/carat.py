from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module, Parameter
from torch_geometric.data import HeteroData

from hetero_mmer.errors import InputError
from hetero_mmer.functional.contrastive import Anchors
from hetero_mmer.functional.masked import (
    masked_bce,
    masked_max,
    masked_mean,
    masked_mse,
)
from hetero_mmer.functional.shuffle import (
    permutations,
    shuffle_modalities,
    shuffle_samples,
)
from hetero_mmer.models.check import check_graph
from hetero_mmer.nn.contrastive_memory import ContrastiveMemory
from hetero_mmer.nn.conv import LabelAttentionConv
from hetero_mmer.nn.encoder import LabelExtractor
from hetero_mmer.nn.encoder.label_extractor import Attention
from hetero_mmer.nn.fusion import (
    LabelAggregation,
    LatentSpace,
    Reconstruction,
    Semantics,
)

#: Makes a part from the number of modalities, the number of labels and the width.
Make = Callable[[int, int, int], Module]


class CARATOutput(NamedTuple):
    """What :class:`CARAT` returns; M' is M, or 1 after fusions that join them all."""

    probs: Tensor  # [B, L]
    scores: Tensor  # [levels, B, M', L], from each state alone
    agg_logits: Tensor | None  # [B, R, L]
    levels: dict[str, Tensor]  # states of each level, [B, M', L, d]
    semantics: Semantics
    u: Tensor  # [B, M, L, d], states before the fusion
    present: Tensor  # [B, M], whether a sample has a modality
    attention: Attention | None  # of the label-wise attention, if asked for


class CARAT(Module):
    r"""Contrastive feature reconstruction and aggregation.

    Peng et al., "CARAT: Contrastive Feature Reconstruction and Aggregation for
    Multi-Modal Multi-Label Emotion Recognition", AAAI 2024. Each modality's items go
    through a Transformer, and each label attends to them (Eq. 1). Each modality's
    label states are restored from those of all
    (:class:`~hetero_mmer.nn.fusion.Reconstruction`, Eq. 2 and 3), with the help of
    prototypes in a latent space (:class:`~hetero_mmer.nn.fusion.LatentSpace`,
    Eq. 8 to 10) that a contrastive loss
    spreads out (Eq. 6 and 7). A label is then as likely as the modality says that
    speaks loudest for it, and as all labels of a modality together say
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
        num_layers: Transformer layers of all modalities, or of each by its name. By
            default those of the paper: 6 for one called ``text``, 4 for others.
        heads: Attention heads of the Transformers.
        dropout: Dropout in the Transformers.
        positional: Whether items of sequences get a learned position embedding.
        max_positions: Number of places with an embedding of their own.
        input_norm: Whether a layer norm comes first. It takes away how large an item's
            features are, which may be what counts where columns are standardised.
        align_to: Number of items that a CTC-style aligner makes of each sequence, by
            the name of the modality; none by default.
        num_embeddings: Size of the vocabulary of each modality whose items are ids;
            these get a learned embedding in place of layer norm and linear map.
        f2l: Feature-to-label layer, or any that makes a layer from two widths.
        space: What makes semantics of the states, from :mod:`hetero_mmer.nn.fusion`.
        fusion: What makes levels of fused states of them, from the same.
        max_pooling: Whether the loudest modality is heard ("MRM" in the paper).
        aggregation: What makes logits of all states of a modality ("AGG" in the
            paper), from the same, or ``None``.
        shuffle_samples: Whether aggregation is also trained on states from different
            samples.
        shuffle_modalities: Whether it is, on states from different modalities.
        queue_size: Number of past embeddings for the contrastive loss.
        temperature: :math:`\tau` of the contrastive loss.
        anchors: Whose contrastive losses are averaged: those of the batch (paper), or
            those of the queue, too (authors' code).
        bce_weights: :math:`\gamma_o, \gamma_\alpha, \gamma_\beta`, one for each level
            of the fusion.
        reconstruction_weight: :math:`\gamma_r`.
        contrastive_weight: :math:`\gamma_c`; with 0 there is no queue.
        shuffle_weight: :math:`\gamma_s`.

    Shapes:
        - **data**: one sample's graph, or a batch of :math:`B`
        - **output**: ``probs`` ``[B, L]``

    Raises:
        InputError: If a graph has other modalities, widths or labels; if parts do not
            fit together; if ids are to be aligned.

    Deviations:
        - Prototypes are not normalised unless ``space`` says so, as in the authors'
          code.
        - The two shuffles come one after the other, as in Eq. 11 and 12, so that every
          state occurs once. The authors' code looks both up in the place that a state
          goes to, where some occur twice and others never.
        - In evaluation, the loss shuffles nothing.
        - Places in a sequence beyond ``max_positions`` share the last embedding.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.randn(3, 8), 'audio': torch.randn(5, 4)},
        ...                     labels=[1, 0])
        >>> model = CARAT({'text': 8, 'audio': 4}, num_labels=2, hidden_channels=16)
        >>> out = model(graph)
        >>> out.probs.shape, model.loss(out, torch.ones(1, 2))['total'].shape
        (torch.Size([1, 2]), torch.Size([]))
    """

    space: Any
    fusion: Any
    aggregation: Any

    def __init__(
        self,
        in_channels: dict[str, int],
        num_labels: int,
        *,
        hidden_channels: int = 256,
        num_layers: int | dict[str, int] | None = None,
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
        shuffle_samples: bool = True,
        shuffle_modalities: bool = True,
        queue_size: int = 8192,
        temperature: float = 0.07,
        anchors: Anchors = 'batch',
        bce_weights: Sequence[float] = (0.01, 0.1, 1.0),
        reconstruction_weight: float = 1.0,
        contrastive_weight: float = 1.0,
        shuffle_weight: float = 0.1,
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
        self.shuffle_samples = shuffle_samples
        self.shuffle_modalities = shuffle_modalities
        self.bce_weights = tuple(bce_weights)
        self.reconstruction_weight = reconstruction_weight
        self.contrastive_weight = contrastive_weight
        self.shuffle_weight = shuffle_weight

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
        self.space = space(*shape)
        self.fusion = fusion(len(in_channels), hidden_channels)
        states = (self.fusion.num_states, num_labels, hidden_channels)
        self.classifier: Parameter | None = None
        if max_pooling:
            self.classifier = Parameter(torch.empty(states))  # w_i^m of Eq. 4
        self.aggregation = None if aggregation is None else aggregation(*states)
        self.contrast = None
        if contrastive_weight != 0 and self.space.latent_channels is not None:
            self.contrast = ContrastiveMemory(
                self.space.latent_channels,
                queue_size=queue_size,
                temperature=temperature,
                anchors=anchors,
            )
        self._check_parts()
        self._draw_classifier()

    def reset_parameters(self) -> None:
        """Draws all weights anew and forgets what was remembered."""
        parts = (self.space, self.fusion, self.aggregation, self.contrast)
        for part in (self.extractor, *parts):
            if part is not None:
                part.reset_parameters()
        self._draw_classifier()

    def forward(self, data: HeteroData, return_attention: bool = False) -> CARATOutput:
        """Probabilities of the labels, and what the loss needs."""
        check_graph(data, self.in_channels, self.num_labels, self.num_embeddings)
        u, present, attention = self.extractor(data, return_attention)
        semantics = self.space(u, present)
        levels = self.fusion(u, semantics, present)
        states = [levels[name] for name in self.fusion.levels]
        there = self._there(present)

        probs = []
        scores = u.new_empty(0)
        if self.classifier is not None:
            scores = (torch.stack(states) * self.classifier).sum(dim=-1)
            probs.append(masked_max(scores[-1], there).sigmoid())
        agg_logits = None
        if self.aggregation is not None:
            agg_logits, rows = self.aggregation(states[-1], there)
            probs.append(masked_mean(agg_logits.sigmoid(), rows))
        return CARATOutput(
            probs=torch.stack(probs).mean(dim=0),  # Eq. 16
            scores=scores,
            agg_logits=agg_logits,
            levels=levels,
            semantics=semantics,
            u=u,
            present=present,
            attention=attention,
        )

    def loss(self, out: CARATOutput, y: Tensor) -> dict[str, Tensor]:
        """Eq. 15: ``total`` and its parts, each without its weight.

        ``bce_<level>`` of Eq. 5; ``mse_semantic`` and ``mse_fusion`` of Eq. 3;
        ``contrastive`` of Eq. 7; ``bce_agg`` and ``bce_shuffled`` of Eq. 14. In
        training, prototypes and queue then take in the batch.
        """
        y = y.to(out.probs.dtype)
        parts, weights = {}, {}
        for name, weight, scores in zip(
            self.fusion.levels, self.bce_weights, out.scores, strict=False
        ):
            logits = masked_max(scores, self._there(out.present))
            parts[f'bce_{name}'] = F.binary_cross_entropy_with_logits(logits, y)
            weights[f'bce_{name}'] = weight
        parts['mse_semantic'] = masked_mse(out.semantics.semantic, out.u, out.present)
        parts['mse_fusion'] = self.fusion.loss(out.levels, out.present)
        weights |= dict.fromkeys(
            ('mse_semantic', 'mse_fusion'), self.reconstruction_weight
        )
        if self.contrast is not None:
            states = [out.levels[name] for name in self.fusion.levels]
            x = self.space.embed(torch.stack(states, dim=1))
            parts['contrastive'] = self.contrast(x, y, out.present)
            weights['contrastive'] = self.contrastive_weight
        if self.aggregation is not None:
            parts |= self._aggregation_loss(self.aggregation, out, y)
            weights |= {'bce_agg': 1.0, 'bce_shuffled': self.shuffle_weight}
        if self.training:
            self.space.update_(out.u, out.semantics, y, out.present)
        total = sum(weights[name] * part for name, part in parts.items())
        return {'total': torch.as_tensor(total), **parts}

    def draw_permutations(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Draws the shuffles of Eq. 11 and 12, in training.

        Args:
            present: Whether a sample has a modality, ``[B, M]``; cells of one that it
                lacks stay where they are.

        Returns:
            Of the samples for each label and modality, ``[L, M, B]``, and of the
            modalities for each label and sample, ``[L, B, M]``.
        """
        drawn = []
        for free, shuffles in (
            (present.T, self.shuffle_samples),
            (present, self.shuffle_modalities),
        ):
            free = (free & shuffles & self.training).expand(self.num_labels, -1, -1)
            keys = torch.rand(free.shape, device=present.device)
            drawn.append(permutations(keys, free))
        return drawn[0], drawn[1]

    def _there(self, present: Tensor) -> Tensor:
        """Which states ``[B, M']`` are there."""
        if self.fusion.num_states == present.size(1):
            return present
        return present.any(dim=1, keepdim=True)

    def _aggregation_loss(
        self, aggregation: Any, out: CARATOutput, y: Tensor
    ) -> dict[str, Tensor]:
        states, present = out.levels[self.fusion.levels[-1]], self._there(out.present)
        rows = present if aggregation.shuffles else present.any(dim=1, keepdim=True)
        assert out.agg_logits is not None
        targets = y.unsqueeze(1).expand_as(out.agg_logits)
        parts = {'bce_agg': masked_bce(out.agg_logits, targets, rows)}
        if self.shuffle_samples or self.shuffle_modalities:
            samples, modalities = self.draw_permutations(present)
            states = shuffle_modalities(shuffle_samples(states, samples), modalities)
            targets = shuffle_modalities(shuffle_samples(targets, samples), modalities)
            logits, rows = aggregation(states, present)
            parts['bce_shuffled'] = masked_bce(logits, targets, rows)
        return parts

    def _draw_classifier(self) -> None:
        if self.classifier is not None:
            bound = 1 / math.sqrt(self.classifier.size(-1))
            torch.nn.init.uniform_(self.classifier, -bound, bound)

    def _check_parts(self) -> None:
        levels = self.fusion.levels
        if self.classifier is not None and len(levels) != len(self.bce_weights):
            raise InputError(
                f"'bce_weights' has a weight for each of the levels {list(levels)} "
                f'(got {list(self.bce_weights)})'
            )
        if self.classifier is None and self.aggregation is None:
            raise InputError("'max_pooling' and 'aggregation' cannot both be left out")
        shuffles = self.shuffle_samples or self.shuffle_modalities
        if shuffles and not getattr(self.aggregation, 'shuffles', True):
            raise InputError(
                f'{type(self.aggregation).__name__} cannot be shuffled: it needs '
                "'shuffle_samples' and 'shuffle_modalities' to be false"
            )
        fused = self.fusion.num_states != len(self.in_channels)
        if self.contrastive_weight and (self.contrast is None or fused):
            raise InputError(
                f'there is nothing for a contrastive loss in '
                f'{type(self.space).__name__} with {type(self.fusion).__name__}: it '
                "needs a 'contrastive_weight' of 0"
            )
