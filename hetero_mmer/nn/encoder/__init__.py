"""From the features of a modality's items to states of one width."""

from hetero_mmer.nn.encoder.ctc_aligner import CTCAligner
from hetero_mmer.nn.encoder.early_fusion import EarlyFusion
from hetero_mmer.nn.encoder.item_encoder import ItemEmbedding, item_encoder
from hetero_mmer.nn.encoder.label_extractor import LabelExtractor
from hetero_mmer.nn.encoder.transformer_encoder import TransformerEncoder

__all__ = [
    'CTCAligner',
    'EarlyFusion',
    'ItemEmbedding',
    'LabelExtractor',
    'TransformerEncoder',
    'item_encoder',
]
