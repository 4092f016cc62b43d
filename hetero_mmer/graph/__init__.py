"""Samples as heterogeneous graphs."""

from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.build import SampleGraph, build_graph, explicit, label_nodes
from hetero_mmer.graph.connect import connect, prior_label_graph

__all__ = [
    'AllPairs',
    'SampleGraph',
    'build_graph',
    'connect',
    'explicit',
    'label_nodes',
    'prior_label_graph',
]
