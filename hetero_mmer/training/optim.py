"""Optimisers and schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from torch.nn import Module, Parameter
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from hetero_mmer.errors import InputError
from hetero_mmer.typing import HasParameterGroups


def parameter_groups(
    model: Module, learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Splits parameters into those that decay and those that do not.

    Biases and the parameters of norms, which have one dimension, do not decay. A model
    may give groups of its own, with learning rates, and weight decays where they
    differ.

    Args:
        model: The module.
        learning_rate: Of all that has none of its own.
        weight_decay: Of those that decay.

    Raises:
        InputError: If groups of a model are not exactly its trainable parameters.

    Example:
        >>> from torch.nn import Linear
        >>> groups = parameter_groups(Linear(2, 3), 0.01, 0.1)
        >>> [(len(g['params']), g['lr'], g['weight_decay']) for g in groups]
        [(1, 0.01, 0.1), (1, 0.01, 0.0)]
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{'params': trained}]
    if isinstance(model, HasParameterGroups):
        groups = [
            {**group, 'params': list(group['params'])}
            for group in model.parameter_groups(learning_rate)
        ]
        given = [id(p) for group in groups for p in group['params']]
        if sorted(given) != sorted(map(id, trained)):
            raise InputError(
                f"'parameter_groups' of {type(model).__name__} has each trainable "
                f'parameter once (got {len(given)} for {len(trained)})'
            )
    return [
        {'lr': learning_rate, 'weight_decay': decay, **group, 'params': params}
        for group in groups
        for params, decay in (
            (_of_dim(group['params'], matrices=True), weight_decay),
            (_of_dim(group['params'], matrices=False), 0.0),
        )
        if params
    ]


def make_optimizer(
    model: Module,
    optimizer: Literal['adam', 'adamw'] | Callable[..., Optimizer],
    learning_rate: float,
    weight_decay: float,
) -> Optimizer:
    """Makes an optimiser.

    Args:
        model: What to optimise.
        optimizer: ``adam`` adds weight decay to the gradient, ``adamw`` keeps it apart;
            or what makes one of groups of parameters.
        learning_rate: Its highest value.
        weight_decay: Not for biases and norms.

    Example:
        >>> from torch.nn import Linear
        >>> type(make_optimizer(Linear(2, 3), 'adamw', 0.1, 0.0)).__name__
        'AdamW'
    """
    groups = parameter_groups(model, learning_rate, weight_decay)
    if callable(optimizer):
        return optimizer(groups)
    return (AdamW if optimizer == 'adamw' else Adam)(groups, lr=learning_rate)


def make_schedule(
    optimizer: Optimizer,
    schedule: Literal['constant', 'linear'] | Callable[..., LRScheduler],
    warmup: float,
    num_steps: int,
) -> LRScheduler:
    """Makes a schedule of the learning rate.

    Args:
        optimizer: Whose learning rate.
        schedule: Whether the rate then stays or falls linearly to zero, advanced each
            step; or what makes another one of an optimiser, advanced each epoch.
        warmup: Share of the steps in which it rises linearly from zero.
        num_steps: Number of all steps.

    Example:
        >>> from torch.nn import Linear
        >>> optimizer = make_optimizer(Linear(2, 3), 'adam', 1.0, 0.0)
        >>> schedule = make_schedule(optimizer, 'linear', 0.5, 4)
        >>> [schedule.lr_lambdas[0](step) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if callable(schedule):
        return schedule(optimizer)
    rise = round(warmup * num_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        if schedule == 'constant':
            return 1.0
        return max(0.0, (num_steps - step) / max(1, num_steps - rise))

    return LambdaLR(optimizer, factor)


def _of_dim(parameters: Iterable[Parameter], *, matrices: bool) -> list[Parameter]:
    return [p for p in parameters if (p.dim() > 1) == matrices]
