"""Whether a model is one that can be trained."""

from __future__ import annotations

import torch
from torch.nn import Module
from torch_geometric.data import Batch

from hetero_mmer.errors import InputError, reason
from hetero_mmer.graph import targets, without_targets
from hetero_mmer.metrics.check import check_probs
from hetero_mmer.typing import Model


def check_model(model: Module, batch: Batch) -> None:
    """Passes one batch through a model and looks at what comes out.

    Args:
        model: A new model.
        batch: Some samples with their labels.

    Raises:
        InputError: If it is no :class:`hetero_mmer.typing.Model`.
    """
    name = type(model).__name__
    if not isinstance(model, Module) or not isinstance(model, Model):
        raise InputError(f"{name} is no torch module with a 'forward' and a 'loss'")
    # In a model of ours, any error is one of the layers that it was given.
    ours = type(model).__module__.startswith('hetero_mmer.')
    expected = (Exception,) if ours else (TypeError, ValueError, RuntimeError)
    y = targets(batch)
    training = model.training
    model.eval()
    with torch.no_grad():
        try:
            out = model(without_targets(batch))
            if not hasattr(out, 'probs'):
                got = type(out).__name__
                raise InputError(f"{name} returns no 'probs' (got {got})")
            try:
                check_probs(out.probs, y)
            except InputError as error:
                raise InputError(f"'probs' of {name}: {error}") from error
            parts = model.loss(out, y)
        except InputError:
            raise
        except expected as error:
            raise InputError(
                f'{name} fails on the first batch: {reason(error)}'
            ) from error
    if not isinstance(parts, dict) or 'total' not in parts:
        raise InputError(f"the loss of {name} is a dict with 'total' (got {parts!r})")
    if not torch.isfinite(parts['total']):
        raise InputError(f'the loss of {name} is {parts["total"]:g} on the first batch')
    model.train(training)
