from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hetero_mmer.functional.joint_attention as joint_attention_module
from hetero_mmer.functional.joint_attention import joint_attention, joint_layout

WIDTH, HEADS = 3, 2


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """As many groups as a large batch would have."""
    monkeypatch.setattr(joint_attention_module, 'PAIRS_OF_A_GROUP', 4)


def make_ranges(lengths, order=None):
    """The blocks of a type, and in which order their rows lie."""
    order = range(len(lengths)) if order is None else order
    out, start = [None] * len(lengths), 0
    for k in order:
        out[k] = [start, start + lengths[k]]
        start += lengths[k]
    return torch.tensor(out, dtype=torch.long).view(-1, 2)


def by_loops(query, key, value, ranges):
    """One node, block, type and head at a time."""
    offset = [0]
    for r in ranges:
        offset.append(offset[-1] + int(r.diff().sum()))
    out = {}
    for n, targets in enumerate(ranges):
        for m, sources in enumerate(ranges):
            pairs = zip(targets.tolist(), sources.tolist(), strict=True)
            for (t0, t1), (s0, s1) in pairs:
                for i in range(offset[n] + t0, offset[n] + t1):
                    near = range(offset[m] + s0, offset[m] + s1)
                    near = [j for j in near if j != i]
                    for h in range(HEADS if near else 0):
                        scores = [query[i, h] @ key[j, h] / WIDTH**0.5 for j in near]
                        total = sum(score.exp() for score in scores)
                        out[i, m, h] = sum(
                            score.exp() / total * value[j, h]
                            for score, j in zip(scores, near, strict=True)
                        )
    nothing = 0 * (query + key + value).sum(dim=(0, 1))
    cells = [
        out.get((i, m, h), nothing)
        for i in range(len(query))
        for m in range(len(ranges))
        for h in range(HEADS)
    ]
    shape = (len(query), len(ranges), HEADS, WIDTH)
    return torch.stack(cells).view(shape) if cells else torch.zeros(shape)


def draw(ranges, seed=0):
    size = sum(int(r.diff().sum()) for r in ranges)
    generator = torch.Generator().manual_seed(seed)
    shape = (3, size, HEADS, WIDTH)
    x = torch.randn(shape, generator=generator, dtype=torch.double)
    return [part.clone().requires_grad_() for part in x]


def attend(query, key, value, ranges, **kwargs):
    layout = joint_layout(ranges)
    arranged = [layout.arrange(x) for x in (query, key, value)]
    return torch.cat(joint_attention(*arranged, layout, **kwargs))


def check(ranges, seed=0):
    inputs = draw(ranges, seed)
    out = attend(*inputs, ranges)
    expected = by_loops(*inputs, ranges)
    if len(expected):
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
        weight = torch.randn_like(out)
        grads = torch.autograd.grad((out * weight).sum(), inputs)
        right = torch.autograd.grad((expected * weight).sum(), inputs)
        for grad, other in zip(grads, right, strict=True):
            torch.testing.assert_close(grad, other, rtol=0, atol=1e-11)


LENGTHS = {
    'equal': [[3, 3], [3, 3]],
    'equal_in_a_type': [[2, 2], [4, 4], [3, 3]],
    'ragged': [[3, 1, 4], [2, 5, 1]],
    'several_groups': [[1, 5, 2, 4, 3, 1], [2, 2, 1, 3, 0, 1]],
    'missing_types': [[0, 2], [3, 0]],
    'a_type_without_rows': [[2, 3], [0, 0]],
    'no_row_at_all': [[0, 0], [0, 0]],
    'single_rows': [[1, 1], [1, 1]],
    'one_type': [[3, 2]],
    'one_type_of_single_rows': [[1, 1]],
}


@pytest.mark.parametrize('name', LENGTHS)
def test_agrees_with_loops(name):
    check([make_ranges(lengths) for lengths in LENGTHS[name]])


def test_rows_may_come_in_another_order_than_blocks():
    check([make_ranges([3, 1, 2], [2, 0, 1]), make_ranges([1, 4, 2], [1, 2, 0])])


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 99),
)
def test_agrees_with_loops_on_random_blocks(lengths, order, seed):
    ranges = [
        make_ranges(column, order.sample(range(len(column)), len(column)))
        for column in zip(*lengths, strict=True)
    ]
    check(ranges, seed)


@pytest.mark.parametrize('name', ['missing_types', 'single_rows'])
def test_no_gradient_is_nan_on_the_way(name):
    ranges = [make_ranges(lengths) for lengths in LENGTHS[name]]
    with torch.autograd.set_detect_anomaly(True, check_nan=True):
        attend(*draw(ranges), ranges).sum().backward()


@pytest.mark.parametrize(('pairs', 'num_groups'), [(10_000, 1), (5_000, 2), (1, 8)])
def test_similar_blocks_are_padded_together(monkeypatch, pairs, num_groups):
    monkeypatch.setattr(joint_attention_module, 'PAIRS_OF_A_GROUP', pairs)
    lengths = [60, 5, 59, 6, 58, 7, 57, 8]  # 13,864 pairs.
    layout = joint_layout([make_ranges(lengths)])
    places = [group.num_blocks * group.num_targets for group in layout.groups]
    expected = {1: 8 * 60, 2: 4 * 60 + 4 * 8, 8: sum(lengths)}
    assert len(places) == num_groups
    assert sum(places) == expected[num_groups]


def test_dropout_drops_weights_and_keeps_the_mean():
    torch.manual_seed(0)
    query, value = torch.zeros(400, 1, 1), torch.ones(400, 1, 1)
    out = attend(query, query, value, [torch.tensor([[0, 400]])], dropout=0.25)
    assert out.std() > 0  # Each target loses other weights.
    # 399 weights of which three quarters stay, four thirds as large.
    error = math.sqrt(0.25 / 0.75 / 399 / 400)
    assert abs(float(out.mean()) - 1) < 5 * error


def test_takes_functional_and_batched_gradients():
    ranges = [make_ranges([2, 1]), make_ranges([1, 2])]
    inputs = draw(ranges)
    out = attend(*inputs, ranges)
    right = torch.autograd.grad(out.square().sum(), inputs, retain_graph=True)
    grads = torch.func.grad(lambda x: attend(*x, ranges).square().sum())(tuple(inputs))
    for grad, other in zip(grads, right, strict=True):
        torch.testing.assert_close(grad, other)

    layout = joint_layout(ranges)
    arranged = [layout.arrange(x) for x in inputs]
    for part in joint_attention(*arranged, layout):  # Of one output at a time.
        some = part.flatten()[-3:]
        rows = [torch.autograd.grad(x, inputs[2], retain_graph=True)[0] for x in some]
        (batched,) = torch.autograd.grad(
            some,
            inputs[2],
            torch.eye(3, dtype=some.dtype),
            retain_graph=True,
            is_grads_batched=True,
        )
        torch.testing.assert_close(batched, torch.stack(rows))


def test_no_block_is_no_group():
    assert joint_layout([torch.zeros(0, 2, dtype=torch.long)] * 2).groups == []


def test_has_second_derivatives():
    ranges = [make_ranges([2, 1]), make_ranges([1, 2])]
    assert torch.autograd.gradgradcheck(
        lambda *inputs: attend(*inputs, ranges), draw(ranges)
    )
