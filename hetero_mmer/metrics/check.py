"""Whether probabilities and labels are a pair that metrics can be computed of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hetero_mmer.errors import InputError


def check_probs(probs: Tensor, y: Tensor) -> None:
    """Refuses what is no pair of probabilities and labels, both ``[N, L]``.

    Raises:
        InputError: For shapes that differ, values that are no probabilities, or
            labels other than 0 and 1.
    """
    if probs.dim() != 2 or probs.shape != y.shape or not probs.numel():
        raise InputError(
            'probabilities and labels are both [N, L] and not empty '
            f'(got {list(probs.shape)} and {list(y.shape)})'
        )
    if not probs.is_floating_point():
        raise InputError(f'probabilities are floating-point (got {probs.dtype})')
    if not bool(((probs >= 0) & (probs <= 1)).all()):  # False for NaN, too.
        if probs.isnan().any():
            raise InputError(
                f'probabilities lie in [0, 1] (got {int(probs.isnan().sum())} NaN)'
            )
        raise InputError(
            f'probabilities lie in [0, 1] (got {float(probs.min()):.4g} to '
            f'{float(probs.max()):.4g}; logits need a sigmoid first)'
        )
    if not bool(((y == 0) | (y == 1)).all()):
        raise InputError('labels are 0 or 1 (got other values)')


def check_names(num_labels: int, label_names: Sequence[str] | None) -> list[str]:
    """Names of the labels, by default 0, 1, ….

    Raises:
        InputError: For more or fewer names than labels.
    """
    names = list(map(str, range(num_labels) if label_names is None else label_names))
    if len(names) != num_labels:
        raise InputError(f'{num_labels} labels need as many names (got {len(names)})')
    return names


def check_zero_division(zero_division: int) -> None:
    """Refuses another value of 0 / 0 than 0 and 1."""
    if zero_division not in (0, 1):
        raise InputError(f"'zero_division' is 0 or 1 (got {zero_division!r})")
