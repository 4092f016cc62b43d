"""What the training labels tell about the labels themselves."""

from __future__ import annotations

import torch
from torch import Tensor


def label_counts(y: Tensor) -> tuple[Tensor, Tensor]:
    r"""How often labels occur, :math:`N_i`, and occur together, :math:`C_{ij}`.

    Args:
        y: Labels, 0 or 1, ``[N, L]``.

    Returns:
        Counts ``[L]`` and ``[L, L]``, integers, with :math:`C_{ii} = 0`.

    Example:
        >>> label_counts(torch.tensor([[1, 1], [1, 0]]))
        (tensor([2, 1]), tensor([[0, 1],
                [1, 0]]))
    """
    y = y.double()
    both = (y.T @ y).long()
    count = both.diagonal().clone()
    return count, both.fill_diagonal_(0)


def conditional_probability(count: Tensor, cooccurrence: Tensor) -> Tensor:
    r""":math:`P_{ij} = P(L_j \mid L_i) = C_{ij} / \max(N_i, 1)`, in double precision.

    Args:
        count: :math:`N_i`, ``[L]``.
        cooccurrence: :math:`C_{ij}`, ``[L, L]``.

    Example:
        >>> both = torch.tensor([[0, 1], [1, 0]])
        >>> conditional_probability(torch.tensor([2, 1]), both)
        tensor([[0.0000, 0.5000],
                [1.0000, 0.0000]], dtype=torch.float64)
    """
    return cooccurrence.double() / count.clamp(min=1).unsqueeze(1)


def cooccurrence_graph(
    count: Tensor, cooccurrence: Tensor, *, threshold: float = 0.2
) -> Tensor:
    r"""Label graph of those that often occur together.

    An edge :math:`k \to i` where :math:`C_{ik} / \sqrt{N_i N_k} \ge \tau`, plus all
    self-loops; what the authors of HHMPN use in their code.

    Args:
        count: :math:`N_i`, ``[L]``.
        cooccurrence: :math:`C_{ij}`, ``[L, L]``.
        threshold: :math:`\tau`.

    Returns:
        Edges among the labels, ``[2, E]``, sorted by target.

    Example:
        >>> both = torch.tensor([[0, 1], [1, 0]])
        >>> cooccurrence_graph(torch.tensor([4, 1]), both, threshold=0.6)
        tensor([[0, 1],
                [0, 1]])
    """
    count = count.double()
    norm = (count.unsqueeze(0) * count.unsqueeze(1)).sqrt()
    joined = (cooccurrence >= threshold * norm) & (norm > 0)
    joined.fill_diagonal_(True)
    return joined.nonzero().T.flip(0).contiguous()  # `joined` is symmetric.


def positive_pmi(count: Tensor, cooccurrence: Tensor, num_samples: int) -> Tensor:
    r"""Positive pointwise mutual information of pairs of labels.

    .. math::
        \max\left(0, \log \frac{C_{ij} N}{N_i N_j}\right)

    Args:
        count: :math:`N_i`, ``[L]``.
        cooccurrence: :math:`C_{ij}`, ``[L, L]``.
        num_samples: :math:`N`.

    Returns:
        In double precision, ``[L, L]``; 0 where labels never occur together.

    Example:
        >>> both = torch.tensor([[0, 2], [2, 0]])
        >>> positive_pmi(torch.tensor([2, 2]), both, 4)[0, 1].exp()
        tensor(2., dtype=torch.float64)
    """
    count = count.double()
    expected = count.unsqueeze(0) * count.unsqueeze(1)
    return (cooccurrence * num_samples / expected.clamp(min=1)).clamp(min=1).log()


def svd_embedding(matrix: Tensor, channels: int, *, seed: int = 0) -> Tensor:
    r"""Embeds the rows of a matrix by its singular value decomposition.

    :math:`\mathbf{U} \mathbf{\Sigma}^{1/2}`, cut or padded with zeros to the width that
    is asked for, times a random orthogonal matrix, which keeps all angles and spreads
    them over all columns.

    Args:
        matrix: ``[L, L]``.
        channels: Width e.
        seed: Of the orthogonal matrix.

    Returns:
        ``[L, e]`` in double precision; zeros for a row of zeros.

    Example:
        >>> e = svd_embedding(torch.tensor([[4.0, 0.0], [0.0, 0.0]]), 3)
        >>> (e @ e.T).round(decimals=6)
        tensor([[4., 0.],
                [0., 0.]], dtype=torch.float64)
    """
    matrix = matrix.double()
    u, s, _ = torch.linalg.svd(matrix)
    width = min(len(s), channels)
    # Rounding would leave something of a row of zeros.
    out = u[:, :width] * s[:width].sqrt() * matrix.any(dim=1, keepdim=True)
    # The sign of a column is anybody's choice.
    largest = out.abs().argmax(dim=0, keepdim=True)
    out = out * torch.where(out.gather(0, largest) < 0, -1.0, 1.0)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(channels, channels, generator=generator, dtype=torch.double)
    q, r = torch.linalg.qr(noise)
    q = q * r.diagonal().sign()
    return out @ q[:width].to(out.device)


def label_centroids(
    sums: Tensor, count: Tensor, total: Tensor, num_samples: int | Tensor
) -> Tensor:
    """Mean vector of each label's positive samples, seen from the mean of all.

    Args:
        sums: Sum of the positive samples' vectors, ``[L, e]``.
        count: Number of positive samples, ``[L]``.
        total: Sum of all samples' vectors, ``[e]``.
        num_samples: Number of all samples.

    Returns:
        Of length 1, ``[L, e]``; zeros for a label of none, or of all samples.

    Example:
        >>> sums, total = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2)
        >>> label_centroids(sums, torch.tensor([2, 0]), total, 5)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    mean = sums / count.clamp(min=1).unsqueeze(1)
    out = mean - total / max(int(num_samples), 1)
    length = out.norm(dim=-1, keepdim=True)
    # A label that all samples have differs from their mean by rounding at most.
    rounding = torch.finfo(out.dtype).eps ** 0.5 * mean.norm(dim=-1, keepdim=True)
    known = (length > rounding) & (count > 0).unsqueeze(1)
    return torch.where(known, out / length, 0.0)
