"""Where a sample's graph keeps what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch_geometric.data.storage import BaseStorage, EdgeStorage, NodeStorage

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.layout import Layout, called


class MissingAttribute(InputError, KeyError):
    """A graph lacks what others of its batch have."""

    def __str__(self) -> str:
        return str(self.args[0])  # Without the quotes of a KeyError.


class SampleStorage(BaseStorage):
    """What belongs to a sample as a whole: its name, its layout, its extras."""

    def __getitem__(self, key: str) -> Any:
        if (value := self.get(key)) is None:
            how = ''
            if key == schema.SAMPLE_LAYOUT:
                how = ": make all of them with 'build_graph', or none"
            raise MissingAttribute(
                f'{called(self.get(schema.SAMPLE_ID))} has no {key!r}, which others of '
                f'its batch have{how}'
            )
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        # PyG makes plain dictionaries of mappings.
        if key == schema.SAMPLE_LAYOUT and isinstance(value, Mapping):
            ((text, names),) = value.items()
            value = Layout(text, names)
        super().__setitem__(key, value)

    def apply(self, func: Callable, *args: str) -> SampleStorage:
        """Applies a function to all tensors, and spares what holds none."""
        names = (schema.SAMPLE_ID, schema.SAMPLE_LAYOUT)
        keys = [key for key in self.keys(*args) if key not in names]
        return super().apply(func, *keys) if keys else self


class NodesStorage(NodeStorage):
    """Nodes of one type."""

    #: How a sentence calls the graph, and the node type.
    _owner, _type = 'a graph', '?'

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # PyG asks often; an error takes its time.

    def __getitem__(self, key: str) -> Any:
        if (value := self.get(key)) is None:
            raise MissingAttribute(
                f"{self._owner} has no {key!r} for its '{self._type}' nodes, which "
                'others of its batch have'
            )
        return value


class RelationStorage(EdgeStorage):
    """One relation: explicit edges, or ranges that nobody may take for no edges.

    PyG's transforms and tools ask whether a relation has an ``edge_index`` and pass
    over those that have none, so ranges refuse to be asked.
    """

    #: How a sentence calls the graph, and the edge type.
    _owner, _type = 'a graph', ('?', '?', '?')

    def __getitem__(self, key: str) -> Any:
        if key == 'edge_index' and self.get('range_index') is not None:
            raise InputError(
                f'{self._called()} is complete and kept as ranges, not as edges: give '
                "what looks at edges the graph that 'hetero_mmer.graph.explicit' makes"
            )
        if key == 'range_index' and self.get('edge_index') is not None:
            raise MissingAttribute(
                f'{self._called()} is kept as edges, but as ranges in others of its '
                "batch: make all of them with 'hetero_mmer.graph.explicit', or none"
            )
        return super().__getitem__(key)

    @property
    def num_edges(self) -> int:
        """Number of edges, also of a complete relation."""
        pairs = self.pairs()
        return super().num_edges if pairs is None else pairs.num_edges

    def is_edge_attr(self, key: str) -> bool:
        """Whether an attribute has a row for each edge."""
        if key == 'range_index':
            return bool(self.edge_index)  # Which tells what to do instead.
        return super().is_edge_attr(key)

    def pairs(self) -> AllPairs | None:
        """The relation, if it is complete."""
        ranges = self.get('range_index')
        if ranges is None:
            return None
        # A relation from a node type to itself has no self-loops.
        return AllPairs.from_range_index(ranges, loops=self._type[0] != self._type[-1])

    def _called(self) -> str:
        return f'the relation {self._type} of {self._owner}'
