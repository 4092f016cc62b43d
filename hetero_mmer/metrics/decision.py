from __future__ import annotations

from torch import Tensor

from hetero_mmer.errors import InputError
from hetero_mmer.functional.multilabel import binarize


def decide(
    probs: Tensor, threshold: float | Tensor, pred: Tensor | None = None
) -> Tensor:
    """Decisions, boolean ``[N, L]``: those of the model, or what a threshold makes.

    Args:
        probs: Probabilities ``[N, L]``.
        threshold: A label is positive if its probability is above it; one for all
            labels, or ``[L]``.
        pred: Decisions ``[N, L]`` of a model that decides by itself, which no
            threshold changes.

    Raises:
        InputError: For decisions of another shape than the probabilities.

    Example:
        >>> import torch
        >>> probs = torch.tensor([[0.5, 0.6]])
        >>> decide(probs, 0.5)
        tensor([[False,  True]])
        >>> decide(probs, 0.5, pred=torch.tensor([[True, False]]))
        tensor([[ True, False]])
    """
    if pred is None:
        return binarize(probs, threshold)
    if pred.shape != probs.shape:
        raise InputError(
            "'pred' has the shape of the probabilities "
            f'(got {list(pred.shape)} and {list(probs.shape)})'
        )
    return pred.bool()
