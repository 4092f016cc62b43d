"""A layer under test."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import Module

#: Nodes and edges of the checks; no edge ends in target 1.
NUM_SOURCES, NUM_TARGETS = 5, 4
_EDGES: Final = ((0, 3, 1, 2, 0, 4, 4), (2, 0, 0, 2, 3, 3, 2))


@dataclass(frozen=True)
class LayerCase:
    """What :func:`~hetero_mmer.testing.check_layer` is given, and steps of checks."""

    factory: Callable[[int, int], Module]
    channels: int
    untrained: Collection[str]
    dtype: torch.dtype
    device: str
    tolerance: float

    def new(self) -> Any:
        """Makes the layer without self-loops of its own, for evaluation."""
        torch.manual_seed(0)
        layer = self.factory(self.channels, self.channels)
        if getattr(layer, 'add_self_loops', False):
            layer.add_self_loops = False  # type: ignore[assignment]
        return layer.to(self.device, self.dtype).eval()

    def layer(self) -> Any:
        """Makes the layer with weights that no initial value hides, such as 0."""
        layer = self.new()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in layer.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.3 * noise.to(parameter))
        return layer

    def draw(self, num_nodes: int, seed: int = 0) -> Tensor:
        """States of nodes, ``[N, channels]``."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(num_nodes, self.channels, generator=generator)
        return x.to(self.device, self.dtype)

    def pair(self) -> tuple[Tensor, Tensor]:
        """States of sources and targets."""
        return self.draw(NUM_SOURCES), self.draw(NUM_TARGETS, seed=1)

    def edges(self) -> Tensor:
        """Edges from sources to targets."""
        return torch.tensor(_EDGES, device=self.device)
