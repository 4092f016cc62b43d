from __future__ import annotations

import pytest
import torch
from torch_geometric.utils import to_dense_batch

from hetero_mmer.functional.padding import pad


def pointers(lengths):
    return torch.tensor([0, *lengths]).cumsum(0)


@pytest.mark.parametrize('lengths', [[3], [2, 0, 4, 1], [0, 0, 2], [1, 1]])
@pytest.mark.parametrize('shape', [(), (3,), (2, 3)])
def test_equals_what_pyg_pads(lengths, shape):
    x, ptr = torch.randn(sum(lengths), *shape), pointers(lengths)
    out, mask = pad(x, ptr)
    sample = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    expected, there = to_dense_batch(x, sample, batch_size=len(lengths))
    assert torch.equal(out, expected)
    assert torch.equal(mask, there)
    assert torch.equal(out[mask], x)


@pytest.mark.parametrize('size', [1, 2, 7])
def test_a_size_cuts_off_and_fills_up(size):
    lengths = [2, 0, 4, 1]
    x = torch.arange(1, 8)
    out, mask = pad(x, pointers(lengths), size)
    rows = [part.tolist() for part in x.split(lengths)]
    assert out.tolist() == [(row + 7 * [0])[:size] for row in rows]
    assert mask.tolist() == [[k < len(row) for k in range(size)] for row in rows]
    assert out.dtype == torch.long


def test_no_rows_at_all_are_one_masked_place():
    out, mask = pad(torch.empty(0, 3), pointers([0, 0]))
    assert out.shape == (2, 1, 3)
    assert not mask.any()


def test_gradients():
    x = torch.randn(5, 2, dtype=torch.double, requires_grad=True)
    for size in (None, 2):
        assert torch.autograd.gradcheck(
            lambda x, n=size: pad(x, pointers([1, 0, 4]), n)[0], x
        )
