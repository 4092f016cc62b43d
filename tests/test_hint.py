from __future__ import annotations

from hetero_mmer.hint import did_you_mean


def test_did_you_mean():
    assert did_you_mean('epoch', ['epochs', 'seed']) == "; did you mean 'epochs'?"
    assert did_you_mean('hhmpn', ['HHMPN']) == "; did you mean 'HHMPN'?"
    assert did_you_mean('xyz', ['epochs']) == ''
