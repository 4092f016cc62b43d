"""Stores for the tests of loaders, and the equality of batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from hetero_mmer.store import ModalitySpec, Store, StoreWriter

SPECS = {
    'text': ModalitySpec(3),
    'visual': ModalitySpec(4, kind='set'),
    'audio': ModalitySpec(2),
    'words': ModalitySpec(1, num_embeddings=7),
}
#: Every sample has an item; every modality is missing somewhere.
RAGGED = {
    'text': [2, 0, 3, 1, 0, 4, 1],
    'visual': [1, 3, 0, 0, 2, 2, 1],
    'audio': [0, 1, 2, 0, 5, 1, 1],
}
EQUAL = {'text': [3] * 4, 'visual': [2] * 4, 'audio': [5] * 4}


@pytest.fixture
def make_store(tmp_path):
    """Writes a store with these numbers of items, and opens it."""
    opened = []

    def make(
        lengths=RAGGED,
        num_labels=3,
        *,
        labelled=True,
        float16=False,
        facts=False,
        seed=0,
    ):
        rng = np.random.default_rng(seed)
        path = tmp_path / f'store-{len(opened)}.h5'
        names = [f'label-{i}' for i in range(num_labels)]
        specs = {m: SPECS[m] for m in lengths}
        with StoreWriter(
            path,
            specs,
            names,
            labelled=labelled,
            float16=float16,
            intensities=facts,
            segmented=['text', 'visual'] if facts else [],
        ) as writer:
            num_samples = len(next(iter(lengths.values())))
            for i in range(num_samples):
                writer.add(
                    f'clip-{i}',
                    {
                        m: rng.integers(0, size, n[i])
                        if (size := SPECS[m].num_embeddings)
                        else rng.normal(size=(n[i], SPECS[m].channels))
                        for m, n in lengths.items()
                    },
                    rng.integers(0, 2, num_labels) if labelled else None,
                    intensities=rng.normal(size=num_labels) if facts else None,
                    segments={
                        m: np.sort(rng.integers(0, 3, lengths[m][i]))
                        for m in ('text', 'visual')
                        if facts
                    },
                )
            if facts:
                writer.extra('score', rng.normal(size=num_samples))
                writer.extra('pair', rng.integers(0, 9, (num_samples, 2)))
        opened.append(Store(path))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def assert_same_batch():
    """Compares two batches in everything that they hold and give back."""

    def compare(one, other, where):
        assert type(one) is type(other), where
        if isinstance(one, Tensor):
            assert one.dtype == other.dtype, where
            assert one.shape == other.shape, where
            assert torch.equal(one, other), where
        elif isinstance(one, dict):
            assert set(one) == set(other), where
            for key in one:
                compare(one[key], other[key], f'{where}[{key!r}]')
        elif isinstance(one, list | tuple):
            assert len(one) == len(other), where
            for i, pair in enumerate(zip(one, other, strict=True)):
                compare(*pair, f'{where}[{i}]')
        else:
            assert one == other, where

    def compare_graphs(one, other, where):
        assert type(one) is type(other)
        assert one.node_types == other.node_types
        assert one.edge_types == other.edge_types
        assert one.metadata() == other.metadata()
        compare(one.to_dict(), other.to_dict(), where)
        for pair in itertools.zip_longest(one.node_stores, other.node_stores):
            assert pair[0].num_nodes == pair[1].num_nodes
        relations = zip(
            one.edge_index_dict.values(), other.edge_index_dict.values(), strict=True
        )
        for relation, expected in relations:
            if not isinstance(expected, Tensor):
                assert relation.loops == expected.loops
                relation, expected = relation.edge_index(), expected.edge_index()
            compare(relation, expected, where)

    def same(one, other):
        compare_graphs(one, other, 'batch')
        assert one.num_graphs == other.num_graphs
        assert len(one) == len(other)
        assert one.num_nodes == other.num_nodes
        assert one.batch_size == other.batch_size
        compare(one._slice_dict, other._slice_dict, '_slice_dict')
        compare(one._inc_dict, other._inc_dict, '_inc_dict')
        hidden = {'_global_store', '_node_store_dict', '_edge_store_dict'}
        compare(
            {k: v for k, v in one.__dict__.items() if k not in hidden},
            {k: v for k, v in other.__dict__.items() if k not in hidden},
            '__dict__',
        )
        pairs = zip(one.to_data_list(), other.to_data_list(), strict=True)
        for i, (sample, expected) in enumerate(pairs):
            compare_graphs(sample, expected, f'to_data_list()[{i}]')
        last = one.num_graphs - 1
        compare_graphs(one[last], other[last], f'batch[{last}]')

    return same
