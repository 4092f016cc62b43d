"""``python -m hetero_mmer`` is the same as ``hetero-mmer``."""

from __future__ import annotations

import sys

from hetero_mmer.cli import main

if __name__ == '__main__':
    sys.exit(main())
