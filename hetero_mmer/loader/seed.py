"""Random numbers that depend on the seed and the epoch only."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import Sampler


def derive_seed(*numbers: int) -> int:
    """A well-mixed seed from several numbers.

    Args:
        *numbers: Such as the seed of a run and an epoch.

    Example:
        >>> derive_seed(0, 1) == derive_seed(0, 1) != derive_seed(1, 0)
        True
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_everything(*numbers: int) -> None:
    """Seeds Python, NumPy and PyTorch; callers isolate and restore their state."""
    seed = derive_seed(*numbers)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


class EpochSampler(Sampler[int]):
    """All samples in an order that the seed and the epoch determine.

    Args:
        num_samples: How many.
        seed: Of all orders.
        epoch: Tells the epoch that starts.
    """

    def __init__(self, num_samples: int, seed: int, epoch: Callable[[], int]) -> None:
        self.num_samples = num_samples
        self.seed = seed
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        seed = derive_seed(self.seed, self.epoch(), 1)
        generator = torch.Generator().manual_seed(seed)
        yield from torch.randperm(self.num_samples, generator=generator).tolist()

    def __len__(self) -> int:
        return self.num_samples
