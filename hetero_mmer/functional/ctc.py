"""Pseudo-alignment of sequences by connectionist temporal classification (CTC)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

#: How many steps the loss sees: those of the source, or as many as the anchor has.
InputLength = Literal['source', 'anchor']


def ctc_align(
    x: Tensor, scores: Tensor, mask: Tensor, *, normalize: bool = False
) -> Tensor:
    r"""Moves the items of each sequence to N places, weighted by their scores.

    Tsai et al. (ACL 2019), :math:`\tilde{\mathbf{X}} = \mathbf{P}^{\top} \mathbf{X}`
    with :math:`\mathbf{P} = \mathrm{softmax}(\mathbf{G})` without its first column,
    which stands for no place.

    Args:
        x: Items, ``[B, S, F]``, zeros where padded.
        scores: :math:`\mathbf{G}`, ``[B, S, N + 1]``.
        mask: Where an item is, ``[B, S]``.
        normalize: Whether the weights of each place sum to one.

    Returns:
        Items ``[B, N, F]``; zeros for a sequence without any.

    Example:
        >>> x, scores = torch.tensor([[[2.0], [4.0]]]), torch.zeros(1, 2, 4)
        >>> ctc_align(x, scores, torch.ones(1, 2, dtype=torch.bool)).flatten()
        tensor([1.5000, 1.5000, 1.5000])
    """
    weight = scores.softmax(dim=-1)[..., 1:].masked_fill(~mask.unsqueeze(-1), 0.0)
    if normalize:
        weight = F.normalize(weight, p=1.0, dim=1)
    return weight.mT @ x


def ctc_loss(
    scores: Tensor,
    length: Tensor,
    anchor_length: Tensor,
    *,
    input_length: InputLength = 'source',
) -> Tensor:
    """CTC loss of the places 1, 2, … of each sample's anchor, in this order.

    Args:
        scores: ``[B, S, N + 1]``, the first for no place (blank).
        length: Number of items of each sequence, ``[B]``.
        anchor_length: Number of items of each anchor, ``[B]``, at most N.
        input_length: How many steps count, those of the ``source``, or as many as the
            ``anchor`` has.

    Returns:
        One loss per sample, ``[B]``; 0 where the anchor is missing, or is longer than
        the sequence, so that no path leads through all places.

    Example:
        >>> one = torch.tensor([1])
        >>> ctc_loss(torch.zeros(1, 2, 2), 2 * one, one).exp()  # 3 of 4 paths.
        tensor([1.3333])
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    places = torch.arange(1, scores.size(-1), device=scores.device)
    steps = length if input_length == 'source' else torch.minimum(length, anchor_length)
    loss = F.ctc_loss(
        scores.log_softmax(dim=-1).transpose(0, 1),
        places.expand(len(scores), -1),
        steps.clamp(min=1),
        anchor_length,
        reduction='none',
        zero_infinity=True,
    )
    return loss.masked_fill((anchor_length == 0) | (length < anchor_length), 0.0)


def interpolate(x: Tensor, length: Tensor, size: Tensor, max_size: int) -> Tensor:
    """Stretches each sequence to a length of its own, linearly, ends to ends.

    Args:
        x: Items, ``[B, S, F]``.
        length: Number of items of each sequence, ``[B]``.
        size: Number of items that come out of each, ``[B]``.
        max_size: Number N of places.

    Returns:
        Items ``[B, N, F]``, zeros from ``size`` on, and for a sequence without any.

    Example:
        >>> two, three = torch.tensor([2]), torch.tensor([3])
        >>> interpolate(torch.tensor([[[1.0], [5.0]]]), two, three, 4).flatten()
        tensor([1., 3., 5., 0.])
    """
    exact = torch.promote_types(x.dtype, torch.float32)
    step = torch.arange(max_size, device=x.device)  # [N]
    last = (length - 1).clamp(min=0).unsqueeze(1)  # [B, 1]
    place = step.to(exact) * last / (size.unsqueeze(1) - 1).clamp(min=1)  # [B, N]
    low = torch.minimum(place.long(), last)
    weight = (place - low).clamp(max=1).unsqueeze(-1)

    def at(index: Tensor) -> Tensor:
        return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.size(-1)))

    out = torch.lerp(
        at(low).to(exact), at(torch.minimum(low + 1, last)).to(exact), weight
    )
    inside = (step < size.unsqueeze(1)) & (length > 0).unsqueeze(1)
    return out.to(x.dtype).masked_fill(~inside.unsqueeze(-1), 0.0)
