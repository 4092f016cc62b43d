"""Building blocks of models."""

from hetero_mmer.nn.carat_loss import CARATLoss
from hetero_mmer.nn.contrastive_memory import ContrastiveMemory

__all__ = ['CARATLoss', 'ContrastiveMemory']
