"""Prototypes of classes: their moving average, and vectors made of them.

A class is a (modality, label, polarity); polarity 0 is absent, 1 is present. All
functions take embeddings ``[B, M, L, D]`` and prototypes ``[M, L, 2, D]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def update_prototypes(
    prototypes: Tensor,
    x: Tensor,
    y: Tensor,
    mask: Tensor,
    *,
    momentum: float = 0.99,
    normalize: bool = False,
) -> Tensor:
    r"""Moves each prototype towards the embeddings of its class, sample by sample.

    CARAT (Peng et al., AAAI 2024), Eq. 8. For every sample in order,
    :math:`\mu \leftarrow \phi \mu + (1 - \phi) \mathbf{x}`; as this gives the k-th of
    n embeddings of a class the weight :math:`(1 - \phi) \phi^{n - k}`, all go at once.

    Args:
        prototypes: Prototypes so far.
        x: Embeddings, normalised.
        y: Labels, 0 or 1, ``[B, L]``.
        mask: Which modalities a sample has, ``[B, M]``; embeddings of others are
            left out.
        momentum: :math:`\phi`.
        normalize: Whether prototypes are normalised afterwards, once.

    Returns:
        The prototypes that result.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)
        >>> y, mask = torch.ones(2, 1), torch.ones(2, 1, dtype=torch.bool)
        >>> update_prototypes(torch.zeros(1, 1, 2, 2), x, y, mask, momentum=0.5)
        tensor([[[[0.0000, 0.0000],
                  [0.2500, 0.5000]]]])
    """
    member = torch.stack([1 - y, y], dim=-1).unsqueeze(1)  # [B, 1, L, 2]
    member = member.to(x.dtype) * mask[:, :, None, None]  # [B, M, L, 2]
    count = member.sum(dim=0)
    weight = (1 - momentum) * member * momentum ** (count - member.cumsum(dim=0))
    kept = (momentum**count).unsqueeze(-1) * prototypes
    out = kept + torch.einsum('bmlp,bmld->mlpd', weight, x)
    return F.normalize(out, dim=-1) if normalize else out


def prototype_similarity(x: Tensor, prototypes: Tensor, mask: Tensor) -> Tensor:
    """Product of each embedding with both prototypes of its modality and label.

    Args:
        x: Embeddings, normalised.
        prototypes: Prototypes.
        mask: Which modalities a sample has, ``[B, M]``. A modality that it lacks
            is as similar to its prototypes as the others are to theirs on average.

    Returns:
        Similarities, ``[B, M, L, 2]``.

    Example:
        >>> x, prototypes = torch.tensor([[[[1.0]], [[9.0]]]]), torch.ones(2, 1, 2, 1)
        >>> mask = torch.tensor([[True, False]])
        >>> prototype_similarity(x, prototypes, mask).flatten()
        tensor([1., 1., 1., 1.])
    """
    cells = mask[:, :, None, None]
    out = torch.einsum('bmld,mlpd->bmlp', x, prototypes)
    out = out.masked_fill(~cells, 0.0)
    mean = out.sum(dim=1, keepdim=True) / cells.sum(dim=1, keepdim=True)
    return torch.where(cells, out, mean)


def soft_intrinsic(similarity: Tensor, prototypes: Tensor) -> Tensor:
    r"""Mean of both prototypes, weighted by the softmax of their similarities.

    CARAT (Peng et al., AAAI 2024), Eq. 9, for training.

    Args:
        similarity: To both prototypes, ``[B, M, L, 2]``.
        prototypes: Prototypes.

    Returns:
        Intrinsic vectors, ``[B, M, L, D]``.

    Example:
        >>> similarity = torch.tensor([1.0, 3.0]).log().view(1, 1, 1, 2)
        >>> soft_intrinsic(similarity, torch.tensor([[[[0.0], [2.0]]]])).flatten()
        tensor([1.5000])
    """
    return torch.einsum('bmlp,mlpd->bmld', similarity.softmax(dim=-1), prototypes)


def hard_intrinsic(similarity: Tensor, prototypes: Tensor) -> Tensor:
    """The more similar prototype; the positive one only if strictly more similar.

    CARAT (Peng et al., AAAI 2024), Eq. 10, for evaluation.

    Args:
        similarity: To both prototypes, ``[B, M, L, 2]``.
        prototypes: Prototypes.

    Returns:
        Intrinsic vectors, ``[B, M, L, D]``.

    Example:
        >>> similarity = torch.tensor([[[[0.1, 0.2]]], [[[0.3, 0.3]]]])
        >>> hard_intrinsic(similarity, torch.tensor([[[[0.0], [4.0]]]])).flatten()
        tensor([4., 0.])
    """
    positive = similarity[..., 1:] > similarity[..., :1]
    return torch.where(positive, prototypes[:, :, 1], prototypes[:, :, 0])
