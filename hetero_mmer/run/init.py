"""Weights of another run to begin with."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch.nn import Module

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.run import files
from hetero_mmer.weights import read_weights, resize_empty


def init_weights(model: Module, run: str | Path) -> None:
    """Copies the weights of a finished run into a model, by their names.

    Nothing of the run but its weights is read. A warning tells what the model has and
    the run has not, or has in another shape: that stays as it is.

    Args:
        model: The model.
        run: The folder of the run.

    Raises:
        InputError: If there are no weights, or none fits.
    """
    path = Path(run) / files.WEIGHTS
    found, own = read_weights(path), model.state_dict(keep_vars=True)
    resize_empty(model, found)
    copied = set()
    with torch.no_grad():
        for name, value in own.items():
            given = found.get(name)
            if given is not None and given.shape == value.shape:
                value.copy_(given)
                copied.add(value.data_ptr())
    # What several layers share is in the file once.
    missing = [name for name, value in own.items() if value.data_ptr() not in copied]
    if len(missing) == len(own):
        raise InputError(f"'{path}' has no weights of this {type(model).__name__}")
    if missing:
        more = f' and {len(missing) - 5} others' if len(missing) > 5 else ''
        warnings.warn(
            f"'{path}' has no {', '.join(missing[:5])}{more} of this shape: they "
            'start as usual',
            InputWarning,
            stacklevel=2,
        )
