from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.features import alignment
from hetero_mmer.features.alignment import (
    Items,
    align,
    hard_unify,
    impute,
    overlap,
    pad,
    pool,
    trim,
    word_align,
)

TINY = 1e-5


def slow_intersect(begin, finish, entries):
    """The (start, end, row) of sorted entries that overlap one interval, clipped."""
    found = []
    for start, end, row in sorted(entries, key=lambda entry: entry[0]):
        touches = finish - start > -TINY and end - begin > -TINY
        clipped = max(start, begin), min(end, finish)
        if touches and abs(clipped[0] - clipped[1]) > TINY:
            found.append((*clipped, row))
    return found


def slow_collapse(found, how):
    """The entries of one word as one entry, or as they are."""
    if how == 'none' or not found:
        return found
    times = [time for start, end, _ in found for time in (start, end)]
    rows = [[float(value) for value in row] for *_, row in found]
    columns = list(zip(*rows, strict=True))
    row = {
        'mean': [sum(column) / len(column) for column in columns],
        'max': [max(column) for column in columns],
        'min': [min(column) for column in columns],
        'first': rows[0],
        'last': rows[-1],
    }[how]
    return [(min(times), max(times), row)]


def slow_words(words, frames, how, imputed):
    """Entries of words and of frames by word, in the order of a dictionary by word."""
    spoken, heard, missing = [], [], []
    for start, end, row in words:
        if abs(start - end) < TINY:
            continue
        word = slow_collapse([(start, end, row)], how)
        spoken += word
        found = slow_collapse(slow_intersect(start, end, frames), how)
        heard += found
        if imputed and not found:
            missing.append((*word[0][:2], [0.0] * WIDTH))
    return spoken, heard + missing


def slow_segments(segments, entries):
    return [
        [] if abs(start - end) < TINY else slow_intersect(start, end, entries)
        for start, end in segments
    ]


WIDTH = 2
# Eighths are exact: a test of what is longer than 1e-5 has no doubtful cases, and
# equal starts, gaps, touching ends and lengths of zero are common.
TIME = st.integers(-4, 40).map(lambda n: n / 8)
LENGTH = st.sampled_from([0, 0, 1, 1, 2, 3, 8, 40, -2]).map(lambda n: n / 8)
SMALL = st.sampled_from([0.0, 0.0, 0.0, 4e-6, -4e-6, 3e-5])
SPAN = st.builds(lambda t, n, e: (t, t + n + e), TIME, LENGTH, SMALL)
SPANS = st.lists(SPAN, max_size=12)


def items(spans, seed):
    rows = np.random.default_rng(seed).normal(size=(len(spans), WIDTH))
    return Items(rows, np.array(spans, np.float64).reshape(-1, 2))


def entries(rows):
    return [(*map(float, t), f.tolist()) for f, t in zip(*rows, strict=True)]


def same(found, expected):
    assert len(found.features) == len(found.intervals) == len(expected)
    for features, interval, entry in zip(*found, expected, strict=True):
        np.testing.assert_allclose(interval, entry[:2], rtol=0, atol=1e-12)
        np.testing.assert_allclose(features, entry[2], rtol=0, atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(
    words=SPANS,
    frames=SPANS,
    segments=SPANS,
    how=st.sampled_from(['mean', 'mean', 'max', 'min', 'first', 'last', 'none']),
    imputed=st.booleans(),
)
def test_words_then_segments_are_those_of_plain_loops(
    words, frames, segments, how, imputed
):
    words, frames = items(words, 0), items(frames, 1)
    text, others = word_align(words, {'audio': frames}, how, imputed=imputed)
    expected = slow_words(entries(words), entries(frames), how, imputed)
    spans = np.array(segments).reshape(-1, 2)
    for found, slow in zip((text, others['audio']), expected, strict=True):
        same(found, slow)
        by_segment = align(spans, found)
        wanted = slow_segments(segments, slow)
        assert np.diff(by_segment.ptr).tolist() == [len(part) for part in wanted]
        same(Items(*by_segment[:2]), [entry for part in wanted for entry in part])


@settings(max_examples=50, deadline=None)
@given(reference=SPANS, frames=SPANS, block=st.integers(1, 5))
def test_blocks_change_nothing(reference, frames, block):
    reference, frames = (items(spans, 0).intervals for spans in (reference, frames))
    whole = overlap(reference, frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, '_BLOCK_PAIRS', block)
        parts = overlap(reference, frames)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_word_by_hand():
    times = np.array([[0.2, 0.3], [0.0, 0.1], [0.1, 0.2], [0.5, 0.6]])
    frames = Items(np.array([[30.0], [10.0], [20.0], [99.0]]), times)
    word = np.array([[0.05, 0.25]])
    plain = align(word, frames)
    assert plain.features.tolist() == [[10], [20], [30]]
    assert plain.intervals.tolist() == [[0.05, 0.1], [0.1, 0.2], [0.2, 0.25]]
    mean = align(word, frames, 'mean')
    assert mean.features.tolist() == [[20]]
    assert mean.intervals.tolist() == [[0.05, 0.25]]


@pytest.mark.parametrize(('length', 'is_used'), [(0.9e-5, False), (1.1e-5, True)])
def test_tiny_words_and_overlaps_are_dropped(length, is_used):
    frame = Items(np.ones((1, 1)), np.array([[0.0, 1.0]]))
    for reference in ([0.5, 0.5 + length], [1.0 - length, 2.0]):
        assert len(overlap(np.array([reference]), frame.intervals).rows) == is_used


def test_equal_starts_stay_in_order_and_zeros_come_last():
    # The second word is the longer one; the first has no frame: its row of zeros starts
    # where the frame of the second starts, and comes after it.
    words = Items(np.eye(2), np.array([[1.0, 1.5], [1.0, 2.0]]))
    audio = Items(np.ones((1, 1)), np.array([[0.5, 1.0]]))
    late = Items(np.ones((1, 1)), np.array([[1.5, 2.0]]))
    _, others = word_align(words, {'early': audio, 'late': late})
    assert others['early'].features.tolist() == [[0], [0]]
    assert others['late'].features.tolist() == [[1], [0]]
    assert others['late'].intervals.tolist() == [[1.5, 2.0], [1.0, 1.5]]
    segment = align(np.array([[0.0, 3.0]]), others['late'])
    assert segment.features.tolist() == [[0], [1]]  # By start again.


def test_means_of_infinities():
    times = np.arange(4)[:, None] + np.array([0.0, 1.0])
    values = np.array([[-np.inf, np.inf], [1, -np.inf], [2, 5], [4, 5]], np.float32)
    reference = np.array([[0.0, 2.0], [2.0, 4.0]])
    out = align(reference, Items(values, times), 'mean')
    np.testing.assert_array_equal(out.features, [[-np.inf, np.nan], [3, 5]])
    assert out.features.dtype == np.float32


def test_means_of_whole_numbers():
    frames = Items(np.array([[1], [2]]), np.array([[0.0, 1.0], [1.0, 2.0]]))
    assert align(np.array([[0.0, 2.0]]), frames, 'mean').features.tolist() == [[1.5]]


def test_times_that_are_not_finite_overlap_nothing():
    times = np.array([[np.nan, 1.0], [0.0, np.inf], [0.0, 1.0]])
    frames = Items(np.array([[1.0], [2.0], [3.0]]), times)
    reference = np.array([[0.0, 1.0], [np.nan, 1.0], [0.0, np.nan]])
    out = align(reference, frames)
    assert out.features.tolist() == [[3]]
    assert out.ptr.tolist() == [0, 1, 1, 1]


def test_impute_without_gaps_changes_nothing():
    frames = Items(np.ones((1, 1), np.float32), np.array([[0.0, 1.0]]))
    full = impute(align(frames.intervals, frames), frames.intervals)
    assert full.features.tolist() == [[1]]
    assert full.features.dtype == np.float32


def test_pooling_by_hand():
    times = np.arange(10)[:, None] / 10 + np.array([0.0, 0.1])
    frames = Items(np.arange(10.0)[:, None], times)
    gap = Items(frames.features[[0, 1, 8, 9]], times[[0, 1, 8, 9]])
    whole = np.array([[0.0, 1.0], [0.5, 0.9], [-3.0, 1e9], [0.5, 0.2]])
    out = pool(whole, frames, 5)
    parts = np.split(out.features[:, 0], out.ptr[1:-1])
    np.testing.assert_allclose(parts[0], [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(parts[1], [5.5, 7.5])
    np.testing.assert_allclose(parts[2], parts[0])  # The grid ends with the frames.
    assert len(parts[3]) == 0
    out = pool(whole[:1], gap, 5)
    np.testing.assert_allclose(out.features[:, 0], [0.5, 8.5])
    np.testing.assert_allclose(out.intervals, [[0.0, 0.2], [0.8, 1.0]], atol=1e-12)
    assert pool(whole[:1], frames, 0.1).features.tolist() == [[4.5]]
    empty = Items(frames.features[:0], times[:0])
    assert pool(whole, empty, 5).ptr.tolist() == [0] * 5


@pytest.mark.parametrize('rate', [0, -1.0, float('nan'), float('inf')])
def test_rates_are_positive(rate):
    frames = Items(np.ones((1, 1)), np.array([[0.0, 1.0]]))
    with pytest.raises(InputError, match='a rate is a positive number of Hz'):
        pool(frames.intervals, frames, rate)


def test_hard_unify_needs_every_sequence():
    reference = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    first = align(reference, Items(np.ones((2, 1)), reference[:2]))
    second = align(reference, Items(np.ones((2, 1)), reference[1:]))
    assert hard_unify(first, second).tolist() == [False, True, False]


def test_trim_and_pad():
    rows = np.arange(6).reshape(3, 2)
    assert trim(rows, None) is rows
    assert trim(rows, 5).tolist() == rows.tolist()
    assert trim(rows, 2).tolist() == [[2, 3], [4, 5]]
    assert trim(rows, 2, 'first').tolist() == [[0, 1], [2, 3]]
    assert pad(rows, 4).tolist() == [[0, 0], *rows.tolist()]
    assert pad(rows, 4, 'first').tolist() == [*rows.tolist(), [0, 0]]
    assert pad(rows, 1, 'first').tolist() == [[0, 1]]
