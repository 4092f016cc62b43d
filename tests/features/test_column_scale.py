from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler

from hetero_mmer.features.column_scale import ColumnScale


def test_as_scikit_learn():
    rng = np.random.default_rng(0)
    train, new = (rng.normal(3, [1, 20, 0.1], size=(n, 3)) for n in (30, 7))
    train[4, 1] = train[5, 0] = new[2, 2] = np.nan
    scale, theirs = ColumnScale(['a', 'b', 'c']).fit(train), StandardScaler().fit(train)
    np.testing.assert_allclose(scale.transform(new), theirs.transform(new), rtol=1e-9)
    again = ColumnScale.of(scale.fitted)
    assert again.columns == ('a', 'b', 'c')
    np.testing.assert_array_equal(again.transform(new), scale.transform(new))
    assert again.fitted.sha256 == scale.fitted.sha256


def test_nothing_to_learn():
    scale = ColumnScale(['none', 'same']).fit(np.array([[np.inf, 4], [np.nan, 4]]))
    assert (scale.mean.tolist(), scale.std.tolist()) == ([0, 4], [1, 1])
    assert scale.transform(np.array([[3.0, 6]])).tolist() == [[3, 2]]


def test_names_and_numbers_tell_scales_apart():
    values = np.array([[1.0], [2]])
    one = ColumnScale(['a']).fit(values).fitted.sha256
    assert ColumnScale(['b']).fit(values).fitted.sha256 != one
    assert ColumnScale(['a']).fit(values + 1).fitted.sha256 != one
