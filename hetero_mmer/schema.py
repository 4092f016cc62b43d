"""Names of node types and relations, with their shapes.

========================== ===================================================
Node type                  One node is
========================== ===================================================
a modality's own name      one feature item: ``x`` [ΣS, F], or ids [ΣS, 1] of
                           a vocabulary; ``pos`` [ΣS], its place in the
                           sequence (``kind='sequence'`` only); ``segment``
                           [ΣS], the comment of a word, counted from 0 in each
                           sample (where known)
:data:`MODALITY`           one (modality, label) cell of a sample, ordered by
                           sample, modality, label: ``label_id``,
                           ``modality_id`` [B·M·L]
:data:`LABEL`              one label of a sample: ``label_id`` [B·L], and ``y``
                           and ``intensity`` [B·L] where they are known
========================== ===================================================

================================ =============================================
Relation                         Edges
================================ =============================================
``(m, f2f, n)``                  every item of m to every item of n in the same
                                 sample, but not to itself
``(m, f2l, modality)``           every item of m to the L cells of m
``(modality, l2l, modality)``    cell (m, k) to cell (m, i), i ≠ k, or a given
                                 label graph
``(modality, m2l, label)``       cell (m, i) of a present m to label i
================================ =============================================
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from hetero_mmer.errors import InputError
from hetero_mmer.typing import EdgeType

MODALITY: Final = 'modality'
LABEL: Final = 'label'

#: What stands for each label of a sample whose labels are unknown.
UNKNOWN: Final = 255

#: Where a graph keeps the name of its sample, and a batch those of its samples.
SAMPLE_ID: Final = 'sample_id'

#: Where a graph keeps what it must have in common with others of its batch (modalities
#: in order, their kinds, widths and vocabularies, number of labels, label graph); a
#: :class:`~hetero_mmer.graph.layout.Layout`.
SAMPLE_LAYOUT: Final = 'sample_layout'

L2L: Final[EdgeType] = (MODALITY, 'l2l', MODALITY)
M2L: Final[EdgeType] = (MODALITY, 'm2l', LABEL)

#: A ``sequence`` has positions; the items of a ``set`` have no order.
Kind = Literal['sequence', 'set']


def f2f(source: str, target: str) -> EdgeType:
    """Items of one modality to the items of another, or of the same one."""
    return source, 'f2f', target


def f2l(modality: str) -> EdgeType:
    """Items of a modality to that modality's cells."""
    return modality, 'f2l', MODALITY


def modalities(node_types: Iterable[str]) -> list[str]:
    """The modalities among the node types of a graph, in their order."""
    return [name for name in node_types if name not in (MODALITY, LABEL)]


def check_modality_names(names: Iterable[str]) -> None:
    """Refuses names that cannot serve as a node type.

    Raises:
        InputError: For a name that is reserved, or not made of letters, digits, ``-``
            and single ``_``.
    """
    for name in names:
        if name in (MODALITY, LABEL, SAMPLE_ID, SAMPLE_LAYOUT):
            raise InputError(f"a modality cannot be called '{name}': it is reserved")
        # PyG writes a relation's name with '__' between its parts.
        if '__' in name or not name.replace('_', '').replace('-', '').isalnum():
            raise InputError(
                f"a modality's name is made of letters, digits, '-' and single '_' "
                f"(got '{name}')"
            )


def check_extra_names(names: Iterable[str], modalities: Iterable[str]) -> None:
    """Refuses names under which a graph cannot keep an array of its sample.

    Args:
        names: Names of the arrays.
        modalities: Names of the modalities.

    Raises:
        InputError: For a name that a graph or PyG uses otherwise.

    Example:
        >>> check_extra_names(['valence_arousal'], ['text'])
    """
    reserved = (MODALITY, LABEL, SAMPLE_ID, SAMPLE_LAYOUT, *modalities)
    reserved += ('f2f', 'f2l', 'l2l', 'm2l', 'num_nodes', 'ptr')
    for name in names:
        # PyG adds up what is called a batch.
        if name in reserved or 'batch' in name or name[:1] == '_':
            raise InputError(
                f"an extra array of a graph cannot be called '{name}': the name is "
                'reserved'
            )


def check_label_names(names: Iterable[str]) -> None:
    """Refuses names whose columns in a file of predictions would be called the same.

    Such a file has a column :data:`SAMPLE_ID`, one of probabilities for each label, and
    one of decisions, ``<label>_predicted``, or of the truth, ``<label>_true``.

    Raises:
        InputError: For names that are empty or come twice, or would collide.

    Example:
        >>> check_label_names(['joy', 'anger', 'true'])
    """
    labels = list(names)
    if not labels or '' in labels or len(set(labels)) < len(labels):
        raise InputError(f'label names are present and all different (got {labels})')
    if SAMPLE_ID in labels:
        raise InputError(
            f"a label cannot be called '{SAMPLE_ID}': in a file of predictions, the "
            f'column of ids is called so'
        )
    for suffix, what in (('_predicted', 'decision'), ('_true', 'truth')):
        for name in labels:
            if f'{name}{suffix}' in labels:
                raise InputError(
                    f"a label cannot be called '{name}{suffix}' where another one is "
                    f"called '{name}': in a file of predictions, that is the column of "
                    f"the {what} on '{name}'"
                )
