"""Graphs that do not belong together never make a batch, or no model reads it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset
from torch_geometric.data import Batch, InMemoryDataset
from torch_geometric.loader import DataLoader

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph, explicit, validate
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

WIDTHS = {'face': 3, 'voice': 3}


def graph(seed, names=tuple(WIDTHS), num_labels=3, sample_id=None, ids=(), **options):
    rng = np.random.default_rng(seed)
    length = dict(zip(names, rng.integers(1, 4, size=len(names)), strict=True))
    features = {
        m: rng.integers(0, 5, size=length[m]) if m in ids else rng.normal(size=(n, 3))
        for m, n in length.items()
    }
    return build_graph(
        features,
        num_labels=num_labels,
        sample_id=sample_id or f'clip-{seed}',
        **options,
    )


RING, CHAIN = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([[0, 1], [1, 2]])
OTHERS = {
    'order': ({'names': ('voice', 'face')}, {}, "modalities .'voice', 'face'"),
    'fewer': ({'names': ('voice',)}, {}, "modalities .'voice'"),
    'more': ({'names': ('face', 'voice', 'pose')}, {}, "'pose'"),
    'other': ({'names': ('face', 'pose')}, {}, "'pose'"),
    'a set': ({'kinds': {'voice': 'set'}}, {}, "'voice' as a set"),
    'no set': ({}, {'kinds': {'face': 'set'}}, "'face' as a sequence"),
    'labels': ({'num_labels': 2}, {}, 'has 2 labels, the first sample 3'),
    'a label graph': ({'label_graph': CHAIN}, {}, 'another label graph'),
    'no label graph': ({}, {'label_graph': CHAIN}, 'another label graph'),
    'label graphs': ({'label_graph': RING}, {'label_graph': CHAIN}, 'label graph'),
    'turned edges': (
        {'label_graph': CHAIN.flip(0)},
        {'label_graph': CHAIN},
        'label graph',
    ),
    'vocabulary': (
        {'ids': ('face',), 'num_embeddings': {'face': 9}},
        {'ids': ('face',), 'num_embeddings': {'face': 7}},
        "'face' with a vocabulary of 9",
    ),
}


@pytest.mark.parametrize('loader', [DataLoader, StoreLoader])
@pytest.mark.parametrize('place', [1, 3])
@pytest.mark.parametrize('name', OTHERS)
def test_the_sample_and_the_difference_are_named(name, place, loader):
    odd, usual, message = OTHERS[name]
    graphs = [graph(i, **usual) for i in range(4)]
    graphs[place] = graph(place, sample_id='the odd one', **odd)
    with pytest.raises(InputError, match=f"'the odd one' .*{message}"):
        list(loader(graphs, batch_size=4))
    assert len(list(loader(graphs[:1], batch_size=4))) == 1


def test_samples_without_a_name_are_told_by_their_place():
    rng = np.random.default_rng(0)
    graphs = [build_graph({'face': rng.normal(size=(2, 3))}, [1, 0]) for _ in range(3)]
    graphs.append(build_graph({'face': rng.normal(size=(2, 3))}, [1, 0, 0]))
    with pytest.raises(InputError, match='index 3 of a batch has 3 labels'):
        Batch.from_data_list(graphs)


def test_stores_that_do_not_belong_together(tmp_path):
    sets = []
    for name, kind in (('a', 'set'), ('b', 'sequence')):
        specs = {'face': ModalitySpec(3), 'voice': ModalitySpec(3, kind=kind)}
        with StoreWriter(tmp_path / f'{name}.h5', specs, ['x', 'y', 'z']) as writer:
            for i in range(3):
                x = np.full((2, 3), float(i))
                writer.add(f'{name}{i}', {'face': x, 'voice': x}, [1, 0, 0])
        sets.append(StoreDataset(Store(tmp_path / f'{name}.h5')))
    for loader in (DataLoader, StoreLoader):
        with pytest.raises(InputError, match="'b0' has 'voice' as a sequence"):
            list(loader(ConcatDataset(sets), batch_size=6))
    assert len(list(DataLoader(ConcatDataset(sets), batch_size=3))) == 2


@pytest.mark.parametrize('make', [HHMPN, CARAT])
def test_what_belongs_together_is_read_as_before(make):
    torch.manual_seed(0)
    model = make(WIDTHS, 3, hidden_channels=8).eval()
    graphs = [graph(i, kinds={'voice': 'set'}) for i in range(5)]
    whole = next(iter(DataLoader(graphs, batch_size=5)))

    class Kept(InMemoryDataset):
        def __init__(self):
            super().__init__()
            self.data, self.slices = self.collate(graphs)

    kept = Kept()
    with torch.no_grad():
        expected = torch.cat([model(g).probs for g in graphs])
        for batch in (
            whole,
            explicit(whole),
            Batch.from_data_list(whole.to_data_list()),
            Batch.from_data_list([kept[i] for i in range(5)]),
            next(
                iter(DataLoader(graphs, batch_size=5, exclude_keys=['sample_layout']))
            ),
            next(iter(DataLoader(graphs, batch_size=5, exclude_keys=['sample_id']))),
        ):
            validate(batch)
            torch.testing.assert_close(model(batch).probs, expected)


def by_hand(**options):
    """A graph without the layout that ``build_graph`` leaves."""
    out = graph(**options)
    del out[schema.SAMPLE_LAYOUT]
    return out


@pytest.mark.parametrize('make', [HHMPN, CARAT])
@pytest.mark.parametrize(
    ('first', 'second'),
    [
        ({'num_labels': 2}, {'num_labels': 4}),  # Six labels, as two samples have.
        ({}, {'names': ('face',)}),
        ({'names': ('face',)}, {}),
        ({}, {'names': ('face', 'pose')}),
        ({}, {'kinds': {'voice': 'set'}}),
        ({}, {'label_graph': CHAIN}),
        ({'label_graph': CHAIN}, {}),
    ],
)
def test_graphs_without_a_layout_are_compared_by_what_is_seen(make, first, second):
    model = make(WIDTHS, 3, hidden_channels=8).eval()
    graphs = [by_hand(seed=0, **first), by_hand(seed=1, **second)]
    with pytest.raises(InputError):
        model(Batch.from_data_list(graphs))


def test_with_and_without_a_layout():
    with pytest.raises(InputError, match="'clip-1' has no 'sample_layout'"):
        Batch.from_data_list([graph(0), by_hand(seed=1)])


def test_cells_in_another_order_are_seen():
    one, other = by_hand(seed=0), by_hand(seed=1, names=('voice', 'face'))
    batch = Batch.from_data_list([one, other])  # Types in the order of the first.
    with pytest.raises(InputError, match=r"at the cells of '(face|voice)'"):
        validate(batch)
    model = HHMPN(WIDTHS, 3, hidden_channels=8)
    with pytest.raises(InputError, match=r"at the cells of '(face|voice)'"):
        model(batch)
