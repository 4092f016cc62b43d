"""One's own arrays as a heterogeneous graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import NodeType

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.graph.connect import connect
from hetero_mmer.graph.layout import Layout, describe
from hetero_mmer.graph.sample_graph import SampleGraph, explicit

__all__ = ['SampleGraph', 'build_graph', 'explicit', 'label_nodes']

Values: TypeAlias = np.ndarray | Tensor | list[int]


def build_graph(
    features: Mapping[str, Values],
    labels: Values | None = None,
    *,
    num_labels: int | None = None,
    kinds: Mapping[str, schema.Kind] | None = None,
    num_embeddings: Mapping[str, int] | None = None,
    intensities: Values | None = None,
    segments: Mapping[str, Values] | None = None,
    extras: Mapping[str, Values] | None = None,
    label_graph: Tensor | None = None,
    sample_id: str | None = None,
) -> SampleGraph:
    """Makes the graph of one sample.

    Args:
        features: Items of each modality, ``[S, F]``; zero rows where the modality is
            missing. The order of the modalities is the order of the cells.
        labels: 0 or 1 for each label, ``[L]``, if known.
        num_labels: Number of labels, if ``labels`` are not given.
        kinds: ``sequence`` (default) or ``set`` for each modality.
        num_embeddings: Size V of the vocabulary of each modality whose items are ids
            from 0 to V - 1, ``[S]`` or ``[S, 1]``; integers of other modalities become
            floating-point features.
        intensities: Intensity of each label, ``[L]``, if known.
        segments: For some modalities, the segment of each item, ``[S]``, counted from
            0: the comment that a word belongs to.
        extras: Other arrays that a model reads, by name, ``[...]``; the graph has each
            as ``[1, ...]``, so a batch has it as ``[B, ...]``.
        label_graph: Edges among the labels, ``[2, E]``; all pairs by default.
        sample_id: Name of the sample.

    Raises:
        InputError: For a modality without a width, a sample without any item,
            values that are not finite, ids outside of their vocabulary, labels other
            than 0 and 1, as many segments as there are not items, or an extra array
            with a name that a graph has already.

    Example:
        >>> graph = build_graph({'text': np.zeros((3, 8)), 'audio': np.zeros((5, 4))},
        ...                     labels=[1, 0])
        >>> graph['text'].x.shape, graph['modality'].num_nodes
        (torch.Size([3, 8]), 4)
        >>> graph.edge_index_dict['text', 'f2f', 'audio'].num_edges
        15
        >>> build_graph({'words': [3, 1]}, [1], num_embeddings={'words': 5})['words'].x
        tensor([[3],
                [1]])
    """
    schema.check_modality_names(features)
    name = f"sample '{sample_id}'" if sample_id is not None else 'the sample'
    sizes = num_embeddings or {}
    for option, given in (
        ('kinds', kinds or {}),
        ('num_embeddings', sizes),
        ('segments', segments or {}),
    ):
        if unknown := set(given) - set(features):
            raise InputError(
                f"'{option}' names {sorted(unknown)}, which is no modality here"
            )
    items = {
        m: _ids(m, x, sizes[m], name) if m in sizes else _items(m, x, name)
        for m, x in features.items()
    }
    if not any(x.size(0) for x in items.values()):
        raise InputError(f'{name} has no item in any modality')
    for m, kind in (kinds or {}).items():
        if kind not in get_args(schema.Kind):
            raise InputError(
                f"the kind of modality '{m}' is one of {get_args(schema.Kind)} "
                f"(got '{kind}')"
            )
    y = None if labels is None else _targets(labels, name)
    if y is not None and num_labels not in (None, y.numel()):
        raise InputError(
            f"{name} has {y.numel()} labels, but 'num_labels' is {num_labels}"
        )
    num_labels = num_labels if y is None else y.numel()
    if not num_labels:
        raise InputError(f"{name} needs 'labels' or a positive 'num_labels'")

    ptr = {m: torch.tensor([0, x.size(0)]) for m, x in items.items()}
    strength = None
    if intensities is not None:
        strength = _finite(intensities, f'intensities of {name}', (num_labels,))
    nodes = label_nodes(1, len(items), num_labels, y, strength)
    relations = connect(ptr, num_labels, label_graph)
    text = describe(kinds or {}, items, sizes, num_labels, relations)
    data = SampleGraph()
    data.sample_layout = Layout(text, sample_id)  # First, for PyG to ask for it first.
    if sample_id is not None:
        data.sample_id = sample_id
    schema.check_extra_names(extras or (), features)
    for key, values in (extras or {}).items():
        array = _tensor(values, f"values of '{key}' of {name}")
        data[key] = array.to(torch.get_default_dtype()).unsqueeze(0)
    for m, x in items.items():
        data[m].x = x
        if (kinds or {}).get(m, 'sequence') == 'sequence':
            data[m].pos = torch.arange(x.size(0))
        if segments and m in segments:
            data[m].segment = _segments(segments[m], len(x), f"'{m}' of {name}")
    for key, attributes in [*nodes.items(), *relations.items()]:
        data[key].update(attributes)
    return data


def label_nodes(
    num_samples: int,
    num_modalities: int,
    num_labels: int,
    y: Tensor | None,
    intensity: Tensor | None = None,
) -> dict[NodeType, dict[str, Any]]:
    """Attributes of the cells and labels of B samples; ``y`` is [B·L], if known."""
    known = {'y': y, 'intensity': intensity}
    labels, cells = (num_samples, num_labels), (num_samples, num_modalities, num_labels)
    label_id, modality_id = np.arange(num_labels), np.arange(num_modalities)[:, None]
    return {
        schema.MODALITY: {
            'label_id': _repeated(label_id, cells),
            'modality_id': _repeated(modality_id, cells),
            'num_nodes': math.prod(cells),
        },
        schema.LABEL: {
            'label_id': _repeated(label_id, labels),
            **{name: values for name, values in known.items() if values is not None},
            'num_nodes': math.prod(labels),
        },
    }


def _repeated(x: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.broadcast_to(x, shape).flatten())


def _ids(modality: str, x: Values, size: int, name: str) -> Tensor:
    x = _tensor(x, f"ids of modality '{modality}' of {name}")
    if x.shape in ((0,), (0, 1)):
        return x.new_empty(0, 1, dtype=torch.long)
    integer = not x.is_floating_point() and x.dtype != torch.bool
    if not integer or not (x.dim() == 1 or (x.dim() == 2 and x.size(1) == 1)):
        raise InputError(
            f"modality '{modality}' of {name} has integer ids of shape [S] or [S, 1] "
            f'(got {list(x.shape)} of {x.dtype})'
        )
    x = x.reshape(-1, 1).to(torch.long)
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= size:
        raise InputError(
            f"modality '{modality}' of {name} has ids from 0 to {size - 1} "
            f'(got {low} to {high})'
        )
    return x


def _items(modality: str, x: Values, name: str) -> Tensor:
    x = _tensor(x, f"items of modality '{modality}' of {name}")
    if x.dim() != 2 or x.size(1) == 0:
        raise InputError(
            f"modality '{modality}' of {name} has items of shape [S, F] "
            f'(got {list(x.shape)})'
        )
    x = x.to(torch.get_default_dtype())
    bad = int((~x.isfinite()).sum())
    if bad:
        raise InputError(
            f"modality '{modality}' of {name} has {bad} values that are not finite"
        )
    return x


def _segments(values: Values, num_items: int, where: str) -> Tensor:
    segment = _tensor(values, f'segments of {where}')
    integer = not segment.is_floating_point() and segment.dtype != torch.bool
    if not num_items and not segment.numel():
        return torch.empty(0, dtype=torch.long)
    if segment.shape != (num_items,) or not integer or int(segment.min()) < 0:
        raise InputError(
            f'segments of {where} are numbers from 0, one for each of {num_items} '
            f'items (got {list(segment.shape)} of {segment.dtype})'
        )
    return segment.long()


def _finite(values: Values, what: str, shape: tuple[int, ...]) -> Tensor:
    x = _tensor(values, what)
    if x.shape != shape or not bool(x.isfinite().all()):
        raise InputError(
            f'{what} are finite numbers of shape {list(shape)} (got {x.tolist()})'
        )
    return x.to(torch.get_default_dtype())


def _targets(labels: Values, name: str) -> Tensor:
    y = _tensor(labels, f'labels of {name}')
    if y.dim() != 1 or not bool(((y == 0) | (y == 1)).all()):
        raise InputError(
            f'labels of {name} are 0 or 1, one for each label (got {y.tolist()})'
        )
    return y.to(torch.get_default_dtype())


def _tensor(values: Values, what: str) -> Tensor:
    refuse_masked(values, what)
    try:
        if isinstance(values, np.ndarray):  # PyTorch takes no order but its own.
            native = values.dtype.newbyteorder('=')
            values = values.astype(native, order='C', copy=False)
        x = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f'{what} are numbers (got {type(values).__name__})') from error
    if x.is_complex():
        raise InputError(f'{what} are real numbers (got {x.dtype})')
    return x
