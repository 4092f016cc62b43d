from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs, targets, validate
from hetero_mmer.testing import fake_batch, fake_sample

WIDTHS = {'text': 3, 'words': 1, 'audio': 4}
OPTIONS = {
    'kinds': {'words': 'set'},
    'num_embeddings': {'words': 7},
    'intensities': True,
    'label_graph': torch.tensor([[0, 1], [1, 1]]),
    'extras': {'arousal': (2,), 'speaker': ()},
}


def lengths(batch):
    return torch.stack([batch[m].ptr.diff() for m in WIDTHS], dim=1).tolist()


def same(one, other):
    for mine, others in zip(one.stores, other.stores, strict=True):
        assert list(mine.keys()) == list(others.keys())
        for key, value in mine.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, others[key])


@pytest.mark.parametrize('num_samples', [1, 2, 5, 9])
@pytest.mark.parametrize('seed', range(3))
def test_batches_are_what_they_are_said_to_be(num_samples, seed):
    batch = fake_batch(WIDTHS, 2, num_samples=num_samples, seed=seed, **OPTIONS)
    validate(batch)
    found = lengths(batch)
    assert len(found) == batch.num_graphs == num_samples
    assert max(map(max, found)) <= 5
    assert found[-1] == [1, 1, 1]
    if num_samples > 1:
        assert found[0] == [5, 5, 5]
        y = targets(batch)
        assert (y.min(dim=0).values == 0).all()
        assert (y.max(dim=0).values == 1).all()
    for i, sample in enumerate(found[1:-1]):
        assert [n == 0 for n in sample] == [k == i % 3 for k in range(3)]
    assert batch['text'].x.shape == (sum(n[0] for n in found), 3)
    assert batch['words'].x.dtype == torch.long
    assert 0 <= batch['words'].x.min() <= batch['words'].x.max() < 7
    assert 'pos' in batch['text']
    assert 'pos' not in batch['words']
    assert batch.arousal.shape == (num_samples, 2)
    assert batch.speaker.shape == (num_samples,)
    strength = batch[schema.LABEL].intensity
    assert ((strength > 0) == (batch[schema.LABEL].y > 0)).all()
    assert strength.max() <= 1
    assert batch[schema.L2L].num_edges == 2 * 3 * num_samples


def test_a_batch_is_that_of_its_samples():
    batch = fake_batch(WIDTHS, 2, **OPTIONS)
    same(Batch.from_data_list(batch.to_data_list()), batch)


def test_nothing_is_missing_and_all_is_of_one_length_if_so_wanted():
    found = lengths(fake_batch(WIDTHS, 2, num_samples=9, missing=False))
    assert min(map(min, found)) == 1
    assert len(set(map(tuple, found))) > 3
    for sample in lengths(fake_batch(WIDTHS, 2, num_samples=9, aligned=True)):
        assert len({n for n in sample if n}) == 1


def test_one_modality_is_always_there():
    batch = fake_batch({'text': 3}, 1, max_length=3)
    assert batch['text'].ptr.diff().min() == 1
    assert batch['text'].ptr.diff().max() == 3


def test_the_seed_decides():
    same(
        fake_batch(WIDTHS, 2, seed=1, **OPTIONS),
        fake_batch(WIDTHS, 2, seed=1, **OPTIONS),
    )
    one, other = (fake_sample(WIDTHS, 9, seed=s, lengths={'text': 2}) for s in (1, 2))
    assert not torch.equal(one['text'].x, other['text'].x)
    assert not torch.equal(one['label'].y, other['label'].y)


def test_lengths_of_a_sample():
    sample = fake_sample(WIDTHS, 2, lengths={'text': 7, 'audio': 0}, sample_id='clip-1')
    assert [len(sample[m].x) for m in ('text', 'audio')] == [7, 0]
    assert 1 <= len(sample['words'].x) <= 5
    assert sample.sample_id == 'clip-1'
    assert isinstance(sample.edge_index_dict[schema.f2l('text')], AllPairs)
    with pytest.raises(InputError, match='no item'):
        fake_sample(WIDTHS, 2, lengths=dict.fromkeys(WIDTHS, 0))
