from __future__ import annotations

import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.nn import CARATLoss

LEVELS = ('lsr', 'frr', 'srr')
NAMES = ['mse_semantic', 'mse_fusion', 'contrastive', 'bce_agg', 'bce_shuffled']


def test_is_eq_15_by_hand():
    loss = CARATLoss(
        LEVELS,
        bce_weights=(2.0, 3.0, 5.0),
        reconstruction_weight=7.0,
        contrastive_weight=11.0,
        shuffle_weight=13.0,
    )
    names = [*(f'bce_{level}' for level in LEVELS), *NAMES]
    parts = {name: torch.tensor(10.0**k) for k, name in enumerate(names)}
    weights = [2, 3, 5, 7, 7, 11, 1, 13]
    assert loss(parts) == sum(w * 10**k for k, w in enumerate(weights))
    assert loss({'bce_agg': parts['bce_agg']}) == parts['bce_agg']


def test_each_level_has_its_weight():
    with pytest.raises(InputError, match=r"\['lsr', 'srr'\] \(got \[1.0\]\)"):
        CARATLoss(['lsr', 'srr'], bce_weights=[1.0])
    CARATLoss((), bce_weights=[1.0])  # Nothing is predicted from levels alone.
