"""What commands print on standard output."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from hetero_mmer.files.escape import visible

if TYPE_CHECKING:
    from hetero_mmer.cli.tables import Table


def say(sentence: str) -> None:
    """Prints a sentence; control characters in it are shown, not sent."""
    print(visible(sentence))


def show(*tables: Table) -> None:
    """Prints tables, folded where a terminal is too narrow."""
    from hetero_mmer.cli.tables import render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(render(tables, width=width, encoding=sys.stdout.encoding or 'utf-8'))


def show_json(value: Any) -> None:
    """Prints JSON."""
    from hetero_mmer.files.strict_json import json_text

    print(json_text(value))
