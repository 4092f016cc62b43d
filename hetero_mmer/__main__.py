"""``python -m hetero_mmer`` is the same as ``hetero-mmer``."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == '__main__':
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # There is nothing to undo or to say yet.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not sys.flags.safe_path:
        # Python puts the current directory first, whose files would stand for modules
        # of the same names. The package itself may lie there.
        here = sys.path.pop(0)
        if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == here:
            sys.path.append(here)

    from hetero_mmer.cli import main

    sys.exit(main())
