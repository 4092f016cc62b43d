from __future__ import annotations

import math

import pytest
import torch

from hetero_mmer.functional.position import sinusoidal_encoding


@pytest.mark.parametrize('channels', [1, 2, 5, 8])
def test_encoding_agrees_with_loops(channels):
    places = [0, 3, 1, 17, 3]
    encoding = sinusoidal_encoding(torch.tensor(places), channels)
    assert encoding.shape == (len(places), channels)
    for row, t in zip(encoding.tolist(), places, strict=True):
        for c, value in enumerate(row):
            angle = t / 10000 ** (2 * (c // 2) / channels)
            expected = math.sin(angle) if c % 2 == 0 else math.cos(angle)
            assert value == pytest.approx(expected, abs=1e-5)


def test_first_place_by_hand():
    encoding = sinusoidal_encoding(torch.tensor([0]), 4)
    assert encoding.tolist() == [[0, 1, 0, 1]]


def test_no_place_gives_no_row():
    empty = torch.empty(0, dtype=torch.long)
    assert sinusoidal_encoding(empty, 6).shape == (0, 6)


def test_places_of_a_long_sequence_stay_apart():
    encoding = sinusoidal_encoding(torch.arange(500), 16)
    distance = torch.cdist(encoding, encoding) + 10 * torch.eye(500)
    assert distance.min() > 0.1
    assert encoding.abs().max() <= 1
    torch.testing.assert_close(encoding.norm(dim=1), torch.full((500,), math.sqrt(8)))
