"""Arrays of new samples as a run's model reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetero_mmer.hint import did_you_mean
from hetero_mmer.store.format import LARGEST
from hetero_mmer.typing import InputError

if TYPE_CHECKING:
    from hetero_mmer.graph import SampleGraph
    from hetero_mmer.training.run import Run

#: The items of each modality of a sample, ``[S, F]``; absent or None where missing.
Sample = Mapping[str, ArrayLike | None]


class Prediction(NamedTuple):
    """What a model says of N samples."""

    label_names: list[str]
    probs: NDArray[np.float32]  # [N, L]
    pred: NDArray[np.bool_]  # [N, L], at the thresholds of the run


def sample_graphs(run: Run, samples: Sequence[Sample]) -> list[SampleGraph]:
    """The graph of each sample, scaled and connected as those the run was trained on.

    Args:
        run: The run.
        samples: The items of each modality.

    Raises:
        InputError: For a modality that the run does not know, items of another width
            or type, a sample without any item, or a value that is too large.
    """
    return [_graph(run, sample, str(i)) for i, sample in enumerate(samples)]


def _graph(run: Run, sample: Sample, name: str) -> SampleGraph:
    from hetero_mmer.graph import build_graph

    if not isinstance(sample, Mapping):
        raise InputError(
            f"sample '{name}' is a dictionary of arrays by modality "
            f'(got {type(sample).__name__})'
        )
    known = [*run.in_channels, *run.left_out]
    if unknown := [m for m in sample if m not in known]:
        raise InputError(
            f"the model of '{run.path}' reads {list(run.in_channels)} (got "
            f"'{unknown[0]}' in sample '{name}'{did_you_mean(str(unknown[0]), known)})"
        )
    features = {m: _items(run, m, sample.get(m), name) for m in run.in_channels}
    return build_graph(
        features,
        num_labels=len(run.label_names),
        kinds=run.kinds,
        num_embeddings=run.num_embeddings,
        label_graph=run.label_graph,
        sample_id=name,
    )


def _items(run: Run, modality: str, items: ArrayLike | None, name: str) -> NDArray:
    from hetero_mmer.loader.scale import standardize_

    is_ids, width = modality in run.num_embeddings, run.in_channels[modality]
    empty = np.zeros((0, width), np.int64 if is_ids else np.float32)
    x = empty if items is None else np.asarray(items)
    if not x.size and x.shape[:1] == (0,):  # As `[]` is.
        x = empty
    if is_ids:
        return x  # Which build_graph looks at.
    if x.shape == (width,):
        x = x[None]  # A single item.
    if x.dtype.kind not in 'biuf' or x.ndim != 2 or x.shape[1] != width:
        raise InputError(
            f"modality '{modality}' of sample '{name}' has items of shape "
            f'[S, {width}], or [{width}] for one (got {list(x.shape)} of type '
            f"'{x.dtype}')"
        )
    given = x
    with np.errstate(over='ignore'):
        x = given.astype(np.float32)  # A copy: scaling changes it.
        if modality in run.scale:
            standardize_(x, *run.scale[modality])
    large = ~(np.abs(x) <= LARGEST) & np.isfinite(given)  # Others build_graph refuses.
    if large.any():
        value = given[large][0]
        raise InputError(
            f"modality '{modality}' of sample '{name}' holds a value that is too large "
            f'to compute with, {value:.4g} (at most {LARGEST:g}, scaled as in the run)'
        )
    return x
