"""The loop: trains a model, tests its best epoch, and leaves a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetero_mmer.training.begin import resume, train

if TYPE_CHECKING:
    from hetero_mmer.training.multilabel_module import MultilabelModule

__all__ = ['MultilabelModule', 'resume', 'train']


def __getattr__(name: str) -> Any:
    if name == 'MultilabelModule':  # It takes Lightning, which takes seconds.
        from hetero_mmer.training.multilabel_module import MultilabelModule

        return MultilabelModule
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
