from __future__ import annotations

import signal
import sys

import pytest

from hetero_mmer.training.quiet import quiet


def test_interrupt_that_became_an_exit_is_one_again():
    handler = signal.getsignal(signal.SIGINT)

    def fit():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1)

    with pytest.raises(KeyboardInterrupt), quiet():
        fit()
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_exits_stay():
    with pytest.raises(SystemExit) as stop, quiet():
        sys.exit(3)
    assert stop.value.code == 3
