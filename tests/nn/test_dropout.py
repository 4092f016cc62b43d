from __future__ import annotations

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.nn.dropout import Dropout


def test_a_probability_that_is_no_number_is_refused():
    with pytest.raises(InputError, match=r'\[0, 1\] \(got nan\)'):
        Dropout(float('nan'))
    with pytest.raises(ValueError, match='between 0 and 1'):
        Dropout(1.5)
    assert Dropout(1).p == 1
