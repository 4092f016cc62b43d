"""``python -m hetero_mmer`` is the same as ``hetero-mmer``."""

import sys

if __name__ == '__main__':
    here = ''
    if not sys.flags.safe_path:
        # Python puts the current directory first, whose files would stand for modules
        # of the same names: before any other import.
        here = sys.path.pop(0)

    import os
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # There is nothing to undo or to say yet.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if here and os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == here:
        sys.path.append(here)  # The package itself lies there.

    from hetero_mmer.cli import main

    sys.exit(main())
