from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import SampleGraph, build_graph


def fake_sample(
    in_channels: Mapping[str, int],
    num_labels: int,
    *,
    labels: Sequence[int] | None = None,
    lengths: Mapping[str, int] | None = None,
    max_length: int = 5,
    kinds: Mapping[str, schema.Kind] | None = None,
    num_embeddings: Mapping[str, int] | None = None,
    label_graph: Tensor | None = None,
    intensities: bool = False,
    extras: Mapping[str, tuple[int, ...]] | None = None,
    sample_id: str | None = None,
    seed: int = 0,
) -> SampleGraph:
    """Draws the graph of one sample.

    Args:
        in_channels: Feature width of each modality.
        num_labels: Number of labels.
        labels: 0 or 1 for each label; drawn by default.
        lengths: Number of items of each modality, 0 where it is missing; modalities
            that are not named get 1 to ``max_length`` items.
        max_length: Largest number of items that is drawn.
        kinds: ``sequence`` (default) or ``set`` for each modality.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        intensities: Whether labels have one, from 0 to 1.
        extras: Shape of each further array of a sample, by its name.
        sample_id: Name of the sample.
        seed: Of all that is drawn.

    Example:
        >>> sample = fake_sample({'text': 8, 'audio': 4}, 3, lengths={'audio': 0})
        >>> sample['text'].x.size(1), len(sample['audio'].x), len(sample['label'].y)
        (8, 0, 3)
    """
    rng = np.random.default_rng(seed)
    features = {}
    for m, width in in_channels.items():
        drawn = int(rng.integers(1, max_length + 1))
        length = (lengths or {}).get(m, drawn)
        if m in (num_embeddings or {}):
            features[m] = rng.integers(0, (num_embeddings or {})[m], (length, 1))
        else:
            features[m] = rng.normal(size=(length, width)).astype(np.float32)
    drawn_labels = rng.integers(0, 2, num_labels)
    y = drawn_labels if labels is None else np.array(labels)
    return build_graph(
        features,
        y,
        intensities=y * (1 - rng.random(num_labels)) if intensities else None,
        extras={
            name: rng.normal(size=shape).astype(np.float32)
            for name, shape in (extras or {}).items()
        },
        kinds=kinds,
        num_embeddings=num_embeddings,
        label_graph=label_graph,
        sample_id=sample_id,
    )


def fake_batch(
    in_channels: Mapping[str, int],
    num_labels: int,
    *,
    num_samples: int = 4,
    missing: bool = True,
    aligned: bool = False,
    max_length: int = 5,
    kinds: Mapping[str, schema.Kind] | None = None,
    num_embeddings: Mapping[str, int] | None = None,
    label_graph: Tensor | None = None,
    intensities: bool = False,
    extras: Mapping[str, tuple[int, ...]] | None = None,
    seed: int = 0,
) -> Batch:
    """Draws a batch of samples of different lengths.

    Of two samples or more, the first has the longest sequences and the last has one
    item of each modality. Every label is there and not there in some sample.

    Args:
        in_channels: Feature width of each modality.
        num_labels: Number of labels.
        num_samples: Number of samples :math:`B`.
        missing: Whether some samples lack a modality: the samples between the first and
            the last one each, in turn, where there are several modalities.
        aligned: Whether the modalities of a sample have the same number of items.
        max_length: Largest number of items.
        kinds: ``sequence`` (default) or ``set`` for each modality.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        intensities: Whether labels have one, from 0 to 1.
        extras: Shape of each further array of a sample, by its name; ``[B, ...]`` in
            the batch.
        seed: Of all that is drawn.

    Example:
        >>> batch = fake_batch({'text': 8, 'audio': 4}, 3, extras={'valence': (2,)})
        >>> batch['text'].ptr.diff().tolist(), batch['audio'].ptr.diff().tolist()
        ([5, 0, 1, 1], [5, 2, 0, 1])
        >>> batch.valence.shape
        torch.Size([4, 2])
    """
    rng = np.random.default_rng(seed)
    names = list(in_channels)
    samples: list[SampleGraph] = []
    for i in range(num_samples):
        size = rng.integers(1, max_length + 1, len(names))
        if i == 0 and num_samples > 1:
            size[:] = max_length
        elif i == num_samples - 1:
            size[:] = 1
        lengths = dict(zip(names, size.tolist(), strict=True))
        if aligned:
            lengths = dict.fromkeys(names, int(size[0]))
        if missing and len(names) > 1 and 0 < i < num_samples - 1:
            lengths[names[(i - 1) % len(names)]] = 0
        labels = None
        if i == num_samples - 1 and i > 0:  # No label is constant.
            labels = (1 - samples[0][schema.LABEL].y).int().tolist()
        graph = fake_sample(
            in_channels,
            num_labels,
            labels=labels,
            lengths=lengths,
            kinds=kinds,
            num_embeddings=num_embeddings,
            label_graph=label_graph,
            intensities=intensities,
            extras=extras,
            sample_id=f'sample-{i}',
            seed=int(rng.integers(2**31)),
        )
        samples.append(graph)
    return Batch.from_data_list(samples)
