"""Samples as heterogeneous graphs."""

from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.build import build_graph, label_nodes
from hetero_mmer.graph.connect import connect, prior_label_graph
from hetero_mmer.graph.dense import dense, ptr_of, targets, without_targets
from hetero_mmer.graph.sample_graph import SampleGraph, explicit
from hetero_mmer.graph.validate import validate

__all__ = [
    'AllPairs',
    'SampleGraph',
    'build_graph',
    'connect',
    'dense',
    'explicit',
    'label_nodes',
    'prior_label_graph',
    'ptr_of',
    'targets',
    'validate',
    'without_targets',
]
