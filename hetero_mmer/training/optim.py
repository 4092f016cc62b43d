"""Optimisers and schedules."""

from __future__ import annotations

from torch.nn import Module, Parameter
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hetero_mmer.run.options import OptimizerName, Schedule


def parameter_groups(model: Module, weight_decay: float) -> list[dict]:
    """Splits parameters into those that decay and those that do not.

    Biases and the parameters of norms, which have one dimension, do not decay.

    Args:
        model: The module.
        weight_decay: That of the first group.

    Example:
        >>> from torch.nn import Linear
        >>> groups = parameter_groups(Linear(2, 3), 0.1)
        >>> [(len(g['params']), g['weight_decay']) for g in groups]
        [(1, 0.1), (1, 0.0)]
    """
    decay: list[Parameter] = []
    rest: list[Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decay if parameter.dim() > 1 else rest).append(parameter)
    groups: list[dict] = [
        {'params': decay, 'weight_decay': weight_decay},
        {'params': rest, 'weight_decay': 0.0},
    ]
    return [group for group in groups if group['params']]


def make_optimizer(
    model: Module, name: OptimizerName, learning_rate: float, weight_decay: float
) -> Optimizer:
    """Makes an optimiser.

    Args:
        model: What to optimise.
        name: ``adam`` adds weight decay to the gradient, ``adamw`` keeps it apart.
        learning_rate: Its highest value.
        weight_decay: Not for biases and norms.

    Example:
        >>> from torch.nn import Linear
        >>> type(make_optimizer(Linear(2, 3), 'adamw', 0.1, 0.0)).__name__
        'AdamW'
    """
    groups = parameter_groups(model, weight_decay)
    if name == 'adamw':
        return AdamW(groups, lr=learning_rate)
    return Adam(groups, lr=learning_rate)


def make_schedule(
    optimizer: Optimizer, name: Schedule, warmup: float, num_steps: int
) -> LambdaLR:
    """Makes a schedule of the learning rate, to be advanced each step.

    Args:
        optimizer: Whose learning rate.
        name: Whether the rate then stays or falls linearly to zero.
        warmup: Share of the steps in which it rises linearly from zero.
        num_steps: Number of all steps.

    Example:
        >>> from torch.nn import Linear
        >>> optimizer = make_optimizer(Linear(2, 3), 'adam', 1.0, 0.0)
        >>> schedule = make_schedule(optimizer, 'linear', 0.5, 4)
        >>> [schedule.lr_lambdas[0](step) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rise = round(warmup * num_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        if name == 'constant':
            return 1.0
        return max(0.0, (num_steps - step) / max(1, num_steps - rise))

    return LambdaLR(optimizer, factor)
