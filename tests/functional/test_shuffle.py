from __future__ import annotations

import collections

import pytest
import torch

from hetero_mmer.functional.shuffle import (
    permutations,
    shuffle_modalities,
    shuffle_samples,
)

B, M, L, D = 5, 3, 4, 2


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def draw(generator, *shape):
    keys = torch.rand(*shape, generator=generator)
    return permutations(keys, torch.ones(shape, dtype=torch.bool))


def test_equals_a_loop_over_cells(generator):
    x = torch.randn(B, M, L, D, generator=generator)
    samples, modalities = draw(generator, L, M, B), draw(generator, L, B, M)
    one, other = shuffle_samples(x, samples), shuffle_modalities(x, modalities)
    for b in range(B):
        for m in range(M):
            for i in range(L):
                assert torch.equal(one[b, m, i], x[samples[i, m, b], m, i])
                assert torch.equal(other[b, m, i], x[b, modalities[i, b, m], i])


def test_labels_move_along(generator):
    """Every vector holds its own label, before and after."""
    y = torch.randint(2, (B, 1, L), generator=generator).expand(B, M, L)
    x = torch.stack([y, torch.arange(B * M * L).view(B, M, L)], dim=-1)
    samples, modalities = draw(generator, L, M, B), draw(generator, L, B, M)
    x = shuffle_modalities(shuffle_samples(x, samples), modalities)
    y = shuffle_modalities(shuffle_samples(y, samples), modalities)
    assert torch.equal(x[..., 0], y)
    assert x[..., 1].flatten().sort().values.tolist() == list(range(B * M * L))


def test_gradient_goes_back_to_where_a_vector_came_from(generator):
    x = torch.randn(B, M, L, D, generator=generator, requires_grad=True)
    perm = draw(generator, L, M, B)
    weight = torch.randn(B, M, L, D, generator=generator)
    (shuffle_samples(x, perm) * weight).sum().backward()
    back = shuffle_samples(weight, perm.argsort(dim=-1))
    assert torch.equal(x.grad, back)


def test_drawn_are_permutations_that_leave_places_alone(generator):
    keys = torch.rand(200, 6, generator=generator)
    free = torch.rand(200, 6, generator=generator) > 0.4
    perm = permutations(keys, free)
    places = torch.arange(6).expand(200, 6)
    assert torch.equal(perm.sort(dim=-1).values, places)
    assert torch.equal(perm[~free], places[~free])
    assert (free.gather(1, perm) == free).all()


def test_every_permutation_of_the_free_places_is_equally_likely(generator):
    keys = torch.rand(6000, 4, generator=generator)
    free = torch.tensor([True, False, True, True]).expand(6000, 4)
    perm = permutations(keys, free)
    count = collections.Counter(map(tuple, perm.tolist()))
    assert len(count) == 6
    assert all(900 < value < 1100 for value in count.values())
