"""HHMPN finds what the generator planted, and says so by its attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hetero_mmer import schema
from hetero_mmer.datasets.synthetic import SMALL, synthesize
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.models import HHMPN

NUM_EPOCHS = 12


@pytest.fixture(scope='module')
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp('planted') / 'store.h5'
    return synthesize(path, modalities=SMALL)


def fit(store, **options):
    train = StoreDataset(store, store.rows('train'))
    torch.manual_seed(0)
    model = HHMPN(
        train.in_channels, 6, hidden_channels=64, num_steps=1, dropout=0.1, **options
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(NUM_EPOCHS):
        loader = StoreLoader(train, 32, shuffle=True, generator=generator)
        for batch in loader:
            y = batch[schema.LABEL].y.view(-1, 6)
            loss = model.loss(model(batch), y)['total']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def dense(attention, relation, num_sources, num_targets):
    """Weights ``[targets, sources]`` of one relation, head by head the mean."""
    edge_index, alpha = attention[relation]
    out = np.zeros((num_targets, num_sources))
    out[edge_index[1], edge_index[0]] = alpha.detach().mean(dim=-1)
    return out


def planted(store):
    """Test graphs with the attention's view of each planted label."""
    test = StoreDataset(store, store.rows('test'))
    items, modalities = (
        store.extra(f'truth_{name}')[test.rows] for name in ('item', 'modality')
    )
    for i, graph in enumerate(test):
        labels = np.flatnonzero(items[i] >= 0)
        if len(labels):
            yield graph, labels, items[i], modalities[i]


def test_f2l_finds_the_item_and_m2l_the_modality(store):
    model = fit(store, f2f=False)
    item_hits, modality_hits = [], []
    for graph, labels, item, modality in planted(store):
        attention = model(graph, return_attention=True).attention[0]
        readout = dense(attention, schema.M2L, 18, 6)
        for k in labels:
            m = modality[k]
            name = store.modalities[m]
            weights = dense(attention, schema.f2l(name), graph[name].num_nodes, 18)
            item_hits.append(weights[m * 6 + k].argmax() == item[k])
            modality_hits.append(readout[k].argmax() // 6 == m)
    assert np.mean(item_hits) >= 0.9
    assert np.mean(modality_hits) >= 0.9


def test_f2l_through_f2f_finds_the_item(store):
    """F2F moves evidence to other items; following both stages leads back to it."""
    model = fit(store)
    hits = []
    for graph, labels, item, modality in planted(store):
        attention = model(graph, return_attention=True).attention[0]
        size = {m: graph[m].num_nodes for m in store.modalities}
        readout = dense(attention, schema.M2L, 18, 6)
        for k in labels:
            target = store.modalities[modality[k]]
            reached = np.zeros(size[target])
            for m, name in enumerate(store.modalities):
                share = readout[k, m * 6 + k]
                if size[name] == 0:
                    continue
                f2l = dense(attention, schema.f2l(name), size[name], 18)[m * 6 + k]
                f2f = dense(
                    attention, schema.f2f(target, name), size[target], size[name]
                )
                reached += share * f2l @ f2f / len(store.modalities)
                if name == target:  # The item itself goes on beside its messages.
                    reached += share * f2l
            hits.append(reached.argmax() == item[k])
    assert np.mean(hits) >= 0.9
