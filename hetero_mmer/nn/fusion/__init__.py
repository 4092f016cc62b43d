"""Exchangeable parts that join the modalities.

A *space* maps the states of the (modality, label) cells to semantics, a *fusion* maps
both to levels of fused states, and an *aggregation* maps the last level to logits. The
protocols :class:`Space`, :class:`Fusion` and :class:`Aggregation` say what each has.

================================ =================================================
Space                            For
================================ =================================================
:class:`LatentSpace`             CARAT
:class:`MeanSpace`               CARAT without latent vectors, Eq. 17
================================ =================================================

================================ =================================================
Fusion                           For
================================ =================================================
:class:`Reconstruction`          CARAT, Eq. 2, with both levels, one, or none
:class:`AlignmentFusion`         CARAT's appendix D (1)
:class:`AggregationFusion`       CARAT's appendix D (2)
================================ =================================================

================================ =================================================
Aggregation                      For
================================ =================================================
:class:`LabelAggregation`        CARAT, Eq. 13: over the labels of a modality
:class:`ModalityAggregation`     CARAT's appendix C.1: over the modalities of a label
================================ =================================================
"""

from hetero_mmer.nn.fusion.aggregation_fusion import AggregationFusion
from hetero_mmer.nn.fusion.alignment_fusion import AlignmentFusion
from hetero_mmer.nn.fusion.label_aggregation import LabelAggregation
from hetero_mmer.nn.fusion.latent_space import LatentSpace
from hetero_mmer.nn.fusion.mean_space import MeanSpace
from hetero_mmer.nn.fusion.modality_aggregation import ModalityAggregation
from hetero_mmer.nn.fusion.parts import (
    Aggregation,
    Contrast,
    EmbeddingSpace,
    Fusion,
    Space,
    check_part,
)
from hetero_mmer.nn.fusion.reconstruction import Reconstruction
from hetero_mmer.nn.fusion.semantics import Semantics

__all__ = [
    'Aggregation',
    'AggregationFusion',
    'AlignmentFusion',
    'Contrast',
    'EmbeddingSpace',
    'Fusion',
    'LabelAggregation',
    'LatentSpace',
    'MeanSpace',
    'ModalityAggregation',
    'Reconstruction',
    'Semantics',
    'Space',
    'check_part',
]
