from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder ``shared`` beside the checkout, with real files of public data."""
    folder = Path(__file__).parents[1].parent / 'shared'
    if not folder.is_dir():
        pytest.skip(f'needs real data in {folder}, which is not there')
    return folder
