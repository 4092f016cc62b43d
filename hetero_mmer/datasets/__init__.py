"""Public data sets: their raw files become stores."""

from __future__ import annotations

from hetero_mmer.datasets.catalog import (
    DATA_SETS,
    FORMATS,
    DataSet,
    data_root,
    fetch_data_set,
    find_data_set,
    resolve_data,
)
from hetero_mmer.datasets.synthetic import synthesize

__all__ = [
    'DATA_SETS',
    'FORMATS',
    'DataSet',
    'data_root',
    'fetch_data_set',
    'find_data_set',
    'resolve_data',
    'synthesize',
]
