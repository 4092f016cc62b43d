from __future__ import annotations

import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.metrics import decide

PROBS = torch.tensor([[0.5, 0.6], [0.2, 0.3]])


@pytest.mark.parametrize('threshold', [0.5, torch.tensor([0.2, 0.7])])
def test_a_threshold_decides(threshold):
    expected = [
        [p > t for p, t in zip(row, torch.as_tensor(threshold).expand(2), strict=True)]
        for row in PROBS
    ]
    assert decide(PROBS, threshold).tolist() == expected


@pytest.mark.parametrize('dtype', [torch.bool, torch.long])
def test_a_model_that_decides_needs_none(dtype):
    pred = torch.tensor([[1, 0], [1, 1]], dtype=dtype)
    for threshold in (0.0, 1.0):
        decided = decide(PROBS, threshold, pred)
        assert decided.dtype == torch.bool
        assert decided.equal(pred.bool())


def test_refuses_another_shape():
    with pytest.raises(InputError, match=r"'pred' .* \[2\] and \[2, 2\]"):
        decide(PROBS, 0.5, torch.ones(2, dtype=torch.bool))
