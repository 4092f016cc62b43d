"""Whether probabilities and labels are a pair that metrics can be computed of."""

from __future__ import annotations

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
