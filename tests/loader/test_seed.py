from __future__ import annotations

from torch.utils.data import DataLoader

from hetero_mmer.loader.seed import EpochSampler


def test_order_depends_on_seed_and_epoch_only():
    epoch = 0
    sampler = EpochSampler(20, 7, lambda: epoch)
    first = list(sampler)
    assert sorted(first) == list(range(20))
    assert list(sampler) == first
    epoch = 1
    assert list(sampler) != first
    epoch = 0
    assert list(sampler) == first
    assert list(EpochSampler(20, 8, lambda: 0)) != first


def test_loader_takes_it():
    sampler = EpochSampler(5, 0, lambda: 3)
    assert len(sampler) == 5
    batches = list(DataLoader(range(5), batch_size=2, sampler=sampler))
    assert [len(batch) for batch in batches] == [2, 2, 1]
