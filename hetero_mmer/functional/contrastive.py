"""Supervised contrastive loss against a large pool."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

#: Anchors whose losses are averaged: the batch, or the batch and the queue.
Anchors = Literal['batch', 'pool']

#: Similarities that exist at once; 8 MiB in float32.
_BLOCK = 1 << 21


def supervised_contrastive_loss(
    x: Tensor,
    label: Tensor,
    queue: Tensor | None = None,
    queue_label: Tensor | None = None,
    *,
    temperature: float = 0.07,
    anchors: Anchors = 'batch',
) -> Tensor:
    r"""Pulls embeddings of one class together, away from all others.

    CARAT (Peng et al., AAAI 2024), Eq. 6 and 7. With the batch and the queue as pool
    and :math:`\mathcal{P}(a)` the others of a's class,

    .. math::
        \mathcal{L} = \frac{1}{N} \sum_a \frac{-1}{|\mathcal{P}(a)|}
        \sum_{p \in \mathcal{P}(a)} \log
        \frac{\exp(\mathbf{a} \cdot \mathbf{p} / \tau)}
        {\sum_{k \neq a} \exp(\mathbf{a} \cdot \mathbf{k} / \tau)}

    The matrix of all similarities is never stored: the sum over positives needs the sum
    of each class only, and the denominator is computed in blocks of anchors, together
    with its gradient. So memory is linear in the pool, and there is no second
    derivative.

    Args:
        x: Embeddings of the batch, normalised, ``[N, D]``.
        label: Class of each, ``[N]``.
        queue: Past embeddings, ``[Q, D]``; they get no gradient.
        queue_label: Class of each, ``[Q]``; -1 in a slot that was never filled.
        temperature: :math:`\tau`.
        anchors: ``batch`` is the paper's loss, which ignores unfilled slots. ``pool``
            is the authors' code: entries of the queue are anchors, too, and unfilled
            slots are in the denominators and in N.

    Returns:
        The mean over all anchors; one without a positive counts as 0.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss = supervised_contrastive_loss(
        ...     x, torch.tensor([0, 0, 1]), temperature=1.0
        ... )
        >>> torch.isclose(loss, 2 / 3 * torch.tensor(1 + torch.e).log() - 2 / 3)
        tensor(True)
    """
    if queue is None or queue_label is None:
        queue, queue_label = x.new_empty(0, x.size(1)), label.new_empty(0)
    if anchors == 'batch':
        filled = queue_label >= 0
        queue, queue_label = queue[filled], queue_label[filled]
    pool_label = torch.cat([label, queue_label])
    num_anchors = label.numel() if anchors == 'batch' else pool_label.numel()
    if pool_label.numel() < 2:
        return x.sum() * 0.0
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(x.dtype, torch.float32)
        x, queue = x.to(dtype), queue.detach().to(dtype)
        pool = torch.cat([x, queue])
        attraction, num_positives = _attraction(pool, pool_label, num_anchors)
        weight = (num_positives > 0).to(dtype) / max(num_anchors, 1)
        repulsion = _Repulsion.apply(x, queue, weight, temperature)
        return repulsion - weight @ attraction / temperature


def _attraction(pool: Tensor, label: Tensor, num_anchors: int) -> tuple[Tensor, Tensor]:
    """Mean product of each anchor with its positives, and their number, ``[A]``."""
    slot = label + 1  # -1 stands for no class, which has no positives.
    size = int(slot.max()) + 1
    total = pool.new_zeros(size, pool.size(1)).index_add(0, slot, pool)  # [C, D]
    member = pool.new_zeros(size).index_add(0, slot, pool.new_ones(len(pool)))
    a, slot = pool[:num_anchors], slot[:num_anchors]
    count = torch.where(slot > 0, member[slot] - 1, 0.0)
    return (a * (total[slot] - a)).sum(dim=1) / count.clamp(min=1), count


class _Repulsion(Function):
    """Weighted sum over anchors of the logsumexp of their similarities to the others.

    The anchors are the first rows of ``[x; queue]``, as many as there are weights.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, queue: Tensor, weight: Tensor, temperature: float
    ) -> Tensor:
        """Sums the blocks, and their gradients if one is needed."""
        pool, total = torch.cat([x, queue]), x.new_zeros(())
        grad = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        rows = max(1, _BLOCK // len(pool))
        scaled = pool / temperature
        block = x.new_empty(min(rows, len(weight)), len(pool))  # Reused by every block.
        for start in range(0, len(weight), rows):
            a, w = pool[start : start + rows], weight[start : start + rows].unsqueeze(1)
            a, own = a[: len(w)], slice(start, min(start + rows, len(weight), len(x)))
            score = torch.mm(a, scaled.T, out=block[: len(w)])  # [R, P]
            score.diagonal(start).fill_(-torch.inf)
            top = score.amax(dim=1, keepdim=True)  # Keeps exp in range.
            score.sub_(top).exp_()
            norm = score.sum(dim=1, keepdim=True)
            total += (w * (top + norm.log())).sum()
            if grad is not None:
                score.mul_(w / norm)
                grad[own] += score[: max(0, own.stop - start)] @ scaled
                grad.addmm_(score[:, : len(x)].T, a, alpha=1 / temperature)
        ctx.grad = grad
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Scales the gradient that the forward pass computed."""
        return grad * ctx.grad, None, None, None
