from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, EdgeType, NodeType

from hetero_mmer.errors import InputError
from hetero_mmer.functional.joint_attention import JointLayout, joint_layout
from hetero_mmer.graph import AllPairs


class Relations(Mapping[EdgeType, Adj | AllPairs]):
    """The relations of a batch, and what all stages of a model derive from them.

    What depends on relations alone (explicit edges, positions in padded blocks) is
    computed at the first use and kept as long as this object. A model makes one per
    forward pass and hands it to each of its stages in place of the ``edge_index_dict``.

    Args:
        edge_index_dict: ``[2, E]`` or ``AllPairs`` for each relation.

    Example:
        >>> pairs = AllPairs(torch.tensor([[0, 2]]), torch.tensor([[0, 1]]))
        >>> relations = Relations({('a', 'r', 'b'): pairs})
        >>> relations.edge_index(('a', 'r', 'b'))
        tensor([[0, 1],
                [0, 0]])
    """

    def __init__(self, edge_index_dict: Mapping[EdgeType, Adj | AllPairs]) -> None:
        self._relations = dict(edge_index_dict)
        self._derived: dict[Hashable, Any] = {}

    @classmethod
    def of(cls, edge_index_dict: Mapping[EdgeType, Adj | AllPairs]) -> Relations:
        """The same object if it is one already."""
        return (
            edge_index_dict
            if isinstance(edge_index_dict, cls)
            else cls(edge_index_dict)
        )

    def __getitem__(self, edge_type: EdgeType) -> Adj | AllPairs:
        return self._relations[edge_type]

    def __iter__(self) -> Iterator[EdgeType]:
        return iter(self._relations)

    def __len__(self) -> int:
        return len(self._relations)

    def require(self, edge_types: Collection[EdgeType]) -> None:
        """Refuses relations that do not exist.

        Raises:
            InputError: With their names.
        """
        if missing := sorted(set(edge_types) - self.keys()):
            raise InputError(f'the graph lacks the relations {missing} of this stage')

    def edge_index(self, edge_type: EdgeType) -> Adj:
        """A relation as explicit edges."""
        relation = self[edge_type]
        if not isinstance(relation, AllPairs):
            return relation
        return self._once(('edge_index', edge_type), relation.edge_index)

    def all_to_all(
        self, edge_types: tuple[EdgeType, ...]
    ) -> tuple[list[NodeType], JointLayout] | None:
        """Node types and their layout, if relations join all pairs of them.

        Args:
            edge_types: Complete relations from each type to each, without self-loops
                and over the same blocks; the sources of each target in the same order.
        """
        return self._once(
            ('all_to_all', edge_types),
            lambda: _all_to_all({t: self[t] for t in edge_types}),
        )

    def among_cells(
        self, edge_types: tuple[EdgeType, ...], num_labels: int
    ) -> Relations:
        """Relations whose targets are counted among the cells of one modality.

        Args:
            edge_types: One relation per modality, in the order of the cells; its
                targets are cells ``[B·M·L]`` of that modality, and become ``[B·L]``.
            num_labels: Number of labels :math:`L`.
        """
        size = len(edge_types) * num_labels
        return self._once(
            ('among_cells', edge_types, num_labels),
            lambda: Relations(
                {t: _among_cells(self[t], size, num_labels) for t in edge_types}
            ),
        )

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]


def _all_to_all(
    relations: Mapping[EdgeType, Adj | AllPairs],
) -> tuple[list[NodeType], JointLayout] | None:
    types = list(dict.fromkeys(src for src, _, _ in relations))
    pairs = {(t[0], t[2]): r for t, r in relations.items() if isinstance(r, AllPairs)}
    if (
        len(pairs) < len(relations)
        or pairs.keys() != set(product(types, types))
        or any([m for m, dst in pairs if dst == n] != types for n in types)
    ):
        return None
    ranges = {n: pairs[n, n].src for n in types}
    # Each row lies in a block.
    same_blocks = all(
        r.numel() == 0 or int(r[:, 1].max()) == int(r.diff().sum())
        for r in ranges.values()
    ) and all(
        relation.loops == (src != dst)
        and torch.equal(relation.src, ranges[src])
        and torch.equal(relation.dst, ranges[dst])
        for (src, dst), relation in pairs.items()
    )
    return (types, joint_layout(list(ranges.values()))) if same_blocks else None


def _among_cells(
    relation: Adj | AllPairs, num_cells: int, num_labels: int
) -> Tensor | AllPairs:
    """Counts targets among a modality's cells, of ``num_cells`` cells of a sample."""
    if isinstance(relation, AllPairs):
        shift = _shift(relation.dst[:, :1], num_cells, num_labels)
        return AllPairs(relation.src, relation.dst + shift, relation.loops)
    src, dst = relation
    return torch.stack([src, dst + _shift(dst, num_cells, num_labels)])


def _shift(cell: Tensor, num_cells: int, num_labels: int) -> Tensor:
    return cell // num_cells * num_labels + cell % num_labels - cell
