"""Lightning without its hints."""

from __future__ import annotations

import contextlib
import logging
import signal
import warnings
from collections.abc import Iterator

from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.warnings import PossibleUserWarning

from hetero_mmer.errors import Stopped

_LOGGERS = ('pytorch_lightning', 'lightning_fabric', 'lightning_utilities')


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences hints about hardware, workers and habits, and restores all at the end.

    An interrupt comes out as the :class:`KeyboardInterrupt` that it was, which
    Lightning would turn into an exit, and so does SIGTERM, as a
    :class:`~hetero_mmer.errors.Stopped`.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    handler = signal.getsignal(signal.SIGINT)
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', category=PossibleUserWarning)
            warnings.filterwarnings('ignore', module='pytorch_lightning')
            yield
    except SystemExit as stop:
        if isinstance(stop, SIGTERMException):
            raise Stopped(signal.SIGTERM) from stop
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN is not handler:
            signal.signal(signal.SIGINT, handler)  # Ignored after an interrupt.
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
