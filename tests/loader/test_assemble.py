from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch

from hetero_mmer.graph import build_graph
from hetero_mmer.loader import assemble

WIDTHS = {'text': 2, 'audio': 3}
KINDS = {'text': 'sequence', 'audio': 'set'}


def both(
    lengths, num_labels, label_graph=None, labelled=True, kinds=KINDS, facts=False
):
    """The batch of :func:`assemble`, and PyG's of the same samples."""
    rng = np.random.default_rng(0)
    names = list(WIDTHS)
    samples = [
        {
            m: rng.normal(size=(n, WIDTHS[m])).astype(np.float32)
            for m, n in zip(names, row, strict=True)
        }
        for row in lengths
    ]
    y = rng.integers(0, 2, (len(samples), num_labels)) if labelled else None
    ids = [f'sample-{i}' for i in range(len(samples))]
    segments, intensities, extras = {}, None, {}
    if facts:
        segments = {'text': [rng.integers(0, 9, len(s['text'])) for s in samples]}
        intensities = rng.normal(size=(len(samples), num_labels))
        extras = {'score': rng.normal(size=len(samples))}
        extras['pair'] = rng.normal(size=(len(samples), 2, 3))
    batch = assemble(
        {m: torch.from_numpy(np.concatenate([s[m] for s in samples])) for m in names},
        {m: torch.tensor([len(s[m]) for s in samples]) for m in names},
        kinds=kinds,
        num_labels=num_labels,
        y=torch.from_numpy(y).float() if labelled else None,
        intensities=None if intensities is None else torch.tensor(intensities).float(),
        segments={m: torch.from_numpy(np.concatenate(x)) for m, x in segments.items()},
        extras={name: torch.from_numpy(x).float() for name, x in extras.items()},
        label_graph=label_graph,
        sample_ids=ids,
    )
    graphs = [
        build_graph(
            sample,
            y[i] if labelled else None,
            num_labels=num_labels,
            kinds=kinds,
            intensities=None if intensities is None else intensities[i],
            segments={m: x[i] for m, x in segments.items()},
            extras={name: x[i] for name, x in extras.items()},
            label_graph=label_graph,
            sample_id=ids[i],
        )
        for i, sample in enumerate(samples)
    ]
    return batch, Batch.from_data_list(graphs)


SAMPLE = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any)


def test_random_batches_equal_those_of_pyg(assert_same_batch):
    @settings(max_examples=60, deadline=None)
    @given(
        lengths=st.lists(SAMPLE, min_size=1, max_size=5),
        num_labels=st.integers(1, 3),
        labelled=st.booleans(),
        facts=st.booleans(),
        edges=st.none() | st.lists(st.integers(0, 8), max_size=5),
    )
    def check(lengths, num_labels, labelled, facts, edges):
        label_graph = None
        if edges is not None:
            pairs = [(e // 3 % num_labels, e % 3 % num_labels) for e in edges]
            label_graph = torch.tensor(pairs, dtype=torch.long).view(-1, 2).T
        assert_same_batch(
            *both(lengths, num_labels, label_graph, labelled, facts=facts)
        )

    check()


@pytest.mark.parametrize('kind', ['sequence', 'set'])
def test_only_sequences_have_places(assert_same_batch, kind):
    batch, expected = both([(2, 1), (3, 0)], 2, kinds=dict.fromkeys(WIDTHS, kind))
    assert ('pos' in batch['text']) == (kind == 'sequence')
    assert_same_batch(batch, expected)


def test_batch_by_hand():
    batch, _ = both([(2, 1), (0, 2)], num_labels=2)
    assert batch['text'].pos.tolist() == [0, 1]
    assert batch['text'].batch.tolist() == [0, 0]
    assert batch['audio'].batch.tolist() == [0, 1, 1]
    assert batch['audio'].ptr.tolist() == [0, 1, 3]
    assert batch['modality'].modality_id.tolist() == [0, 0, 1, 1] * 2
    assert batch['label'].label_id.tolist() == [0, 1, 0, 1]
    assert batch['modality', 'm2l', 'label'].edge_index.tolist() == [
        [0, 2, 1, 3, 6, 7],  # The second sample lacks text.
        [0, 0, 1, 1, 2, 3],
    ]
    assert batch.sample_id == ['sample-0', 'sample-1']


def test_facts_of_a_batch_by_hand():
    batch, _ = both([(2, 1), (0, 2), (1, 0)], num_labels=2, facts=True)
    assert batch['text'].segment.dtype == torch.long
    assert batch['text'].segment.shape == (3,)
    assert 'segment' not in batch['audio']
    assert batch['label'].intensity.shape == (6,)
    assert batch['score'].shape == (3,)
    assert batch['pair'].shape == (3, 2, 3)
    assert torch.equal(batch[1]['pair'], batch['pair'][1:2])
