from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from torch_geometric.typing import Adj, EdgeType

from hetero_mmer.graph import AllPairs


class Relations(dict[EdgeType, Adj | AllPairs]):
    """The relations of a batch, and what depends on nothing else.

    A model makes one per forward pass and hands it to all stages in place of the
    ``edge_index_dict``, so that explicit edges and layouts are computed once.

    Args:
        edge_index_dict: ``[2, E]`` or ``AllPairs`` for each relation.

    Example:
        >>> import torch
        >>> pairs = AllPairs(torch.tensor([[0, 2]]), torch.tensor([[0, 1]]))
        >>> Relations({('a', 'r', 'b'): pairs}).edge_index(('a', 'r', 'b'))
        tensor([[0, 1],
                [0, 0]])
    """

    def __init__(self, edge_index_dict: Mapping[EdgeType, Adj | AllPairs]) -> None:
        super().__init__(edge_index_dict)
        self._derived: dict[Hashable, Any] = {}

    @classmethod
    def of(cls, edge_index_dict: Mapping[EdgeType, Adj | AllPairs]) -> Relations:
        """Relations as they are, or made of another mapping."""
        if isinstance(edge_index_dict, cls):
            return edge_index_dict
        return cls(edge_index_dict)

    def edge_index(self, edge_type: EdgeType) -> Adj:
        """A relation as explicit edges."""
        relation = self[edge_type]
        if not isinstance(relation, AllPairs):
            return relation
        return self.once(('edge_index', edge_type), relation.edge_index)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """What ``compute`` returns, from the first call with this key."""
        if key not in self._derived:
            self._derived[key] = compute()
        return self._derived[key]
