from __future__ import annotations

import pytest
from torch.nn import Linear

from hetero_mmer.errors import InputError
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.fusion import (
    Aggregation,
    AggregationFusion,
    AlignmentFusion,
    EmbeddingSpace,
    Fusion,
    LabelAggregation,
    LatentSpace,
    MeanSpace,
    ModalityAggregation,
    Reconstruction,
    Space,
    check_part,
)

# By the names of their methods, as isinstance sees them, fusions are aggregations, too.
PARTS = [
    (LatentSpace(2, 3, 4), {Space, EmbeddingSpace}),
    (MeanSpace(2, 3, 4), {Space}),
    (Reconstruction(2, 4), {Fusion, Aggregation}),
    (AlignmentFusion(2, 4), {Fusion, Aggregation}),
    (AggregationFusion(2, 4), {Fusion, Aggregation}),
    (LabelAggregation(2, 3, 4), {Aggregation}),
    (ModalityAggregation(2, 3, 4), {Aggregation}),
    (ContrastiveMemory(4, queue_size=2), set()),
    (Linear(2, 2), set()),
]
PROTOCOLS = [Space, EmbeddingSpace, Fusion, Aggregation]


@pytest.mark.parametrize(('part', 'kinds'), PARTS)
def test_parts_are_of_their_protocols_alone(part, kinds):
    assert {p for p in PROTOCOLS if isinstance(part, p)} == kinds


def test_a_part_of_another_kind_is_refused():
    assert check_part(MeanSpace(2, 3, 4), Space, 'space')
    with pytest.raises(InputError, match=r"'space' makes .*\.Space \(got Linear\)"):
        check_part(Linear(2, 2), Space, 'space')
