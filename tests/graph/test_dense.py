from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer.graph import build_graph, dense, ptr_of


@pytest.fixture
def graphs():
    return [
        build_graph(
            {
                'a-b': torch.randn(n, 3),
                'words': torch.randint(1, 9, (n,)),
                'face': torch.randn(0, 2),
            },
            [1],
            num_embeddings={'words': 9},
        )
        for n in (3, 1, 4)
    ]


def test_equals_every_sample_alone(graphs):
    batch = Batch.from_data_list(graphs)
    assert ptr_of(batch, 'a-b').tolist() == [0, 3, 4, 8]
    for m in ('a-b', 'words'):
        x, mask = dense(batch, m)
        assert x.dtype == graphs[0][m].x.dtype
        for b, graph in enumerate(graphs):
            n = len(graph[m].x)
            assert mask[b].tolist() == [k < n for k in range(4)]
            assert torch.equal(x[b, :n], graph[m].x)
            assert not x[b, n:].any()
            single, there = dense(graph, m)
            assert torch.equal(single[0], graph[m].x)
            assert there.all()


def test_a_modality_that_no_sample_has_is_one_masked_step(graphs):
    for data, samples in ((Batch.from_data_list(graphs), 3), (graphs[0], 1)):
        x, mask = dense(data, 'face')
        assert x.shape == (samples, 1, 2)
        assert mask.shape == (samples, 1)
        assert not mask.any()
        assert ptr_of(data, 'face').tolist() == (samples + 1) * [0]
