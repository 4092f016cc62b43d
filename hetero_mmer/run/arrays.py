"""Arrays of new samples as a run's model reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.store.format import LARGEST

if TYPE_CHECKING:
    from hetero_mmer.graph import SampleGraph
    from hetero_mmer.run.reading import Reading
    from hetero_mmer.run.record import Record

#: The items of each modality of a sample, ``[S, F]``; absent or None where missing.
Sample = Mapping[str, ArrayLike | None]


class Prediction(NamedTuple):
    """What a model says of N samples."""

    label_names: list[str]
    probs: NDArray[np.float32]  # [N, L]
    pred: NDArray[np.bool_]  # [N, L], at the thresholds of the run


def sample_graphs(run: Record, samples: Sample | Iterable[Sample]) -> list[SampleGraph]:
    """The graph of each sample, scaled and connected as those the run was trained on.

    Args:
        run: The run.
        samples: The items of each modality, of one sample or several.

    Raises:
        InputError: For what is no sample, a modality that the run does not know, items
            of another width or type, a sample without any item, or a value that is too
            large.
    """
    if isinstance(samples, Mapping):
        samples = [samples]
    if not isinstance(samples, Iterable) or isinstance(samples, str | bytes):
        raise InputError(
            f"'samples' are dictionaries of arrays by modality, one or several (got "
            f'{type(samples).__name__})'
        )
    reading = run.reading
    return [_graph(run, reading, s, str(i)) for i, s in enumerate(samples)]


def as_array(values: Any, what: str) -> NDArray:
    """An array, a tensor of any kind, or a list as an array.

    Args:
        values: What was given.
        what: What it is, for the message.

    Raises:
        InputError: For what is no array, such as rows of different lengths, and for
            values that are masked.

    Example:
        >>> import torch
        >>> as_array(torch.ones(2, dtype=torch.bfloat16, requires_grad=True), 'items')
        array([1., 1.], dtype=float32)
    """
    import torch

    refuse_masked(values, what)
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().to_dense()
            known = (torch.float16, torch.float32, torch.float64)
            if values.is_floating_point() and values.dtype not in known:
                values = values.float()
        elif isinstance(values, list | tuple):
            values = [
                as_array(v, what) if isinstance(v, torch.Tensor) else v for v in values
            ]
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f'{what} form an array of numbers (got {type(values).__name__}: '
            f'{" ".join(str(error).split())})'
        ) from None


def _graph(run: Record, reading: Reading, sample: Sample, name: str) -> SampleGraph:
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
    features = {
        m: _items(run, reading, m, sample.get(m), name) for m in run.in_channels
    }
    return build_graph(
        features,
        num_labels=len(run.label_names),
        kinds=run.kinds,
        num_embeddings=run.num_embeddings,
        label_graph=reading.label_graph,
        sample_id=name,
    )


def _items(
    run: Record, reading: Reading, modality: str, items: ArrayLike | None, name: str
) -> NDArray:
    from hetero_mmer.loader.scale import standardize_

    is_ids, width = modality in run.num_embeddings, run.in_channels[modality]
    empty = np.zeros((0, width), np.int64 if is_ids else np.float32)
    where = f"items of modality '{modality}' of sample '{name}'"
    x = empty if items is None else as_array(items, where)
    if not x.size and x.shape[:1] == (0,):  # As `[]` is.
        x = empty
    if is_ids:  # Which build_graph looks at.
        return x.astype(np.int64) if x.dtype.kind in 'iu' else x
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
        if modality in reading.scale:
            standardize_(x, *reading.scale[modality])
    large = ~(np.abs(x) <= LARGEST) & np.isfinite(given)  # Others build_graph refuses.
    if large.any():
        value = given[large][0]
        raise InputError(
            f"modality '{modality}' of sample '{name}' holds a value that is too large "
            f'to compute with, {value:.4g} (at most {LARGEST:g}, scaled as in the run)'
        )
    return x
