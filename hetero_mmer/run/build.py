"""A model from its class, its arguments and the facts of the data."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hetero_mmer.errors import InputError, reason
from hetero_mmer.run.options import LOSSES
from hetero_mmer.spec import (
    LABEL_RELATIONS,
    LABEL_VECTORS,
    NUM_EMBEDDINGS,
    Spec,
    from_spec,
    is_known,
)

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from hetero_mmer.run.size import Size


@dataclass(frozen=True)
class Facts:
    """What a model is told of its data.

    Args:
        in_channels: Feature width of each modality, in order.
        num_labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        label_vectors: Of each label, ``[L, E]``, if given.
        label_relations: Weight of the relation of each label to each, ``[L, L]``, if
            given.
    """

    in_channels: dict[str, int]
    num_labels: int
    num_embeddings: Mapping[str, int]
    label_vectors: Tensor | None = None
    label_relations: Tensor | None = None

    def for_model(self, target: Any, name: str) -> dict[str, Any]:
        """The facts that a model takes by keyword, of those that there are.

        Args:
            target: The model's class.
            name: What to call it.

        Raises:
            InputError: If it takes none of those that it would have to know.
        """
        known = inspect.signature(target).parameters
        facts: dict[str, Any] = {}
        if self.num_embeddings:
            if NUM_EMBEDDINGS not in known:
                raise InputError(
                    f"the items of modality '{next(iter(self.num_embeddings))}' are "
                    f'ids, but {name} reads features only: it takes no '
                    f"'{NUM_EMBEDDINGS}'"
                )
            facts[NUM_EMBEDDINGS] = dict(self.num_embeddings)
        if self.label_vectors is not None:
            if LABEL_VECTORS not in known:
                raise InputError(
                    f"{name} reads no label vectors: it takes no '{LABEL_VECTORS}'"
                )
            facts[LABEL_VECTORS] = self.label_vectors
        # Others read them as edges of the graph.
        if self.label_relations is not None and LABEL_RELATIONS in known:
            facts[LABEL_RELATIONS] = self.label_relations
        return facts


def with_loss(spec: Spec, loss: str | None) -> Spec:
    """A model that is trained with another loss of its logits.

    Args:
        spec: Class and arguments.
        loss: One of :data:`~hetero_mmer.run.options.LOSSES`; none changes nothing.

    Raises:
        InputError: If the model takes no other loss.
    """
    if loss is None:
        return spec
    factory = from_spec({'class_path': spec['class_path']}, trust=True)
    if 'criterion' not in inspect.signature(factory).parameters:
        raise InputError(
            f"{spec['class_path']} has a loss of its own, so 'loss' is for other "
            f"models (got '{loss}')"
        )
    criterion = {'class_path': LOSSES[loss], 'init_args': {}}
    return {**spec, 'init_args': {**spec['init_args'], 'criterion': criterion}}


def extras_of(model: Any) -> tuple[str, ...]:
    """Names of other arrays of the store that a model, or its class, reads.

    Args:
        model: The model, its class or a partial of that.
    """
    return tuple(getattr(getattr(model, 'func', model), 'extras', ()))


def build_model(
    spec: Mapping[str, Any],
    facts: Facts,
    *,
    trust: bool = False,
    where: str = 'a file',
    largest: Size | None = None,
) -> Module:
    """Makes a model from its spec.

    Args:
        spec: Class and arguments.
        facts: What it is told of the data.
        trust: Whether its names may stand for anything.
        where: Where the spec stands, for messages.
        largest: What its weights may take; all that the machine has by default.

    Raises:
        InputError: If the class does not take these arguments, or their values, or
            is too large, or would run what is not trusted.
    """
    name = spec['class_path']
    factory = from_spec(spec, trust=trust, kind='model', where=where)
    target, args = factory, {}
    if isinstance(factory, partial):
        target, args = factory.func, factory.keywords
    data = (facts.in_channels, facts.num_labels)
    try:
        inspect.signature(target).bind(*data, **args)
    except (TypeError, ValueError) as error:
        raise InputError(f'cannot make a {name}: {error}') from error
    from hetero_mmer.run.size import check_size, machine_size

    make = partial(factory, *data, **facts.for_model(target, name))
    # Own code may do more than make layers, so it runs once; its errors are its own.
    known = is_known(spec)
    expected: tuple[type[Exception], ...] = (TypeError, ValueError)
    try:
        if known:
            check_size(make, largest or machine_size(), name)
            expected = (Exception,)
        return make()
    except InputError:
        raise
    except expected as error:  # Such as a dropout of 3.
        raise InputError(f'cannot make a {name}: {reason(error)}') from error
