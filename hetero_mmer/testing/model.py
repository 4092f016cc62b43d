from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.testing.failure import run_checks
from hetero_mmer.testing.model_case import ModelCase
from hetero_mmer.testing.model_checks import MODEL_CHECKS
from hetero_mmer.typing import ModelFactory

_THREE = {'text': 5, 'audio': 4, 'vision': 3}


def check_model(
    model: ModelFactory,
    in_channels: Mapping[str, int] | None = None,
    num_labels: int = 3,
    *,
    except_for: Collection[str] = (),
    untrained: Collection[str] = (),
    relabel: Callable[[Any, Tensor], None] | None = None,
    kinds: Mapping[str, schema.Kind] | None = None,
    intensities: bool = False,
    extras: Mapping[str, tuple[int, ...]] | None = None,
    aligned: bool = False,
    dtype: torch.dtype = torch.float32,
    device: str = 'cpu',
    tolerance: float | None = None,
) -> tuple[str, ...]:
    """Puts a model to all checks of :data:`MODEL_CHECKS`.

    Args:
        model: The class, or a :func:`functools.partial` of it with small sizes; it is
            made anew for each check.
        in_channels: Feature width of each modality; three by default. The checks
            ``modalities`` and ``names`` take others as well.
        num_labels: Number of labels, two or more.
        except_for: Names of checks that do not hold for the model, for reasons that
            its documentation gives.
        untrained: Names of parameters that no gradient reaches, or patterns such as
            ``'positions.*'``.
        relabel: Reorders the labels of a model in place, so that label i is what
            ``order[i]`` was; called with the model and ``order`` ``[L]``.
        kinds: ``sequence`` (default) or ``set`` for each modality.
        intensities: Whether labels have one, from 0 to 1.
        extras: Shape of each array that the model names in its ``extras``.
        aligned: Whether the modalities of a sample have the same number of items.
        dtype: Number format of the checks.
        device: Where they are made.
        tolerance: Largest difference between probabilities that should be the same;
            1e-5 by default, 1e-9 in float64.

    Returns:
        Names of the checks that were made: some are about what not all models have.

    Raises:
        CheckError: Tells of all checks that fail, what was expected and what came.
        InputError: If ``except_for`` names no check, or ``extras`` lacks one.

    Example:
        >>> from hetero_mmer.models import HHMPN
        >>> made = check_model(partial(HHMPN, hidden_channels=4, num_steps=1))
        >>> 'batch' in made, 'step' in made
        (True, False)
    """
    target: Any = model
    while isinstance(target, partial):
        target = target.func
    if num_labels < 2:
        raise InputError(f"'num_labels' is 2 or more (got {num_labels})")
    for name in getattr(target, 'extras', ()):
        if name not in (extras or {}):
            raise InputError(
                f"{target.__name__}.extras names '{name}': give its shape in a sample, "
                f"as in extras={{'{name}': (2,)}}"
            )
    if tolerance is None:
        tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    case = ModelCase(
        factory=model,
        in_channels=_THREE if in_channels is None else in_channels,
        num_labels=num_labels,
        kinds=kinds,
        intensities=intensities,
        extras=extras or {},
        aligned=aligned,
        untrained=untrained,
        relabel=relabel,
        dtype=dtype,
        device=device,
        tolerance=tolerance,
    )
    name = getattr(target, '__name__', type(target).__name__)
    return run_checks(name, MODEL_CHECKS, case, except_for)
