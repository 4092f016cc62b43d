"""Buffers and parameters whose sizes are known only once a model has seen data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import Module, Parameter


def sized_by_data(module: Module, *names: str) -> None:
    """Lets buffers and parameters take the shapes that a state has on loading it.

    For what ``fit`` fills: it is registered empty, and whichever way a state comes in
    (a weights file, a checkpoint, ``load_state_dict``), its shapes hold. They are
    changed in place, so what refers to a parameter goes on doing so. A parameter that
    becomes empty needs no gradient from then on, and one that was empty does.

    Args:
        module: Their module.
        names: Their names in it.

    Example:
        >>> import torch
        >>> class Centroids(Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.register_buffer('mean', torch.empty(0, 4))
        ...         sized_by_data(self, 'mean')
        >>> fitted, fresh = Centroids(), Centroids()
        >>> fitted.mean = torch.ones(3, 4)
        >>> fresh.load_state_dict(fitted.state_dict())
        <All keys matched successfully>
        >>> fresh.mean.shape
        torch.Size([3, 4])
    """
    # A partial, not a closure: models are copied to other processes.
    module.register_load_state_dict_pre_hook(partial(_take_shapes, names=names))


def resize(tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Gives a buffer or parameter another shape, in place; its values are lost.

    Example:
        >>> import torch
        >>> weight = Parameter(torch.ones(2))
        >>> resize(weight, (0, 3))
        >>> weight.shape, weight.requires_grad
        (torch.Size([0, 3]), False)
    """
    was_empty = not tensor.numel()
    tensor.data = tensor.new_empty(shape)
    tensor.grad = None
    if isinstance(tensor, Parameter) and was_empty != (not tensor.numel()):
        tensor.requires_grad_(was_empty)


def _take_shapes(
    module: Module,
    state: Mapping[str, Any],
    prefix: str,
    *_: Any,
    names: tuple[str, ...],
) -> None:
    for name in names:
        found, tensor = state.get(prefix + name), getattr(module, name)
        if isinstance(found, Tensor) and found.shape != tensor.shape:
            resize(tensor, found.shape)
