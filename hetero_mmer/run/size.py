"""How large a model is, before memory is taken for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch
from torch.nn import Module
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from hetero_mmer.errors import InputError

#: Parts that no model has; it would take minutes to make them.
_MOST_PARTS: Final = 20_000


class Size(NamedTuple):
    """What a model may have."""

    num_parts: int  # layers, parameters and buffers
    num_bytes: int  # of parameters and buffers
    reason: str = ''


def machine_size() -> Size:
    """What this machine's memory holds."""
    pages, size = os.sysconf('SC_PHYS_PAGES'), os.sysconf('SC_PAGE_SIZE')
    return Size(_MOST_PARTS, pages * size)


def check_size(make: Callable[[], Module], largest: Size, name: str) -> None:
    """Refuses a model that is too large, by making it without its numbers.

    Where a model cannot be made so, nothing is said.

    Args:
        make: Makes the model.
        largest: What it may have.
        name: What to call it.

    Raises:
        InputError: Once it has more.
    """
    parts = size = 0

    def count(module: Module, _: str, part: Any) -> None:
        nonlocal parts, size
        parts += 1
        if isinstance(part, torch.Tensor):
            size += part.numel() * part.element_size()
        for found, most, what in (
            (parts, largest.num_parts, 'layers and tensors'),
            (size, largest.num_bytes, 'bytes of weights'),
        ):
            if found > most:
                raise InputError(
                    f'{name} with these arguments is too large: it would have more '
                    f'than {most} {what}{largest.reason}'
                )

    with contextlib.ExitStack() as stack:
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
            register_module_module_registration_hook,
        ):
            stack.callback(register(count).remove)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.device('meta'))
        try:
            make()
        except InputError:
            raise
        except Exception:  # As for a layer that looks at its numbers.
            return
