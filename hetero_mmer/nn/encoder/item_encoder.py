from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor
from torch.nn import Embedding, Linear, Module

from hetero_mmer.errors import InputError


class ItemEmbedding(Embedding):
    """A trainable vector for each id, where items are ids instead of features.

    The same as a linear map without bias of one-hot features, whose weight is the
    transpose of this one's.

    Args:
        num_embeddings: Size of the vocabulary.
        embedding_dim: Width of the vectors.

    Shapes:
        - **x**: ``[N, 1]``, integers
        - **output**: ``[N, embedding_dim]``

    Example:
        >>> import torch
        >>> ItemEmbedding(10, 4)(torch.tensor([[7], [0]])).shape
        torch.Size([2, 4])
    """

    def forward(self, x: Tensor) -> Tensor:
        """The vectors of ids."""
        return super().forward(x.squeeze(-1))


def item_encoder(
    in_channels: int, out_channels: int, num_embeddings: int | None = None
) -> Module:
    """Encodes items: a linear map of features, or an embedding of ids.

    Args:
        in_channels: Width of an item's features; 1 for ids.
        out_channels: Width of a state.
        num_embeddings: Size of the vocabulary, if items are ids.

    Raises:
        InputError: For ids of another width than 1, or no vocabulary.

    Example:
        >>> item_encoder(300, 4), item_encoder(1, 4, 5000)
        (Linear(in_features=300, out_features=4, bias=True), ItemEmbedding(5000, 4))
    """
    if num_embeddings is None:
        return Linear(in_channels, out_channels)
    if in_channels != 1 or num_embeddings < 1:
        raise InputError(
            f'a modality of ids has a width of 1 and at least one embedding '
            f'(got {in_channels} and {num_embeddings})'
        )
    return ItemEmbedding(num_embeddings, out_channels)


def check_num_embeddings(
    num_embeddings: Mapping[str, int] | None, modalities: Collection[str]
) -> dict[str, int]:
    """Vocabularies by modality, none if not given.

    Args:
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        modalities: All modalities.

    Raises:
        InputError: For an unknown modality.

    Example:
        >>> check_num_embeddings(None, ['text'])
        {}
    """
    sizes = dict(num_embeddings or {})
    if unknown := [m for m in sizes if m not in modalities]:
        raise InputError(
            f"'num_embeddings' is for modalities among {list(modalities)} "
            f"(got '{unknown[0]}')"
        )
    return sizes
