from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch_geometric.data import HeteroData

from hetero_mmer.errors import InputError
from hetero_mmer.functional.label_prior import (
    conditional_probability,
    cooccurrence_graph,
    label_centroids,
    label_counts,
    positive_pmi,
    svd_embedding,
)
from hetero_mmer.functional.masked import masked_mean
from hetero_mmer.graph.dense import dense, targets

#: Where label embeddings come from; the first of these that there is.
Source = Literal['label_vectors', 'centroids', 'ppmi', 'trainable']


class LabelPrior(Module):
    r"""What the training labels tell about the labels, learnt once by :meth:`fit`.

    Counts, from which graphs among labels are made, and, where ``channels`` are given,
    an embedding of each label, by the first of these ways that there is:

    1. ``label_vectors``, such as word vectors of the labels' names;
    2. centroids: the mean of the samples that have the label, each pooled over its
       items of ``modality``, minus the mean of all, normalised; sensible where features
       are word vectors themselves;
    3. the singular value decomposition of the labels' positive pointwise mutual
       information;
    4. trainable vectors :math:`\mathcal{N}(0, 1/\sqrt{e})`.

    A label of which the way in use says nothing (one without a positive sample, or a
    vector of zeros) gets a trainable vector. All state is in buffers and a parameter,
    empty until fitted, so it is saved and loaded with the model.

    Args:
        num_labels: Number of labels :math:`L`.
        channels: Width :math:`e` of the embeddings; there are none if ``None``.
        label_vectors: One vector for each label, ``[L, e]``.
        modality: Whose features, of width e, make centroids.
        freeze: Whether embeddings that are not trainable vectors stay as they are; they
            are initial values of trainable ones otherwise.

    Shapes:
        - **count**: :math:`N_i`, ``[L]``
        - **cooccurrence**: :math:`C_{ij}`, ``[L, L]``, :math:`C_{ii} = 0`
        - **output**: the embeddings ``[L, e]``

    Raises:
        InputError: If vectors are not finite or of other sizes than the embeddings,
            items of ``modality`` are ids or of another width than e, or what is asked
            for was not fitted.

    Example:
        >>> from torch_geometric.data import Batch
        >>> from hetero_mmer.graph import build_graph
        >>> x = {'text': torch.ones(2, 4)}
        >>> graphs = [build_graph(x, y) for y in ([1, 1], [1, 0])]
        >>> prior = LabelPrior(2, channels=8)
        >>> prior.fit([Batch.from_data_list(graphs)])
        >>> prior.count, prior().shape, prior.source
        (tensor([2, 1]), torch.Size([2, 8]), 'trainable')
    """

    count: Tensor
    cooccurrence: Tensor
    num_samples: Tensor
    vectors: Tensor
    source_id: Tensor

    def __init__(
        self,
        num_labels: int,
        *,
        channels: int | None = None,
        label_vectors: Tensor | None = None,
        modality: str | None = None,
        freeze: bool = True,
    ) -> None:
        super().__init__()
        if channels is None and not (label_vectors is modality is None):
            raise InputError(
                "'label_vectors' and 'modality' make embeddings of labels: 'channels' "
                'says how wide these are'
            )
        self.num_labels = num_labels
        self.channels = channels
        self.modality = modality
        self.freeze = freeze
        self.register_buffer('count', torch.empty(0, dtype=torch.long))
        self.register_buffer('cooccurrence', torch.empty(0, 0, dtype=torch.long))
        self.register_buffer('num_samples', torch.zeros((), dtype=torch.long))
        if channels is None:
            return
        # A row of zeros: a label of which nothing is known.
        self.register_buffer('vectors', torch.empty(0, channels))
        self.register_buffer('source_id', torch.zeros((), dtype=torch.long))
        # Of all labels, or of none where no label needs it.
        self.trainable = Parameter(torch.empty(0, channels), requires_grad=False)
        if label_vectors is not None:
            self._embed(_checked(label_vectors, num_labels, channels), 'label_vectors')

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Resets trainable vectors; what was fitted stays."""
        if self.channels is None or not self.trainable.numel():
            return
        self.trainable.normal_(std=1 / math.sqrt(self.channels))
        if not self.freeze:
            known = self.vectors.any(dim=1)
            self.trainable[known] = self.vectors[known]

    @property
    def source(self) -> Source:
        """Which way the embeddings came."""
        self._check_fitted(self.vectors)
        return get_args(Source)[int(self.source_id)]

    @property
    def conditional(self) -> Tensor:
        r""":math:`P(L_j \mid L_i)`, ``[L, L]``."""
        self._check_fitted(self.count)
        return conditional_probability(self.count, self.cooccurrence)

    def label_graph(self, threshold: float = 0.2) -> Tensor:
        """Edges ``[2, E]`` of labels that often occur together, with self-loops."""
        self._check_fitted(self.count)
        return cooccurrence_graph(self.count, self.cooccurrence, threshold=threshold)

    def forward(self) -> Tensor:
        """The embeddings of all labels."""
        self._check_fitted(self.vectors)
        if not self.freeze:
            return self.trainable
        if not self.trainable.numel():
            return self.vectors
        known = self.vectors.any(dim=1, keepdim=True)
        return torch.where(known, self.vectors, self.trainable)

    @torch.no_grad()
    def fit(self, batches: Iterable[HeteroData]) -> None:
        """Counts the labels of the training split, and embeds them.

        Args:
            batches: The training split, each sample once.
        """
        count, both, num_samples = torch.tensor(0), torch.tensor(0), 0
        # Of each label's positive samples, and of all: sum of vectors, number of them.
        sums = torch.zeros(self.num_labels + 1, 1, dtype=torch.double)
        for batch in batches:
            y = targets(batch).cpu().double()
            more, more_both = label_counts(y)
            count, both = count + more, both + more_both
            num_samples += len(y)
            if self.channels is not None and self.modality is not None:
                everyone = torch.cat([y, torch.ones(len(y), 1)], dim=1)
                sums = sums + everyone.T @ self._pool(batch)
        if not num_samples:
            raise InputError('a label prior is fitted to some samples (got none)')
        self.count, self.cooccurrence = (t.to(self.count.device) for t in (count, both))
        self.num_samples.fill_(num_samples)
        if self.channels is None or self._is_given:
            return
        vectors = label_centroids(
            sums[:-1, :-1], sums[:-1, -1], sums[-1, :-1], sums[-1, -1]
        )
        if vectors.any():  # None if there is no modality.
            self._embed(vectors, 'centroids')
            return
        vectors = svd_embedding(positive_pmi(count, both, num_samples), self.channels)
        self._embed(vectors, 'ppmi' if vectors.any() else 'trainable')

    def extra_repr(self) -> str:
        """Number of labels, and width of their embeddings."""
        return f'{self.num_labels}, channels={self.channels}'

    @property
    def _is_given(self) -> bool:
        return bool(self.vectors.numel()) and self.source == 'label_vectors'

    def _embed(self, vectors: Tensor, source: Source) -> None:
        self.vectors = vectors.to(self.vectors, copy=True)
        self.source_id.fill_(get_args(Source).index(source))
        needed = not self.freeze or not bool(vectors.any(dim=1).all())
        shape = (self.num_labels * needed, self.vectors.size(1))
        self.trainable.data = self.trainable.new_empty(shape)
        self.trainable.requires_grad_(needed).grad = None
        self.reset_parameters()

    def _pool(self, batch: HeteroData) -> Tensor:
        """Mean of each sample's items and whether it has any, ``[B, e + 1]``."""
        assert self.modality is not None
        if self.modality not in batch.node_types:
            raise InputError(
                f"centroids of labels are made of the modality '{self.modality}' "
                f'(got a batch of {batch.node_types})'
            )
        x, mask = dense(batch, self.modality)
        if x.size(-1) != self.channels or not x.is_floating_point():
            raise InputError(
                f'centroids of labels are made of features of width {self.channels} '
                f"(got '{self.modality}' with {x.size(-1)} of {x.dtype})"
            )
        mean = masked_mean(x.double(), mask)
        return torch.cat([mean, mask.any(dim=1, keepdim=True)], dim=1).cpu()

    def _check_fitted(self, buffer: Tensor) -> None:
        if not buffer.numel():
            raise InputError('a label prior tells nothing before it is fitted')


def _checked(vectors: Tensor, num_labels: int, channels: int) -> Tensor:
    vectors = torch.as_tensor(vectors).detach()
    if vectors.shape != (num_labels, channels):
        raise InputError(
            f"'label_vectors' are of shape {[num_labels, channels]} "
            f'(got {list(vectors.shape)})'
        )
    if not vectors.isfinite().all():
        raise InputError("'label_vectors' are finite (got a value that is not)")
    return vectors
