"""All that is used of PyG beyond what it documents: how a batch lies in memory.

``Batch.from_data_list`` collates object by object. Whoever has the arrays of a whole
batch can put them where it would, faster, which takes private names of PyG. They stand
here alone, and :func:`fits` tells whether they are what was tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import torch
import torch_geometric
from torch_geometric.data import Batch

from hetero_mmer.graph import SampleGraph
from hetero_mmer.typing import EdgeType, NodeType

#: The first version that nobody has tried; ``setup.cfg`` says the same.
CEILING: Final = (2, 9)

#: Made once: PyG makes a class whenever it is asked for the batch of another one.
_SampleGraphBatch: Final = type(Batch.from_data_list([SampleGraph()]))


@cache
def fits() -> bool:
    """Whether PyG keeps a batch as :func:`make_batch` writes it.

    The version is below the ceiling, and the batch of two tiny graphs, collated by PyG,
    has all of its fields where they are expected.
    """
    version = torch_geometric.__version__.split('.')[:2]
    if tuple(int(part) for part in version if part.isdecimal()) >= CEILING:
        return False
    graphs = [SampleGraph() for _ in range(2)]
    for graph in graphs:
        graph.name = 'a'
        graph['node'].num_nodes = 1
        graph['node', 'to', 'node'].edge_index = torch.zeros(2, 1, dtype=torch.long)
    batch = Batch.from_data_list(graphs)
    own, node, edge = batch.stores
    try:
        return (
            own._num_graphs == 2
            and set(own._slice_dict) == {'name', ('node', 'to', 'node')}
            and set(own._inc_dict) == set(own._slice_dict)
            and own._mapping == {'name': ['a', 'a']}
            and node._num_nodes == [1, 1]
            and set(node._mapping) == {'num_nodes', 'batch', 'ptr'}
            and set(edge._mapping) == {'edge_index'}
        )
    except AttributeError:
        return False


def make_batch(
    own: Mapping[str, Any],
    nodes: Mapping[NodeType, Mapping[str, Any]],
    relations: Mapping[EdgeType, Mapping[str, Any]],
    num_nodes: Mapping[NodeType, list[int]],
    slices: Mapping[Any, Any],
    incs: Mapping[Any, Any],
    num_graphs: int,
) -> Batch:
    """Makes a batch of its parts, as ``Batch.from_data_list`` leaves them.

    Args:
        own: Attributes of the batch as a whole.
        nodes: Attributes of each node type, ``num_nodes``, ``batch`` and ``ptr`` among
            them.
        relations: Attributes of each edge type.
        num_nodes: Number of nodes of each sample, of types that say ``num_nodes``.
        slices: Where each sample's part of an attribute starts, ``[B + 1]``.
        incs: What was added to each sample's part of an attribute.
        num_graphs: Number of samples :math:`B`.
    """
    data = type.__call__(_SampleGraphBatch)  # Past PyG's search for the class.
    for name, value in own.items():
        data[name] = value
    for node_type, attributes in nodes.items():
        store = data.get_node_store(node_type)
        store._mapping.update(attributes)  # Past PyG's search for caches to empty.
        if node_type in num_nodes:
            store._num_nodes = num_nodes[node_type]
    for edge_type, attributes in relations.items():
        data.get_edge_store(*edge_type)._mapping.update(attributes)
    data._num_graphs = num_graphs
    data._slice_dict, data._inc_dict = slices, incs
    return data
