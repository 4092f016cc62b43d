"""A heterogeneous graph whose complete relations are ranges."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.data.storage import BaseStorage
from torch_geometric.typing import EdgeType

from hetero_mmer import schema
from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.layout import called
from hetero_mmer.graph.storage import NodesStorage, RelationStorage, SampleStorage


class SampleGraph(HeteroData):
    """A ``HeteroData`` whose ``edge_index_dict`` holds complete relations too.

    Complete relations are stored as ``range_index`` ``[2, 2K]``, which batches like
    any edge index, and read as :class:`AllPairs`; a relation from a node type to
    itself has no self-loops. Transforms and tools that look for ``edge_index`` take
    what :func:`explicit` makes, and refuse ranges.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own_storages()

    @classmethod
    def from_dict(cls, mapping: dict[Any, Any]) -> SampleGraph:
        """Makes a graph of what ``to_dict`` gave."""
        out = super().from_dict(mapping)
        out._own_storages()
        return out

    def _own_storages(self) -> None:
        """Makes ours of the storages that PyG has made."""
        own = super().stores[0]
        _become(own, SampleStorage)
        if (layout := own.get(schema.SAMPLE_LAYOUT)) is not None:
            own[schema.SAMPLE_LAYOUT] = layout
        for node_type in self.node_types:
            self.get_node_store(node_type)
        for edge_type in self.edge_types:
            self.get_edge_store(*edge_type)

    @property
    def stores(self) -> list[BaseStorage]:
        """All storages; PyG collates by them, so they learn whose they are."""
        own, *others = out = super().stores
        name = own.get(schema.SAMPLE_ID)
        if isinstance(name, str):
            for store in others:
                store._owner = called(name)
        return out

    def get_node_store(self, key: str) -> NodesStorage:
        """Where the nodes of a type are kept."""
        store = super().get_node_store(key)
        if not isinstance(store, NodesStorage):
            _become(store, NodesStorage)
            store._type = key
        return store

    def get_edge_store(self, src: str, rel: str, dst: str) -> RelationStorage:
        """Where a relation is kept."""
        store = super().get_edge_store(src, rel, dst)
        if not isinstance(store, RelationStorage):
            _become(store, RelationStorage)
            store._type = (src, rel, dst)
        return store

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
            empty = torch.isin(m2l[0], before) & ~torch.isin(m2l[0], after)
            out[schema.M2L].edge_index = m2l[:, ~empty]
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
    if isinstance(data, Batch):  # Made anew, so that `to_data_list` can cut it up.
        out = Batch.from_data_list([explicit(one) for one in data.to_data_list()])
    else:
        out = copy.copy(data)
    for store, given in zip(out.stores, data.stores, strict=True):
        store.update((k, v) for k, v in given.items() if k != 'range_index')
    for edge_type, relation in data.edge_index_dict.items():
        if isinstance(relation, AllPairs):
            del out[edge_type]['range_index']
            out[edge_type].edge_index = relation.edge_index()
    return out


def _become(store: BaseStorage, kind: type[BaseStorage]) -> None:
    """Changes the class of a storage, which takes what is set on it for its content."""
    object.__setattr__(store, '__class__', kind)
