"""A heterogeneous graph whose complete relations are ranges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.typing import EdgeType

from hetero_mmer import schema
from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.storage import NodesStorage, RelationStorage, SampleStorage


class SampleGraph(HeteroData):
    """A ``HeteroData`` whose ``edge_index_dict`` holds complete relations too.

    Complete relations are stored as ``range_index`` ``[2, 2K]``, which batches like
    any edge index, and read as :class:`AllPairs`; a relation from a node type to
    itself has no self-loops. Transforms and tools that look for ``edge_index`` take
    what :func:`explicit` makes, and refuse ranges.
    """

    def __init__(self, _mapping: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(_mapping, **kwargs)
        own = SampleStorage(self._global_store._mapping, _parent=self)
        self.__dict__['_global_store'] = own

    @classmethod
    def from_dict(cls, mapping: dict[Any, Any]) -> SampleGraph:
        """Makes a graph of what ``to_dict`` gave."""
        out = cls()
        for key, values in mapping.items():
            store = out._global_store if key == '_global_store' else out[key]
            for name, value in values.items():
                setattr(store, name, value)
        return out

    def get_node_store(self, key: str) -> NodesStorage:
        """Where the nodes of a type are kept."""
        if key not in self._node_store_dict:
            self._check_type_name(key)
            self._node_store_dict[key] = NodesStorage(_parent=self, _key=key)
        return self._node_store_dict[key]

    def get_edge_store(self, src: str, rel: str, dst: str) -> RelationStorage:
        """Where a relation is kept."""
        key = src, rel, dst
        if key not in self._edge_store_dict:
            self._check_type_name(rel)
            self._edge_store_dict[key] = RelationStorage(_parent=self, _key=key)
        return self._edge_store_dict[key]

    @property
    def edge_index_dict(self) -> dict[EdgeType, Tensor | AllPairs]:
        """Each relation: explicit edges ``[2, E]`` or :class:`AllPairs`."""
        out: dict[EdgeType, Tensor | AllPairs] = {}
        for edge_type, store in self.edge_items():
            if (ranges := store.get('range_index')) is not None:
                loops = edge_type[0] != edge_type[-1]
                out[edge_type] = AllPairs.from_range_index(ranges, loops=loops)
            elif 'edge_index' in store:
                out[edge_type] = store.edge_index
        return out

    @property
    def num_edges(self) -> int:
        """Number of edges, those of complete relations included."""
        return sum(
            relation.num_edges if isinstance(relation, AllPairs) else relation.size(1)
            for relation in self.edge_index_dict.values()
        )

    def subgraph(self, subset_dict: dict[str, Tensor]) -> SampleGraph:
        """The graph of some of its nodes, for explicit relations.

        A modality that loses its last item is missing from then on, so its cells reach
        no label.
        """
        out = super().subgraph(subset_dict)
        relations = [t for t in out.edge_types if t[1:] == ('f2l', schema.MODALITY)]
        same_cells = schema.MODALITY not in subset_dict
        if relations and schema.M2L in out.edge_types and same_cells:
            before, after = (
                torch.cat([data[t].edge_index[1] for t in relations])
                for data in (self, out)
            )
            m2l = out[schema.M2L].edge_index
            silent = torch.isin(m2l[0], before) & ~torch.isin(m2l[0], after)
            out[schema.M2L].edge_index = m2l[:, ~silent]
        return out

    def validate(self, raise_on_error: bool = True) -> bool:
        """Whether all edges join nodes that are there."""
        return super(SampleGraph, explicit(self)).validate(raise_on_error)


def explicit(data: HeteroData) -> HeteroData:
    """A copy of a graph or batch whose relations are all explicit edges.

    For layers and tools that know no :class:`AllPairs`, outside of
    :class:`~hetero_mmer.nn.conv.Stage`.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = explicit(build_graph({'text': torch.zeros(3, 8)}, labels=[1, 0]))
        >>> graph['text', 'f2f', 'text'].edge_index.shape
        torch.Size([2, 6])
    """
    out = data.__copy__()
    is_batch = isinstance(data, Batch)
    if is_batch:
        out._slice_dict, out._inc_dict = dict(data._slice_dict), dict(data._inc_dict)
    for edge_type, relation in data.edge_index_dict.items():
        if isinstance(relation, AllPairs):
            del out[edge_type]['range_index']
            out[edge_type].edge_index = relation.edge_index()
            if is_batch:  # What `to_data_list` cuts the batch up by.
                edges = relation.block_sizes().view(data.num_graphs, -1).sum(dim=1)
                slices = torch.cat([edges.new_zeros(1), edges.cumsum(0)])
                out._slice_dict[edge_type] = {'edge_index': slices}
                incs = data._inc_dict[edge_type]['range_index']
                out._inc_dict[edge_type] = {'edge_index': incs}
    return out
