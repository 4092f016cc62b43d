from __future__ import annotations

import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.nn.encoder import CTCAligner


@pytest.mark.parametrize('lengths', [[3, 3], [2, 0, 5, 1], [0, 4, 0]])
def test_equals_one_sequence_at_a_time(lengths):
    torch.manual_seed(0)
    aligner = CTCAligner(3, 4).double()
    x = torch.randn(sum(lengths), 3, dtype=torch.double)
    ptr = torch.tensor([0, *lengths]).cumsum(0)
    out, new_ptr = aligner(x, ptr)
    rows = [0]
    for b, part in enumerate(x.split(lengths)):
        rows.append(rows[-1] + 4 * (len(part) > 0))
        mine = out[new_ptr[b] : new_ptr[b + 1]]
        if not len(part):
            assert not len(mine)
            continue
        hidden, _ = aligner.lstm(part)  # [S, 1 + 4]
        weight = hidden.exp() / hidden.exp().sum(dim=1, keepdim=True)
        for t in range(4):
            expected = sum(weight[j, t + 1] * part[j] for j in range(len(part)))
            torch.testing.assert_close(mine[t], expected)
    assert new_ptr.tolist() == rows


def test_nothing_at_all():
    x, ptr = CTCAligner(3, 4)(torch.randn(0, 3), torch.tensor([0, 0, 0]))
    assert x.shape == (0, 3)
    assert ptr.tolist() == [0, 0, 0]


def test_refuses_to_make_nothing():
    with pytest.raises(InputError, match='at least one'):
        CTCAligner(3, 0)
