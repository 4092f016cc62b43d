"""From a store to batches of sample graphs."""

from hetero_mmer.loader.assemble import assemble
from hetero_mmer.loader.dataset import StoreDataset, StoreLoader

__all__ = ['StoreDataset', 'StoreLoader', 'assemble']
