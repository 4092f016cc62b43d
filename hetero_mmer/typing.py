"""Types that every floor shares; importing them takes no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch_geometric.data import HeteroData

    ModelFactory: TypeAlias = Callable[[dict[str, int], int], Module]
else:  # So that reading a signature takes no torch.
    ModelFactory = Callable[[dict[str, int], int], Any]

__all__ = [
    'EdgeType',
    'Fits',
    'HasParameterGroups',
    'Model',
    'ModelFactory',
    'NodeType',
    'Output',
    'Steps',
    'Track',
    'untracked',
]

T = TypeVar('T')

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
    positional arguments are facts of the data, keyword-only arguments choices. More
    facts are given where the data have them, by keyword: ``num_embeddings: dict[str,
    int]`` where items are ids, ``label_vectors`` [L, E] and ``label_relations`` [L, L].

    ``probs`` may be None in training. A decision that no threshold changes is ``pred``
    [B, L] of the output. In training ``forward`` may read the labels of the batch; in
    evaluation they are not there. A class attribute ``extras`` names arrays of the
    store that the batch is to hold; :class:`Fits`, :class:`Steps` and
    :class:`HasParameterGroups` are powers that a model may have.
    """

    def forward(self, batch: HeteroData) -> Output:
        """Probabilities for a batch, or for one sample's graph."""

    def loss(self, out: Output, y: Tensor) -> dict[str, Tensor]:
        """The loss as ``{'total': ..., named parts}`` for targets ``y`` [B, L]."""


@runtime_checkable
class Fits(Protocol):
    """A model, or its criterion, that learns something at once, before training.

    What it learns goes into buffers and initial values. Buffers whose size comes from
    the data are empty until then; loading gives them the size in the file.
    """

    def fit(self, batches: Iterable[HeteroData]) -> None:
        """Learns from the train split, in order; batches can be gone through again."""


@runtime_checkable
class Steps(Protocol):
    """A model that calls ``backward`` by itself, as often as it wants."""

    def step(
        self, batch: HeteroData, y: Tensor, backward: Callable[[Tensor], None]
    ) -> dict[str, Tensor]:
        """Passes losses of a batch to ``backward``; returns the parts of the loss."""


@runtime_checkable
class HasParameterGroups(Protocol):
    """A model whose parameters have different learning rates."""

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """All trainable parameters as ``[{'params': ..., 'lr': ...}, ...]``."""


class Track(Protocol):
    """What tells how long work goes on, such as a bar."""

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterator[T]:
        """Passes on items one by one; ``total`` is how many there are."""


def untracked(
    items: Iterable[T], description: str, total: int | None = None
) -> Iterator[T]:
    """Passes on items one by one, and tells nothing.

    Args:
        items: What to go through.
        description: What is done with them.
        total: How many there are.

    Example:
        >>> list(untracked('ab', 'Reading'))
        ['a', 'b']
    """
    return iter(items)
