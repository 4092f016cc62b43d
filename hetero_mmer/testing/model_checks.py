"""All checks of models, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hetero_mmer.testing.data_checks import (
    ids,
    label_facts,
    missing,
    modalities,
    no_positives,
    one_item,
    one_label,
    relabelling,
)
from hetero_mmer.testing.learning_checks import (
    copies,
    double_precision,
    evaluation,
    gradients,
    half_precision,
    learns,
    loss,
    reset,
    save,
)
from hetero_mmer.testing.model_case import ModelCase
from hetero_mmer.testing.output_checks import (
    batch,
    constructor,
    deterministic,
    explicit_edges,
    features,
    inputs,
    labels_unread,
    names,
    order,
    output,
    padding,
    sample,
    sets,
)
from hetero_mmer.testing.power_checks import (
    attention,
    criterion,
    fit,
    parameter_groups,
    step,
)

#: All checks by name, in the order in which they are made.
MODEL_CHECKS: Final[dict[str, Callable[[ModelCase], None]]] = {
    check.__name__: check
    for check in (
        *(constructor, output, features),
        *(sample, batch, padding, order, sets, names),
        *(explicit_edges, deterministic, labels_unread, inputs),
        *(modalities, missing, one_item, one_label, no_positives),
        *(ids, label_facts, relabelling),
        *(loss, gradients, learns, evaluation, half_precision, double_precision),
        *(save, copies, reset),
        *(attention, fit, step, parameter_groups, criterion),
    )
}
