"""Multi-modal multi-label emotion recognition on heterogeneous graphs."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    if name == '__version__':  # The one place is setup.cfg; reading it takes time.
        from importlib.metadata import version

        return version('hetero_mmer')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
