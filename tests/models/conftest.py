"""Samples for the tests of models."""

from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.graph import build_graph

WIDTHS = {'text': 3, 'visual': 4, 'audio': 2, 'face': 5}
KINDS = {'text': 'sequence', 'visual': 'set', 'audio': 'sequence', 'face': 'set'}


@pytest.fixture
def make_samples():
    """Draws the arrays of samples from the number of items of each modality."""

    def make(lengths, seed=0, widths=WIDTHS):
        rng = np.random.default_rng(seed)
        num_samples = len(next(iter(lengths.values())))
        return [
            {
                m: rng.normal(size=(lengths[m][i], widths[m])).astype(np.float32)
                for m in lengths
            }
            for i in range(num_samples)
        ]

    return make


@pytest.fixture
def make_graphs():
    """Makes the graph of each sample, with labels drawn at random."""

    def make(samples, num_labels=3, label_graph=None, kinds=KINDS, seed=0):
        rng = np.random.default_rng(seed)
        return [
            build_graph(
                sample,
                rng.integers(0, 2, num_labels),
                kinds={m: kinds[m] for m in sample},
                label_graph=label_graph,
                sample_id=f'sample-{i}',
            )
            for i, sample in enumerate(samples)
        ]

    return make
