"""What a model learns at once, before the first step."""

from __future__ import annotations

from torch.nn import Module

from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.typing import Fits


def learn(model: Module, samples: StoreDataset, batch_size: int) -> None:
    """Lets a model and its criterion fit the train split, if they can.

    Args:
        model: A new model.
        samples: The train split; every process of a group goes through all of it.
        batch_size: Samples in a batch.
    """
    for part in (model, getattr(model, 'criterion', None)):
        if isinstance(part, Fits):
            part.fit(StoreLoader(samples, batch_size))
