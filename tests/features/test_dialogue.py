from __future__ import annotations

import math

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.features.dialogue import (
    SpeakerCast,
    TimingScale,
    finite_spans,
    main_cast,
    one_hot,
    parse_time,
    timing,
)

NAN = math.nan


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('00:16:16,059', 976.059),
        ('0:36:59,425', 2219.425),
        ('01:00:00,5', 3600.5),
        ('00:00:01.250', 1.25),
        (' 00:00:07 ', 7.0),
    ],
)
def test_times(text, seconds):
    assert parse_time(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    'text', ['', 'nan', '16:16', '00:16:16,', '-1:00:00,0', '00:00:00,1234', '9' * 5000]
)
def test_times_that_cannot_be_read(text):
    assert math.isnan(parse_time(text))


def test_timing_by_hand():
    first = np.array([True, False, False, False, True, False, False, False])
    start = np.array([10, 13, 14, 80, 5.0, 6, 70, NAN])
    stop = np.array([12, 15, 20, 79, 5.5, 10, 131, 140])
    words = np.array([4, 1, 3, 2, 1, 0, 9, 3])
    expected = [
        [2, NAN, 2],
        [2, 1, 0.5],
        [6, -1, 0.5],  # overlaps with the previous one
        [NAN, NAN, NAN],  # ends before it starts
        [0.5, NAN, 2],
        [4, 0.5, 0],
        [NAN, NAN, NAN],  # longer than a minute
        [NAN, NAN, NAN],  # cannot be read
    ]
    np.testing.assert_allclose(timing(start, stop, words, first), expected)


def test_a_gap_of_more_than_a_minute_is_no_gap():
    first = np.array([True, False, False])
    values = timing(
        np.array([0.0, 100, 30]), np.array([1.0, 101, 31]), np.ones(3), first
    )
    assert np.isnan(values[:, 1]).all()
    np.testing.assert_array_equal(values[:, 0], 1)


def test_timing_leaves_its_arguments():
    start, stop = np.array([1.0, 2]), np.array([0.5, 3])
    timing(start, stop, np.ones(2), np.array([True, False]))
    assert (start.tolist(), stop.tolist()) == ([1, 2], [0.5, 3])


def test_features_by_hand():
    values = np.array([[1, NAN, 3], [3, -1, NAN], [NAN, NAN, NAN], [7, 1, 3]])
    train = np.array([True, True, True, False])
    first = np.array([True, False, False, False])
    x = TimingScale().fit(values[train]).transform(values, first)
    logs = np.log([2.0, 4.0])
    np.testing.assert_allclose(x[:2, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)
    assert x[3, 0] == pytest.approx((math.log(8) - logs.mean()) / logs.std())
    # One known gap in train, -log 2: its spread is 0, so differences stay as they are.
    assert x[:, 1].tolist() == [0, 0, 0, pytest.approx(2 * math.log(2))]
    assert x[:, 3].tolist() == [1, 0, 0, 0]
    assert x[:, 4].tolist() == [0, 0, 1, 0]
    assert x.dtype == np.float32
    changed = values.copy()
    changed[3] = 1000
    y = TimingScale().fit(changed[train]).transform(changed, first)
    np.testing.assert_array_equal(y[:3], x[:3])


def test_nothing_known():
    values = np.full((2, 3), NAN)
    x = TimingScale().fit(values).transform(values, np.array([True, False]))
    np.testing.assert_array_equal(x, [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]])


def test_spans():
    spans = finite_spans(np.array([1, 5, NAN, 2, NAN]), np.array([2, 4, 3, NAN, NAN]))
    np.testing.assert_array_equal(spans, [[1, 2], [5, 5], [3, 3], [2, 2], [0, 0]])


def test_cast():
    speakers = ['c', 'a', 'b', 'a', 'b']
    assert main_cast(speakers, 2) == ('a', 'b')
    assert main_cast(speakers, 9) == ('a', 'b', 'c')
    assert main_cast(speakers, 0) == ()
    np.testing.assert_array_equal(one_hot(['b', 'z'], ()), [[1], [1]])
    with pytest.raises(InputError, match='not negative'):
        main_cast(speakers, -1)


def test_a_fitted_cast_knows_only_its_own():
    cast = SpeakerCast(2).fit(['c', 'a', 'b', 'a', 'b'])
    again = SpeakerCast.of(cast.fitted)
    assert again.columns == ('a', 'b', 'other')
    x = again.transform(['c', 'b', 'new'])
    assert x.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert again.fitted.sha256 == cast.fitted.sha256
    assert SpeakerCast(1).fit(['a']).fitted.sha256 != cast.fitted.sha256


def test_a_fitted_timing_scale_does_not_learn_again():
    train = np.array([[1.0, NAN, 3], [3, -1, 2], [5, 2, 1]])
    new = np.array([[3.0, -1, 2], [100, NAN, 9]])
    scale = TimingScale().fit(train)
    again = TimingScale.of(scale.fitted)
    x = again.transform(new, np.array([False, True]))
    whole = scale.transform(train, np.array([True, False, False]))
    np.testing.assert_array_equal(x[0], whole[1])
    logs = np.log1p(train[:, 0])
    z = (math.log(101) - logs.mean()) / logs.std()
    assert x[1, 0] == pytest.approx(z, rel=1e-6)
    assert again.fitted.sha256 == scale.fitted.sha256
