"""Samples as heterogeneous graphs."""

from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.build import SampleGraph, add_label_nodes, build_graph, explicit
from hetero_mmer.graph.connect import connect, prior_label_graph

__all__ = [
    'AllPairs',
    'SampleGraph',
    'add_label_nodes',
    'build_graph',
    'connect',
    'explicit',
    'prior_label_graph',
]
