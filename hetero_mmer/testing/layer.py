from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch
from torch.nn import Module

from hetero_mmer.testing.failure import run_checks
from hetero_mmer.testing.layer_case import LayerCase
from hetero_mmer.testing.layer_checks import LAYER_CHECKS


def check_layer(
    layer: Callable[[int, int], Module],
    channels: int = 8,
    *,
    except_for: Collection[str] = (),
    untrained: Collection[str] = (),
    dtype: torch.dtype = torch.float32,
    device: str = 'cpu',
    tolerance: float | None = None,
) -> tuple[str, ...]:
    """Puts a message-passing layer to all checks of :data:`LAYER_CHECKS`.

    Whether it computes what its paper says is left to a test of one's own, such as
    the comparison with the formula on dense matrices.

    Args:
        layer: What makes the layer from two widths, as stages take it: its class, or a
            :func:`functools.partial` of it. Its ``add_self_loops`` is switched off, as
            a stage's user does.
        channels: Both widths.
        except_for: Names of checks that do not hold for the layer, such as
            ``no_edges`` for one that has a bias.
        untrained: Names of parameters that no gradient reaches, or patterns.
        dtype: Number format of the checks.
        device: Where they are made.
        tolerance: Largest difference between numbers that should be the same; 1e-5 by
            default, 1e-9 in float64.

    Returns:
        Names of the checks that were made: some are about what not all layers have.

    Raises:
        CheckError: Tells of all checks that fail, what was expected and what came.
        InputError: If ``except_for`` names no check.

    Example:
        >>> from torch_geometric.nn import SAGEConv
        >>> made = check_layer(SAGEConv, except_for=['no_edges'])
        >>> 'edge_order' in made, 'all_pairs' in made
        (True, False)
    """
    if tolerance is None:
        tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    case = LayerCase(layer, channels, untrained, dtype, device, tolerance)
    target: Any = layer
    while isinstance(target, partial):
        target = target.func
    name = getattr(target, '__name__', type(target).__name__)
    return run_checks(name, LAYER_CHECKS, case, except_for)
