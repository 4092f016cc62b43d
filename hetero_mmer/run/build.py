"""A model from its class, its arguments and the facts of the data."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hetero_mmer.errors import InputError, reason
from hetero_mmer.spec import NUM_EMBEDDINGS, from_spec, is_known

if TYPE_CHECKING:
    from torch.nn import Module

    from hetero_mmer.run.size import Size


def build_model(
    spec: Mapping[str, Any],
    widths: dict[str, int],
    labels: int,
    num_embeddings: Mapping[str, int] | None = None,
    *,
    trust: bool = False,
    where: str = 'a file',
    largest: Size | None = None,
) -> Module:
    """Makes a model from its spec.

    Args:
        spec: Class and arguments.
        widths: Feature width of each modality.
        labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        trust: Whether its names may stand for anything.
        where: Where the spec stands, for messages.
        largest: What its weights may take; all that the machine has by default.

    Raises:
        InputError: If the class does not take these arguments, or their values, or
            is too large, or would run what is not trusted.
    """
    factory = from_spec(spec, trust=trust, kind='model', where=where)
    target, args = factory, {}
    if isinstance(factory, partial):
        target, args = factory.func, factory.keywords
    facts = {NUM_EMBEDDINGS: dict(num_embeddings)} if num_embeddings else {}
    try:
        signature = inspect.signature(target)
        signature.bind(widths, labels, **args)
    except (TypeError, ValueError) as error:
        raise InputError(f'cannot make a {spec["class_path"]}: {error}') from error
    try:
        signature.bind(widths, labels, **{**args, **facts})
    except TypeError as error:
        raise InputError(
            f"the items of modality '{next(iter(num_embeddings or {}))}' are ids, but "
            f"{spec['class_path']} reads features only: it takes no '{NUM_EMBEDDINGS}'"
        ) from error
    from hetero_mmer.run.size import check_size, machine_size

    make = partial(factory, widths, labels, **facts)
    # Own code may do more than make layers, so it runs once; its errors are its own.
    known = is_known(spec)
    expected: tuple[type[Exception], ...] = (TypeError, ValueError)
    try:
        if known:
            check_size(make, largest or machine_size(), spec['class_path'])
            expected = (Exception,)
        return make()
    except InputError:
        raise
    except expected as error:  # Such as a dropout of 3.
        raise InputError(
            f'cannot make a {spec["class_path"]}: {reason(error)}'
        ) from error
