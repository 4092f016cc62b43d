"""Decision thresholds, tuned on validation data."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hetero_mmer.functional.multilabel import best_threshold
from hetero_mmer.metrics.check import check_probs

#: A number, one for each label [L], or how to tune it on validation data.
Threshold = float | Tensor | Literal['tuned', 'per-label']


def tune_threshold(probs: Tensor, y: Tensor) -> float:
    """The threshold for all labels with the highest micro F1.

    Args:
        probs: Probabilities ``[N, L]``.
        y: True labels ``[N, L]``.

    Raises:
        InputError: For shapes that differ, values that are no probabilities, or
            labels other than 0 and 1.

    Example:
        >>> probs = torch.tensor([[0.375, 0.125], [0.25, 0.0]])
        >>> tune_threshold(probs, torch.tensor([[1, 0], [1, 0]]))
        0.1875
    """
    check_probs(probs, y)
    return best_threshold(probs, y)


def tune_thresholds_per_label(probs: Tensor, y: Tensor) -> Tensor:
    """For each label the threshold with its highest F1, ``[L]``.

    A label without positives keeps 0.5.

    Args:
        probs: Probabilities ``[N, L]``.
        y: True labels ``[N, L]``.

    Raises:
        InputError: As in :func:`tune_threshold`.

    Example:
        >>> probs = torch.tensor([[0.375, 0.125], [0.25, 0.0]])
        >>> tune_thresholds_per_label(probs, torch.tensor([[1, 0], [0, 0]]))
        tensor([0.3125, 0.5000], dtype=torch.float64)
    """
    check_probs(probs, y)
    best = [best_threshold(p, t) for p, t in zip(probs.T, y.T, strict=True)]
    return torch.tensor(best, dtype=torch.double)


def choose_threshold(threshold: Threshold, probs: Tensor, y: Tensor) -> float | Tensor:
    """The threshold that a choice means on validation data.

    Args:
        threshold: A number or ``[L]``, which stays, ``tuned`` or ``per-label``.
        probs: Probabilities ``[N, L]``.
        y: True labels ``[N, L]``.

    Raises:
        InputError: As in :func:`tune_threshold`.

    Example:
        >>> probs = torch.tensor([[0.5, 0.25]])
        >>> choose_threshold('tuned', probs, torch.tensor([[1, 0]]))
        0.375
    """
    if not isinstance(threshold, str):
        return threshold
    tune = tune_threshold if threshold == 'tuned' else tune_thresholds_per_label
    return tune(probs, y)
