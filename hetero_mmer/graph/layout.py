"""What graphs must have in common to make a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor
from torch_geometric.data import HeteroData

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.typing import EdgeType


class Layout(Mapping[str, Any]):
    """A text that graphs of one batch share, and the name of each graph that has it.

    The one entry of a mapping, because PyG collates mappings key by key: it asks every
    graph for the keys of the first. So a graph that does not belong refuses before any
    of its numbers reach the batch, and a batch needs no look at its samples later.

    Args:
        text: What :func:`describe` says.
        names: Name of the sample, or of each sample of a batch; ``None`` if unknown.

    Raises:
        InputError: If PyG asks for the layout of another graph.

    Example:
        >>> layout = Layout('text sequence 8; 3 labels; all pairs', 'clip-1')
        >>> list(layout.items())
        [('text sequence 8; 3 labels; all pairs', 'clip-1')]
    """

    def __init__(self, text: str, names: Any = None) -> None:
        self.text, self.names = str(text), names

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        yield _Asked(self.text)

    def __getitem__(self, key: str) -> Any:
        if isinstance(key, _Asked):
            key.place += 1
        if key == self.text:
            return self.names
        if isinstance(key, _Asked):
            raise InputError(
                f'{called(self.names, key.place)} {_difference(self.text, key)}, so '
                'they cannot be in one batch'
            )
        raise KeyError(key)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.text!r}, {self.names!r})'


class _Asked(str):
    """The text of the first graph, and how many graphs were asked for it."""

    place = -1


class Facts(NamedTuple):
    """What the text of a layout says."""

    kinds: dict[str, str]  # of each modality, in order
    widths: dict[str, str]  # width, or size of the vocabulary and 'ids'
    num_labels: int
    label_graph: str


def describe(
    kinds: Mapping[str, schema.Kind],
    features: Mapping[str, Tensor],
    num_embeddings: Mapping[str, int],
    num_labels: int,
    relations: Mapping[EdgeType, Mapping[str, Tensor]],
    num_samples: int = 1,
) -> str:
    """The layout of a graph or batch as a text, the same in every process.

    Args:
        kinds: ``sequence`` (default) or ``set`` for each modality.
        features: Items of each modality, ``[ΣS, F]``, in order.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        num_labels: Number of labels.
        relations: What :func:`~hetero_mmer.graph.connect` makes.
        num_samples: Number of samples.

    Example:
        >>> import torch
        >>> features = {'words': torch.ones(3, 1), 'audio': torch.zeros(0, 4)}
        >>> relations = {('modality', 'l2l', 'modality'): {}}
        >>> describe({'audio': 'set'}, features, {'words': 9}, 2, relations)
        'words sequence 9 ids, audio set 4; 2 labels; all pairs'
    """
    items = ', '.join(
        f'{m} {kinds.get(m, "sequence")} '
        + (f'{num_embeddings[m]} ids' if m in num_embeddings else f'{x.size(1)}')
        for m, x in features.items()
    )
    edge_index, edges = relations[schema.L2L].get('edge_index'), 'all pairs'
    if edge_index is not None:  # The edges among the cells of the first modality.
        num_edges = edge_index.size(1) // (num_samples * len(features))
        first = edge_index[:, :num_edges].contiguous().numpy()
        code = hashlib.blake2b(first.tobytes(), digest_size=6).hexdigest()
        edges = f'{num_edges} edges {code}'
    return f'{items}; {num_labels} labels; {edges}'


def facts(text: str) -> Facts:
    """Reads what :func:`describe` wrote.

    Example:
        >>> facts('words sequence 9 ids, audio set 4; 2 labels; all pairs').widths
        {'words': '9 ids', 'audio': '4'}
    """
    items, labels, edges = text.split('; ')
    parts = [item.split(' ', 2) for item in items.split(', ')]
    return Facts(
        {m: kind for m, kind, _ in parts},
        {m: width for m, _, width in parts},
        int(labels.split()[0]),
        edges,
    )


def layout_of(data: HeteroData) -> str | None:
    """The layout of a graph or batch, if it was left there."""
    layout = getattr(data, schema.SAMPLE_LAYOUT, None)
    # PyG makes plain dictionaries of mappings.
    return next(iter(layout), None) if isinstance(layout, Mapping) else None


def called(name: Any, place: int | None = None) -> str:
    """How a sentence calls a sample."""
    if isinstance(name, str):
        return f"sample '{name}'"
    return 'the sample' if place is None else f'the sample at index {place} of a batch'


def _difference(text: str, first: str) -> str:
    one, other = facts(text), facts(first)
    if list(one.kinds) != list(other.kinds):
        return (
            f'has the modalities {list(one.kinds)}, the first sample '
            f'{list(other.kinds)}'
        )
    for m, kind in one.kinds.items():
        if kind != other.kinds[m]:
            return f"has '{m}' as a {kind}, the first sample as a {other.kinds[m]}"
    for m, width in one.widths.items():
        if width != other.widths[m]:
            return (
                f"has '{m}' with {_width(width)}, the first sample with "
                f'{_width(other.widths[m])}'
            )
    if one.num_labels != other.num_labels:
        return f'has {one.num_labels} labels, the first sample {other.num_labels}'
    return (
        f'has another label graph than the first sample ({_edges(one.label_graph)} '
        f'and {_edges(other.label_graph)})'
    )


def _width(width: str) -> str:
    return f'a vocabulary of {width}' if 'ids' in width else f'a width of {width}'


def _edges(label_graph: str) -> str:
    return label_graph.rpartition(' ')[0] if 'edges' in label_graph else label_graph
