from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torch.utils.data import DataLoader as TorchLoader
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from hetero_mmer.errors import InputError
from hetero_mmer.graph import SampleGraph, build_graph, prior_label_graph
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.models import HHMPN
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

GIVEN = torch.tensor([[2, 0, 2], [0, 2, 2]])
EQUAL = {'text': [3] * 4, 'visual': [2] * 4, 'audio': [5] * 4}
WORDS = {'words': [3, 1, 2, 4], 'text': [0, 2, 1, 1]}
ABSENT = {'text': [1, 2, 1], 'visual': [0, 0, 0], 'audio': [0, 3, 1]}

CASES = {
    'ragged': ({}, {}),
    'equal': ({'lengths': EQUAL}, {}),
    'absent_everywhere': ({'lengths': ABSENT}, {}),
    'one_modality': ({'lengths': {'visual': [1, 3, 2]}}, {}),
    'one_label': ({'num_labels': 1}, {}),
    'no_labels': ({'labelled': False}, {}),
    'float16': ({'float16': True}, {}),
    'ids': ({'lengths': WORDS}, {}),
    'only_ids': ({'lengths': {'words': [2, 1, 3]}}, {'rows': [2, 0, 1]}),
    'ids_float16': ({'lengths': WORDS, 'float16': True}, {'modalities': ['words']}),
    'given_label_graph': ({}, {'label_graph': GIVEN}),
    'empty_label_graph': ({}, {'label_graph': torch.empty(2, 0, dtype=torch.long)}),
    'rows': ({}, {'rows': [5, 0, 6, 2]}),
    'array_of_rows': ({}, {'rows': np.array([1, 2, 3])}),
    'row_twice': ({}, {'rows': [4, 4, 0]}),
    'modalities': ({}, {'modalities': ['audio', 'visual'], 'rows': [0, 1, 4, 5, 2]}),
    'modalities_reordered': ({}, {'modalities': ['visual', 'audio', 'text']}),
}


@pytest.fixture(params=CASES)
def case(request, make_store):
    store_options, dataset_options = CASES[request.param]
    return make_store(**store_options), dataset_options


@pytest.mark.parametrize('in_memory', [True, False])
def test_batch_equals_that_of_pyg(case, in_memory, assert_same_batch):
    store, options = case
    dataset = StoreDataset(store, in_memory=in_memory, **options)
    for index in ([0], [0, 1, 2], [2, 0, 1], [1, 1], list(range(len(dataset)))):
        expected = Batch.from_data_list([dataset[i] for i in index])
        assert_same_batch(dataset.batch(index), expected)


def test_batch_made_on_a_device_is_the_same(case, assert_same_batch):
    store, options = case
    size = len(StoreDataset(store, **options))
    for indices in (range(size), [size - 1, 0]):
        batch = StoreDataset(store, **options, device='cpu').batch(indices)
        assert_same_batch(batch, StoreDataset(store, **options).batch(indices))


def test_a_device_is_memory(make_store):
    with pytest.raises(InputError, match='in_memory=False'):
        StoreDataset(make_store(), device='cpu', in_memory=False)


def test_everything_of_a_batch_is_on_its_device(make_store):
    batch = StoreDataset(make_store(), device='meta').batch([1, 0])
    tensors = [x for part in batch.stores for x in part.values() if torch.is_tensor(x)]
    assert len(tensors) > 10
    assert {x.device.type for x in tensors} == {'meta'}


@pytest.mark.parametrize('in_memory', [True, False])
def test_sample_is_the_graph_of_what_was_written(case, in_memory, assert_same_batch):
    store, options = case
    dataset = StoreDataset(store, in_memory=in_memory, **options)
    rows = options.get('rows', range(len(store)))
    names = options.get('modalities', store.modalities)
    assert len(dataset) == len(rows)
    for i, row in enumerate(rows):
        expected = build_graph(
            {
                m: x if m in dataset.num_embeddings else x.astype(np.float32)
                for m, x in ((m, store.read(m, row)) for m in names)
            },
            None if store.labels is None else store.labels[row],
            num_labels=store.num_labels,
            kinds={m: store.kinds[m] for m in names},
            num_embeddings={m: 7 for m in names if m == 'words'},
            label_graph=options.get('label_graph'),
            sample_id=f'clip-{row}',
        )
        assert type(dataset[i]) is SampleGraph
        assert_same_batch(
            Batch.from_data_list([dataset[i]]), Batch.from_data_list([expected])
        )


@pytest.mark.parametrize('batch_size', [1, 3, 10])
@pytest.mark.parametrize('drop_last', [False, True])
def test_loader_equals_pygs_loader(
    make_store, assert_same_batch, batch_size, drop_last
):
    dataset = StoreDataset(make_store())
    loader = StoreLoader(dataset, batch_size, drop_last=drop_last)
    one_by_one = [dataset[i] for i in range(len(dataset))]
    expected = DataLoader(one_by_one, batch_size, drop_last=drop_last)
    assert len(loader) == len(expected)
    for batch, other in zip(loader, expected, strict=True):
        assert_same_batch(batch, other)


def test_loader_shuffles_with_its_generator_like_pygs(make_store, assert_same_batch):
    dataset = StoreDataset(make_store())
    orders = []
    for seed in (1, 1, 2):
        generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
        loader = StoreLoader(dataset, 3, shuffle=True, generator=generators[0])
        expected = DataLoader(
            [dataset[i] for i in range(len(dataset))],
            3,
            shuffle=True,
            generator=generators[1],
        )
        orders.append([])
        for _ in range(2):  # Epochs.
            for batch, other in zip(loader, expected, strict=True):
                assert_same_batch(batch, other)
                orders[-1] += batch.sample_id
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0][:7]) == sorted(dataset.sample_ids)
    assert orders[0][:7] != orders[0][7:]


@pytest.mark.parametrize('in_memory', [True, False])
def test_workers_give_the_same_batches(make_store, assert_same_batch, in_memory):
    dataset = StoreDataset(make_store(), in_memory=in_memory)
    next(iter(StoreLoader(dataset, 2)))  # The file is open when the workers start.
    batches = list(StoreLoader(dataset, 2, num_workers=2))
    expected = list(StoreLoader(dataset, 2))
    assert len(batches) == len(expected) == 4
    for batch, other in zip(batches, expected, strict=True):
        assert_same_batch(batch, other)


@pytest.mark.parametrize('in_memory', [True, False])
def test_dataset_survives_pickling(make_store, assert_same_batch, in_memory):
    dataset = StoreDataset(make_store(), in_memory=in_memory)
    again = pickle.loads(pickle.dumps(dataset))
    assert_same_batch(again.batch([3, 1]), dataset.batch([3, 1]))


def test_other_loaders_take_the_dataset(make_store, assert_same_batch):
    dataset = StoreDataset(make_store())
    expected = Batch.from_data_list([dataset[i] for i in range(3)])
    loader = TorchLoader(dataset, 3, collate_fn=Batch.from_data_list)
    assert_same_batch(next(iter(loader)), expected)


def test_pygs_loader_takes_the_dataset(make_store, assert_same_batch):
    dataset = StoreDataset(make_store())
    expected = Batch.from_data_list([dataset[i] for i in range(3)])
    assert_same_batch(next(iter(DataLoader(dataset, 3))), expected)


def test_loader_takes_parts_and_joins_of_datasets(make_store, assert_same_batch):
    dataset = StoreDataset(make_store())
    expected = Batch.from_data_list([dataset[i] for i in (4, 1, 5)])
    part = Subset(dataset, [4, 1, 5])
    assert_same_batch(next(iter(StoreLoader(part, 3))), expected)
    joined = ConcatDataset([Subset(dataset, [4]), Subset(dataset, [1, 5])])
    assert_same_batch(next(iter(StoreLoader(joined, 3))), expected)


def test_loader_prefetches_a_batch_ahead(make_store, monkeypatch):
    dataset = StoreDataset(make_store(), in_memory=False)
    prefetched = []
    monkeypatch.setattr(
        dataset.store,
        'prefetch_slices',
        lambda m, start, length: prefetched.append(
            (m, start.tolist(), length.tolist())
        ),
    )
    part = Subset(dataset, [5, 4, 3, 2, 1])
    batches = iter(StoreLoader(part, 2, sampler=[0, 1, 2, 3, 4]))
    for chosen in ([5, 4], [3, 2], [1]):
        next(batches)
        following = {(5, 4): [3, 2], (3, 2): [1], (1,): None}[tuple(chosen)]
        ahead = [] if following is None else slices_of(dataset, following)
        # Its own again: whoever calls `batch` alone needs them.
        assert prefetched == ahead + slices_of(dataset, chosen)
        prefetched.clear()


@pytest.mark.parametrize(('in_memory', 'drawn'), [(True, 2), (False, 4)])
def test_loader_draws_ahead_only_for_a_file(make_store, in_memory, drawn):
    samples = iter(range(6))
    dataset = StoreDataset(make_store(), in_memory=in_memory)
    next(iter(StoreLoader(dataset, 2, sampler=samples)))
    assert next(samples) == drawn


@pytest.mark.parametrize('in_memory', [True, False])
def test_batches_have_the_default_dtype_of_their_time(make_store, in_memory):
    dataset = StoreDataset(make_store(), in_memory=in_memory)
    torch.set_default_dtype(torch.float64)
    try:
        batch = dataset.batch([0])
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(x.dtype is torch.float64 for x in batch.collect('x').values())


def slices_of(dataset, rows):
    """Where the samples' items lie in the file."""
    starts = {m: dataset.store.ptr[m] for m in dataset.modalities}
    return [
        (m, [ptr[i] for i in rows], [ptr[i + 1] - ptr[i] for i in rows])
        for m, ptr in starts.items()
    ]


@pytest.mark.parametrize('in_memory', [True, False])
def test_loader_can_be_made_again_of_its_parts(
    make_store, assert_same_batch, in_memory
):
    """As Lightning does to predict, and to split the samples over devices."""
    loader = StoreLoader(StoreDataset(make_store(), in_memory=in_memory), 3)
    again = StoreLoader(loader.dataset, sampler=[4, 1, 5], batch_size=3)
    expected = Batch.from_data_list([loader.dataset[i] for i in (4, 1, 5)])
    assert_same_batch(next(iter(again)), expected)


def test_batch_is_what_a_model_reads(make_store):
    dataset = StoreDataset(make_store())
    torch.manual_seed(0)
    model = HHMPN(dataset.in_channels, dataset.num_labels, hidden_channels=4).eval()
    with torch.no_grad():
        for batch in StoreLoader(dataset, 3):
            out = model(batch)
            y = batch['label'].y.view(-1, 3)
            assert out.probs.shape == y.shape == (batch.num_graphs, 3)
            graphs = [dataset[dataset.sample_ids.index(i)] for i in batch.sample_id]
            expected = torch.cat([model(graph).probs for graph in graphs])
            torch.testing.assert_close(out.probs, expected)


def test_facts_of_the_dataset(make_store):
    store = make_store()
    dataset = StoreDataset(store, [2, 0], modalities=['audio', 'text'])
    assert dataset.in_channels == {'audio': 2, 'text': 3}
    assert list(dataset.in_channels) == ['audio', 'text']
    assert dataset.num_labels == 3
    assert dataset.sample_ids == ['clip-2', 'clip-0']
    assert all(type(name) is str for name in dataset.sample_ids)
    assert dataset.y.dtype == torch.float
    assert dataset.y.tolist() == store.labels[[2, 0]].tolist()
    assert len(dataset) == 2


def test_facts_of_a_dataset_without_labels(make_store):
    dataset = StoreDataset(make_store(labelled=False))
    assert dataset.y is None
    assert dataset.num_labels == 3
    assert 'y' not in dataset.batch([0, 1])['label']


def test_prior_label_graph_of_the_training_labels_fits(make_store):
    store = make_store()
    label_graph = prior_label_graph(torch.from_numpy(store.labels))
    batch = StoreDataset(store, label_graph=label_graph).batch([0, 1])
    edge_index = batch['modality', 'l2l', 'modality'].edge_index
    assert edge_index.size(1) == 6 * label_graph.size(1)


def test_last_sample_by_a_negative_index(make_store):
    assert StoreDataset(make_store())[-1].sample_id == 'clip-6'


@pytest.mark.parametrize('in_memory', [True, False])
def test_index_beyond_the_end(make_store, in_memory):
    dataset = StoreDataset(make_store(), in_memory=in_memory)
    with pytest.raises(IndexError):
        dataset[7]
    assert len(list(dataset)) == 7


def test_float16_becomes_the_float32_next_to_it(make_store):
    full, half = make_store(), make_store(float16=True)
    assert half.values('text').dtype == np.float16
    x = StoreDataset(half).batch([0, 2])['text'].x
    assert x.dtype == torch.float
    expected = StoreDataset(full).batch([0, 2])['text'].x.half().float()
    assert torch.equal(x, expected)


@pytest.mark.parametrize(
    'modalities', [['text', 'smell'], ['smell'], [], ['text', 'text']], ids=str
)
def test_refuses_modalities_that_the_store_lacks(make_store, modalities):
    store = make_store()
    with pytest.raises(InputError, match=r'modalities of .*\(got .*\)') as caught:
        StoreDataset(store, modalities=modalities)
    assert str(store.path) in str(caught.value)


def test_refuses_a_sample_without_an_item(make_store):
    store = make_store()
    with pytest.raises(InputError, match=r"1 of 7.*no item.*'clip-3'") as caught:
        StoreDataset(store, modalities=['visual', 'audio'])
    assert str(store.path) in str(caught.value)
    assert len(StoreDataset(store, [0, 1], modalities=['visual', 'audio'])) == 2


def test_refuses_a_label_graph_of_other_labels(make_store):
    dataset = StoreDataset(make_store(num_labels=2), label_graph=GIVEN)
    for read in (lambda: dataset[0], lambda: dataset.batch([0])):
        with pytest.raises(InputError, match="'label_graph'"):
            read()


# Reading from the file.


@pytest.mark.parametrize('rows', [[7], [-1], [0.5], [[0, 1]], [True, False]])
def test_refuses_rows_that_are_none(make_store, rows):
    with pytest.raises(InputError, match=r'samples 0 to 6|rows are indices'):
        StoreDataset(make_store(), rows)


def test_rows_may_be_a_mask_or_none_at_all(make_store, assert_same_batch):
    store = make_store()
    mask = np.arange(7) % 3 == 1
    assert_same_batch(
        StoreDataset(store, mask).batch([0, 1]),
        StoreDataset(store, [1, 4]).batch([0, 1]),
    )
    assert len(StoreDataset(store, [])) == 0


@pytest.mark.parametrize('index', [slice(3), [0, 1], 'clip-0', 1.0])
def test_one_sample_is_chosen_by_an_integer(index, make_store):
    with pytest.raises(InputError, match=r'chosen by an integer'):
        StoreDataset(make_store())[index]
    with pytest.raises(InputError, match='at least one sample'):
        StoreDataset(make_store()).batch([])


@pytest.mark.parametrize('recorded', [True, False])
def test_counts_values_that_are_not_finite(recorded, make_store):
    store = make_store()
    store.close()
    with h5py.File(store.path, 'a') as file:
        group = file['features/text']
        group['values'][0, :2] = [np.nan, np.inf]
        if not recorded:
            del group['non_finite']
    with Store(store.path) as store:
        message = r"'text' of .* holds 2 values .*`clean='zero'`"
        with pytest.raises(InputError, match=message):
            StoreDataset(store)
        with pytest.raises(InputError, match=message):
            StoreDataset(store, in_memory=False).batch(range(7))
        rows = np.flatnonzero(np.diff(store.ptr['audio']) > 0)
        StoreDataset(store, rows, modalities=['audio'])  # The other one is fine.


def test_takes_values_that_were_cleaned(tmp_path):
    with StoreWriter(
        tmp_path / 'a.h5', {'text': ModalitySpec(2)}, ['joy'], clean='zero'
    ) as writer:
        writer.add('s0', {'text': [[np.nan, 1.0]]}, [1], split='train')
    with Store(tmp_path / 'a.h5') as store:
        assert StoreDataset(store).batch([0])['text'].x.tolist() == [[0, 1]]


@pytest.mark.parametrize('in_memory', [True, False])
def test_ids_are_long_integers(make_store, in_memory):
    dataset = StoreDataset(make_store(WORDS), in_memory=in_memory)
    assert dataset.num_embeddings == {'words': 7}
    for graph in (dataset[1], dataset.batch([0, 3])):
        assert graph['words'].x.dtype == torch.long
        assert graph['words'].x.shape == (graph['words'].num_nodes, 1)
    without = StoreDataset(dataset.store, modalities=['text'], rows=[1, 2])
    assert without.num_embeddings == {}


@pytest.mark.parametrize('in_memory', [True, False])
@pytest.mark.parametrize('wrong', [7, -1])
def test_ids_that_a_file_does_not_have_are_refused(make_store, in_memory, wrong):
    store = make_store(WORDS)
    store.close()
    with h5py.File(store.path, 'r+') as file:
        file['features/words/values'][0] = wrong
    with pytest.raises(InputError, match=r"'words' of .* has ids from 0 to 6 \(got"):
        StoreDataset(Store(store.path), in_memory=in_memory).batch([0])


@pytest.mark.parametrize('in_memory', [True, False])
@pytest.mark.parametrize('make', [DataLoader, StoreLoader])
def test_facts_of_the_store_are_in_the_batch(
    make_store, assert_same_batch, in_memory, make
):
    store, rows = make_store(facts=True), [5, 0, 2, 4]
    dataset = StoreDataset(store, rows, in_memory=in_memory, extras=('pair', 'score'))
    batch = next(iter(make(dataset, batch_size=4)))
    assert_same_batch(batch, Batch.from_data_list([dataset[i] for i in range(4)]))
    expected = store.intensities[rows].ravel()
    assert batch['label'].intensity.tolist() == expected.tolist()
    for name in ('pair', 'score'):
        expected = torch.from_numpy(store.extra(name)[rows]).float()
        assert torch.equal(batch[name], expected)
    ptr = store.ptr['text']
    with h5py.File(store.path) as file:
        segment = file['features/text/segment'][()]
    expected = np.concatenate([segment[ptr[i] : ptr[i + 1]] for i in rows])
    assert batch['text'].segment.tolist() == expected.tolist()
    assert 'segment' not in batch['audio']
    assert 'pair' not in StoreDataset(store)[0]


@pytest.mark.parametrize(
    ('extras', 'message'),
    [
        (['valence'], r"no extra array 'valence' \(it has \['pair', 'score'\]\)$"),
        (['label'], "cannot be called 'label'"),
        (['text'], "cannot be called 'text'"),
        (['batch_size'], "cannot be called 'batch_size'"),
    ],
)
def test_extras_that_cannot_be_had(make_store, extras, message):
    with pytest.raises(InputError, match=message):
        StoreDataset(make_store(facts=True), extras=extras)


def test_intensities_are_there_where_all_are_known(tmp_path):
    path = tmp_path / 'a.h5'
    with StoreWriter(path, {'a': ModalitySpec(1)}, ['x', 'y'], intensities=True) as w:
        w.add('0', {'a': [[1.0]]}, [1, 0], intensities=[2, 0])
        w.add('1', {'a': [[1.0]]}, [255, 255])
    store = Store(path)
    assert StoreDataset(store, [0])[0]['label'].intensity.tolist() == [2, 0]
    assert 'intensity' not in StoreDataset(store).batch([0, 1])['label']


@pytest.mark.parametrize('in_memory', [True, False])
def test_segments_that_are_damaged_are_told(make_store, in_memory):
    store = make_store(facts=True)
    store.close()
    with h5py.File(store.path, 'r+') as file:
        file['features/visual/segment'][0] = -1
    with pytest.raises(InputError, match=r"'visual' of .* from 0 on \(got -1"):
        StoreDataset(store, in_memory=in_memory).batch([0])
