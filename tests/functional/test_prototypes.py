from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from hetero_mmer.functional.prototypes import (
    hard_intrinsic,
    prototype_similarity,
    soft_intrinsic,
    update_prototypes,
)


def draw(batch=7, modalities=3, labels=4, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.double)

    x = F.normalize(rand(batch, modalities, labels, width) - 0.5, dim=-1)
    y = (rand(batch, labels) > 0.5).double()
    mask = rand(batch, modalities) > 0.3
    mask[:, 0] |= ~mask.any(dim=1)
    return rand(modalities, labels, 2, width), x, y, mask


def loop(prototypes, x, y, mask, momentum):
    """Eq. 8: sample by sample, label by label."""
    out = prototypes.clone()
    for b in range(x.size(0)):
        for m in range(x.size(1)):
            for i in range(x.size(2)):
                if mask[b, m]:
                    mu = out[m, i, int(y[b, i])]
                    out[m, i, int(y[b, i])] = (
                        momentum * mu + (1 - momentum) * x[b, m, i]
                    )
    return out


@pytest.mark.parametrize('momentum', [0.0, 0.9, 0.99, 1.0])
def test_closed_form_equals_sequential_loop(momentum):
    args = draw()
    new = update_prototypes(*args, momentum=momentum)
    expected = loop(*args, momentum)
    torch.testing.assert_close(new, expected, rtol=1e-12, atol=1e-12)


def test_two_batches_are_one_after_the_other():
    prototypes, x, y, mask = draw()
    whole = update_prototypes(prototypes, x, y, mask)
    half = update_prototypes(prototypes, x[:3], y[:3], mask[:3])
    half = update_prototypes(half, x[3:], y[3:], mask[3:])
    torch.testing.assert_close(half, whole)


def test_class_that_does_not_occur_stays():
    prototypes, x, _, mask = draw()
    new = update_prototypes(prototypes, x, torch.zeros(7, 4), mask, momentum=0.5)
    assert torch.equal(new[:, :, 1], prototypes[:, :, 1])
    assert not torch.equal(new[:, :, 0], prototypes[:, :, 0])
    nobody = torch.zeros_like(mask)
    same = update_prototypes(prototypes, x, torch.zeros(7, 4), nobody, momentum=0.5)
    assert torch.equal(same, prototypes)


def test_normalised_prototypes_have_length_one_or_zero():
    _, x, y, mask = draw()
    zero = torch.zeros(3, 4, 2, 5).double()
    y[:, 0] = 1  # Nothing is negative for the first label.
    new = update_prototypes(zero, x, y, mask, normalize=True)
    plain = update_prototypes(zero, x, y, mask)
    torch.testing.assert_close(new[0, 0, 1], plain[0, 0, 1] / plain[0, 0, 1].norm())
    assert torch.equal(new[:, 0, 0], zero[:, 0, 0])


# One modality, one label, prototypes (0, 1) of absence and (2, 0) of presence.
PROTOTYPES = torch.tensor([[[[0.0, 1.0], [2.0, 0.0]]]])


def intrinsic(function, x):
    x = torch.tensor(x).view(1, 1, 1, 2)
    similarity = prototype_similarity(x, PROTOTYPES, torch.tensor([[True]]))
    return function(similarity, PROTOTYPES).flatten().tolist()


def test_soft_vector_by_hand():
    # Similarities 0.8 to absence and 2 * 0.6 = 1.2 to presence.
    q = math.exp(1.2) / (math.exp(1.2) + math.exp(0.8))
    assert intrinsic(soft_intrinsic, [0.6, 0.8]) == pytest.approx([2 * q, 1 - q])


@pytest.mark.parametrize(
    ('x', 'expected'),
    [
        ([0.6, 0.8], [2.0, 0.0]),  # 1.2 beats 0.8.
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.5, 1.0], [0.0, 1.0]),  # 1 each: not strictly more similar.
    ],
)
def test_hard_vector_by_hand(x, expected):
    assert intrinsic(hard_intrinsic, x) == expected


def test_missing_modality_is_as_similar_as_the_others():
    prototypes, x, _, _ = draw(batch=1)
    mask = torch.tensor([[True, False, True]])
    x[0, 1] = torch.nan  # What a missing modality holds means nothing.
    similarity = prototype_similarity(x, prototypes, mask)
    for i in range(4):
        for p in range(2):
            own = [x[0, m, i] @ prototypes[m, i, p] for m in (0, 2)]
            assert similarity[0, 0, i, p] == pytest.approx(own[0])
            assert similarity[0, 1, i, p] == pytest.approx(sum(own) / 2)
