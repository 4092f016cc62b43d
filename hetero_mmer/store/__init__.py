"""One HDF5 file is one data set: write it, open it, describe it, validate it."""

from __future__ import annotations

from hetero_mmer.store.describe import Description, ModalityDescription, describe
from hetero_mmer.store.format import ModalitySpec
from hetero_mmer.store.like import Like, read_like
from hetero_mmer.store.reader import Store
from hetero_mmer.store.report import report
from hetero_mmer.store.split import stratified_folds, stratified_split
from hetero_mmer.store.split_file import read_split, write_split
from hetero_mmer.store.split_store import split_store
from hetero_mmer.store.validate import Finding, validate
from hetero_mmer.store.writer import NoSampleError, StoreWriter, no_sample

__all__ = [
    'Description',
    'Finding',
    'Like',
    'ModalityDescription',
    'ModalitySpec',
    'NoSampleError',
    'Store',
    'StoreWriter',
    'describe',
    'no_sample',
    'read_like',
    'read_split',
    'report',
    'split_store',
    'stratified_folds',
    'stratified_split',
    'validate',
    'write_split',
]
