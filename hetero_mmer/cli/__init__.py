"""The command line; the only place that prints, and that knows dashes."""

from __future__ import annotations

from hetero_mmer.cli.main import main

__all__ = ['main']
