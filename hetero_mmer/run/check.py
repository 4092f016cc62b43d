"""Checks before a run: of options, of its folder, of a model."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection, Mapping
from importlib import metadata
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from hetero_mmer.errors import InputError, reason
from hetero_mmer.files.plain import Within, check_plain
from hetero_mmer.typing import Model

if TYPE_CHECKING:
    import torch
    from torch.nn import Module
    from torch_geometric.data import Batch

#: Whole numbers that PyTorch and Lightning count with.
_INT64: Final = Within(-(2**63), 2**63 - 1)

#: Processes besides the main one.
_MOST_WORKERS: Final = 1024


def check_folder(path: Path, *, beside: Collection[str] = ()) -> None:
    """Refuses a folder that holds something.

    Args:
        path: The folder.
        beside: Names of files in it that mean nothing.

    Raises:
        InputError: If there is a file of this name, or a folder with files.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"the run's folder '{path}' is a file")
    if path.is_dir() and any(entry.name not in beside for entry in path.iterdir()):
        raise InputError(
            f"the folder '{path}' is not empty; name another one, or go on with an "
            f'unfinished run by `--resume {path}`'
        )


def check_types(
    options: Mapping[str, Any], types: Mapping[str, Any], where: str = ''
) -> None:
    """Refuses values of another type than in a signature.

    Args:
        options: Some options.
        types: The types of all.
        where: Where they stand, for messages.

    Raises:
        InputError: Names the option.
    """
    for name, value in options.items():
        kind = Annotated[int, _INT64] if types[name] is int else types[name]
        check_plain(value, kind, where, name)


def check_options(
    options: Mapping[str, Any], types: Mapping[str, Any], where: str = ''
) -> None:
    """Refuses values of another type, or that make no sense.

    Args:
        options: All options.
        types: Their types.
        where: Where they stand, for messages.

    Raises:
        InputError: Names the option.
    """
    others = {name: v for name, v in options.items() if name != 'threshold'}
    check_types(others, types, where)
    check_batch_size(options['batch_size'])
    for name in ('epochs', 'accumulate', 'patience'):
        if options[name] is not None and options[name] < 1:
            raise InputError(f"'{name}' is at least 1 (got {options[name]})")
    for name in ('seed', 'weight_decay', 'num_workers'):
        if not options[name] >= 0:
            raise InputError(f"'{name}' is not negative (got {options[name]})")
    for name in ('learning_rate', 'gradient_clip'):
        if options[name] is not None and not options[name] > 0:
            raise InputError(f"'{name}' is above 0 (got {options[name]})")
    if options['num_workers'] > _MOST_WORKERS:
        raise InputError(
            f"'num_workers' is at most {_MOST_WORKERS} (got {options['num_workers']})"
        )
    if not 0 <= options['warmup'] <= 1:
        raise InputError(f"'warmup' lies in [0, 1] (got {options['warmup']})")
    if options['monitor'] == 'last' and options['patience'] is not None:
        raise InputError(
            "'patience' waits for a better epoch, so it needs another 'monitor' than "
            "'last', which takes the last one: leave it out by `--patience null`"
        )
    check_threshold(options['threshold'])
    check_device_name(options['device'])
    if options['precision'] == 'fp16' and options['device'] == 'cpu':
        raise _half_on_a_cpu()


def check_threshold(threshold: Any) -> None:
    """Refuses what is no way to choose a threshold.

    Raises:
        InputError: If it is neither a number in [0, 1] nor a known word.
    """
    if isinstance(threshold, str) and threshold in ('tuned', 'per-label'):
        return
    if getattr(threshold, 'shape', None) == ():  # A number of NumPy or PyTorch.
        threshold = threshold.item()
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not is_number or not 0 <= threshold <= 1:
        got = ' '.join(str(threshold).split())
        raise InputError(
            f"'threshold' is a number in [0, 1], 'tuned' or 'per-label' (got '{got}')"
        )


def check_batch_size(size: Any) -> None:
    """Refuses a batch of no samples.

    Raises:
        InputError: If it is no whole number from 1 on.
    """
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
        raise InputError(f"'batch_size' is at least 1 (got {size})")


def check_device_name(device: str | torch.device) -> None:
    """Refuses a device that is unknown, or absent if that can be told without torch.

    Raises:
        InputError: If there is surely no such device.
    """
    device = str(device)
    names = ('auto', 'cpu', 'cuda', 'mps')
    if device not in names:
        raise InputError(f"'device' is one of {names} (got '{device}')")
    if (device == 'mps' and sys.platform != 'darwin') or (
        device == 'cuda' and not _may_have_cuda()
    ):
        raise _no_device(device)


def _may_have_cuda() -> bool:
    with contextlib.suppress(metadata.PackageNotFoundError):
        if metadata.version('torch').endswith('+cpu'):
            return False
    if not sys.platform.startswith('linux') or os.path.exists('/dev/kfd'):  # AMD's.
        return sys.platform != 'darwin'
    try:
        ctypes.CDLL('libcuda.so.1')  # NVIDIA's driver, which PyTorch does not bring.
    except OSError:
        return False
    return True


def _no_device(device: str) -> InputError:
    return InputError(f"this machine has no device '{device}' that PyTorch can use")


def check_device(device: str | torch.device, precision: str = 'fp32') -> torch.device:
    """The device of a name; ``auto`` is a GPU if there is one, else the CPU.

    Args:
        device: Its name.
        precision: What it is to compute in.

    Raises:
        InputError: If there is no such device, or it does not compute so.
    """
    check_device_name(device)
    import torch

    device = str(device)
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device == 'cpu' and precision == 'fp16':
        raise _half_on_a_cpu()
    if (device == 'cuda' and not torch.cuda.is_available()) or (
        device == 'mps' and not torch.backends.mps.is_available()
    ):
        raise _no_device(device)
    return torch.device(device)


def _half_on_a_cpu() -> InputError:
    return InputError("'precision' is fp32 or bf16 on a CPU (got 'fp16')")


def check_model(model: Module, batch: Batch) -> None:
    """Passes one batch through a model and looks at what comes out.

    Args:
        model: A new model.
        batch: Some samples with their labels.

    Raises:
        InputError: If it is no :class:`hetero_mmer.typing.Model`.
    """
    import torch
    from torch.nn import Module

    from hetero_mmer.graph import targets
    from hetero_mmer.metrics.check import check_probs

    name = type(model).__name__
    if not isinstance(model, Module) or not isinstance(model, Model):
        raise InputError(f"{name} is no torch module with a 'forward' and a 'loss'")
    # In a model of ours, any error is one of the layers that it was given.
    ours = type(model).__module__.startswith('hetero_mmer.')
    expected = (Exception,) if ours else (TypeError, ValueError, RuntimeError)
    y = targets(batch)
    training = model.training
    model.eval()
    with torch.no_grad():
        try:
            out = model(batch)
            if not hasattr(out, 'probs'):
                got = type(out).__name__
                raise InputError(f"{name} returns no 'probs' (got {got})")
            try:
                check_probs(out.probs, y)
            except InputError as error:
                raise InputError(f"'probs' of {name}: {error}") from error
            parts = model.loss(out, y)
        except InputError:
            raise
        except expected as error:
            raise InputError(
                f'{name} fails on the first batch: {reason(error)}'
            ) from error
    if not isinstance(parts, dict) or 'total' not in parts:
        raise InputError(f"the loss of {name} is a dict with 'total' (got {parts!r})")
    if not torch.isfinite(parts['total']):
        raise InputError(f'the loss of {name} is {parts["total"]:g} on the first batch')
    model.train(training)
