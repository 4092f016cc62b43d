"""Types that every floor shares; importing them takes no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch_geometric.data import HeteroData

    ModelFactory: TypeAlias = Callable[[dict[str, int], int], Module]
else:  # So that reading a signature takes no torch.
    ModelFactory = Callable[[dict[str, int], int], Any]

__all__ = [
    'EdgeType',
    'Model',
    'ModelFactory',
    'NodeType',
    'Output',
]

#: As in ``torch_geometric.typing``, which takes seconds to import.
NodeType = str
EdgeType = tuple[str, str, str]


class Output(Protocol):
    """What a model's ``forward`` returns: a named tuple with ``probs`` first."""

    @property
    def probs(self) -> Tensor:
        """Probability of each label, ``[B, L]`` in [0, 1]."""


@runtime_checkable
class Model(Protocol):
    """What the runner needs of a model; inherit from ``torch.nn.Module`` only.

    The constructor is ``Model(in_channels: dict[str, int], num_labels, *, ...)``:
    positional arguments are facts of the data, keyword-only arguments choices. A model
    that reads ids takes one more fact, the keyword ``num_embeddings: dict[str, int]``;
    it is given only where the data hold ids.
    """

    def forward(self, batch: HeteroData) -> Output:
        """Probabilities for a batch, or for one sample's graph."""

    def loss(self, out: Output, y: Tensor) -> dict[str, Tensor]:
        """The loss as ``{'total': ..., named parts}`` for targets ``y`` [B, L]."""
