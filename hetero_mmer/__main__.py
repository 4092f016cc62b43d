"""``python -m hetero_mmer`` is the same as ``hetero-mmer``."""

from __future__ import annotations

import signal
import sys

if __name__ == '__main__':
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # There is nothing to undo or to say yet.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from hetero_mmer.cli import main

    sys.exit(main())
