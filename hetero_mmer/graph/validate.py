"""Whether the parts of a graph or batch belong together."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph.all_pairs import AllPairs
from hetero_mmer.graph.layout import called, facts, layout_of
from hetero_mmer.typing import EdgeType


def validate(data: HeteroData) -> None:
    """Refuses a graph or batch whose parts contradict each other.

    For models and stages of one's own; those of this package do it themselves.

    Args:
        data: One sample's graph, or a batch.

    Raises:
        InputError: If samples of a batch have other modalities, cells or labels than
            the first, or relations do not fit the items and cells. Names the sample.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.ones(3, 8)}, [1, 0])
        >>> graph['text'].x = graph['text'].x[:2]
        >>> validate(graph)
        Traceback (most recent call last):
            ...
        hetero_mmer.errors.InputError: 'text' has 2 items and 3 places
    """
    check_counts(data)
    check_relations(data, data.edge_index_dict)
    check_cells(data)


def check_counts(data: HeteroData) -> None:
    """Refuses what numbers of nodes tell, without a look at a tensor's values.

    Args:
        data: One sample's graph, or a batch.

    Raises:
        InputError: Names the sample or the type, and what does not fit.
    """
    modalities = schema.modalities(data.node_types)
    text = layout_of(data)
    if text is not None and list(facts(text).kinds) != modalities:
        raise InputError(
            f'the graph was built of the modalities {list(facts(text).kinds)}, and '
            f'their order is that of the cells (got {modalities}): build it anew'
        )
    if isinstance(data, Batch):
        _check_collation(data)
    labels = _per_sample(data, schema.LABEL)
    cells = _per_sample(data, schema.MODALITY)
    for b, (num_cells, num_labels) in enumerate(zip(cells, labels, strict=False)):
        if num_labels != labels[0]:
            raise InputError(
                f'{_name(data, b)} has {num_labels} labels, the first sample '
                f'{labels[0]}, so they cannot be in one batch'
            )
        if num_cells != len(modalities) * num_labels:
            raise InputError(
                f'{_name(data, b)} has {num_cells} cells, one for each modality and '
                f'label, but {len(modalities)} modalities are there and '
                f'{num_labels} labels'
            )
    for m in modalities:
        x, pos = data[m].get('x'), data[m].get('pos')
        if x is not None and pos is not None and len(x) != len(pos):
            raise InputError(f"'{m}' has {len(x)} items and {len(pos)} places")
    y = data[schema.LABEL].get('y') if schema.LABEL in data.node_types else None
    if y is not None and labels and y.numel() != sum(labels):
        raise InputError(f"'y' has {y.numel()} values for {sum(labels)} labels")


def check_relations(
    data: HeteroData, relations: Mapping[EdgeType, Tensor | AllPairs]
) -> None:
    """Refuses relations that do not fit the items.

    Ranges reach each item once; edges start at items that are there and end in cells
    of the same modality and sample.

    Args:
        data: One sample's graph, or a batch.
        relations: Its relations. Layers that take them find the work on ranges done.

    Raises:
        InputError: Names the modality, and the sample where it is known.
    """
    if torch.compiler.is_compiling():  # Values would break its graph.
        return
    explicit = []
    for m in schema.modalities(data.node_types):
        relation = relations.get(schema.f2l(m))
        if isinstance(relation, AllPairs):
            num_items = len(data[m].x)
            if relation.source_rows.num_rows != num_items:
                raise InputError(
                    f"the relations of '{m}' are kept as ranges, which do not fit its "
                    f'{num_items} items: to add or take away items, use the graph '
                    "that 'hetero_mmer.graph.explicit' makes"
                )
        elif isinstance(relation, Tensor):
            explicit.append(m)
    _check_targets(data, relations, explicit)


def check_cells(data: HeteroData) -> None:
    """Refuses cells in another order, and items that reach those of others.

    Args:
        data: One sample's graph, or a batch.

    Raises:
        InputError: Names the sample and the modality.
    """
    if isinstance(data, Batch):
        _check_last(data)
    if labels := _per_sample(data, schema.LABEL):
        _check_order(data, labels)
        _check_targets(data, data.edge_index_dict, schema.modalities(data.node_types))


def _check_order(data: HeteroData, labels: list[int]) -> None:
    """Cells and labels lie by sample, modality and label."""
    num_modalities = len(schema.modalities(data.node_types))
    for node_type, key, repeats, period in (
        (schema.LABEL, 'label_id', 1, labels[0]),
        (schema.MODALITY, 'label_id', 1, labels[0]),
        (schema.MODALITY, 'modality_id', labels[0], num_modalities),
    ):
        ids = data[node_type].get(key) if node_type in data.node_types else None
        if ids is not None:
            place = torch.arange(len(ids), device=ids.device)
            wrong = ids != place // repeats % period
            if bool(wrong.any()):
                sample = int(wrong.nonzero()[0]) * len(labels) // len(ids)
                raise InputError(
                    f"{_name(data, sample)} has its '{node_type}' nodes in another "
                    f"order than by sample, modality and label (told by '{key}')"
                )


def _check_targets(
    data: HeteroData,
    relations: Mapping[EdgeType, Tensor | AllPairs],
    chosen: Sequence[str],
) -> None:
    """Items of the chosen modalities are there and reach their own sample's cells."""
    modalities = schema.modalities(data.node_types)
    labels = _per_sample(data, schema.LABEL)
    wrong = {}
    for m in chosen if labels else ():
        if (relation := relations.get(schema.f2l(m))) is not None:
            source, target = _ends(relation)
            batch, last = data[m].get('batch'), len(data[m].x) - 1
            sample = torch.zeros_like(source)
            if batch is not None and last >= 0:
                sample = batch[source.clamp(max=last)]
            place = sample * len(modalities) + modalities.index(m)
            wrong[m] = (source > last) | (target // labels[0] != place)
    # One look at all of them.
    if not wrong or not bool(torch.stack([w.any() for w in wrong.values()]).any()):
        return
    m = next(m for m, w in wrong.items() if bool(w.any()))
    ends = _ends(relations[schema.f2l(m)])
    item, cell = (int(end[wrong[m]][0]) for end in ends)
    if item >= len(data[m].x):
        raise InputError(
            f"the edges of '{m}' start at items up to {item} (counted from 0), but it "
            f'has {len(data[m].x)}'
        )
    batch = data[m].get('batch')
    own = 0 if batch is None else int(batch[item])
    reached, k = divmod(cell // labels[0], len(modalities))
    raise InputError(
        f"{_name(data, own)} has items of '{m}' at the cells of '{modalities[k]}' of "
        f'{_name(data, reached)}'
    )


def _ends(relation: Tensor | AllPairs) -> tuple[Tensor, Tensor]:
    """Source and target of each edge; of ranges, the first of each."""
    if isinstance(relation, AllPairs):
        full = relation.src[:, 1] > relation.src[:, 0]
        return relation.src[full, 0], relation.dst[full, 0]
    return relation[0], relation[1]


def _check_collation(data: Batch) -> None:
    """PyG gives the rows of a type that some sample lacks to the wrong sample."""
    num_samples = data.num_graphs
    counts: dict[Any, int] = {
        node_type: len(store.ptr) - 1
        for node_type, store in data.node_items()
        if 'ptr' in store
    }
    num_modalities = len(schema.modalities(data.node_types))
    for edge_type, store in data.edge_items():
        # One block for each sample, or for each modality of each sample.
        if edge_type[1] in ('f2f', 'f2l', 'l2l') and 'range_index' in store:
            blocks = store.range_index.size(1) // 2
            cells = edge_type == schema.L2L
            counts[edge_type] = blocks // (num_modalities if cells else 1)
    for key, count in counts.items():
        if count != num_samples:
            kind = 'relation' if isinstance(key, tuple) else 'node type'
            raise InputError(
                f'only {count} of {num_samples} samples of the batch have the {kind} '
                f'{key!r}, so they cannot be in one batch: what a sample lacks is '
                'there, but empty'
            )


def _check_last(data: Batch) -> None:
    """PyG cannot give the last sample back if any of them lacks a relation."""
    with contextlib.suppress(KeyError, RuntimeError):  # Where attributes were changed.
        try:
            data.get_example(data.num_graphs - 1)
        except IndexError as error:
            raise InputError(
                f'some of the {data.num_graphs} samples of the batch lack a relation '
                'or an attribute that others have, so they cannot be in one batch: '
                'what a sample lacks is there, but empty'
            ) from error


def _per_sample(data: HeteroData, node_type: str) -> list[int]:
    """Number of nodes of each sample; empty if nothing tells."""
    if node_type not in data.node_types:
        return []
    store = data[node_type]
    if not isinstance(data, Batch):
        known = 'num_nodes' in store or store.can_infer_num_nodes
        ids = store.get('label_id')
        if known:
            return [int(store.num_nodes)]
        return [] if ids is None else [len(ids)]
    text = layout_of(data)
    if text is not None:  # All samples have as many, and no tensor is looked at.
        kinds, _, num_labels, _ = facts(text)
        count = num_labels * (len(kinds) if node_type == schema.MODALITY else 1)
        if store.num_nodes == data.num_graphs * count:
            return [count] * data.num_graphs
    ptr = store.get('ptr')
    return [] if ptr is None else ptr.diff().tolist()


def _name(data: HeteroData, sample: int) -> str:
    names = getattr(data, schema.SAMPLE_ID, None)
    if isinstance(names, list) and sample < len(names):
        names = names[sample]
    return called(names, sample if isinstance(data, Batch) else None)
