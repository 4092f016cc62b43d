"""Systems from the literature, one a file, which is called like its system."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hetero_mmer.models.carat import CARAT
    from hetero_mmer.models.hhmpn import HHMPN

__all__ = ['CARAT', 'HHMPN']


def __getattr__(name: str) -> Any:
    if name in __all__:  # Their names are known before torch is imported.
        return getattr(importlib.import_module(f'{__name__}.{name.lower()}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return __all__
