"""Checks before a run: of options, of its folder, of a model."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection
from importlib import metadata
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetero_mmer.errors import InputError

if TYPE_CHECKING:
    import torch


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
            f'unfinished run by `resume({str(path)!r})`'
        )


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


def check_device_name(device: str | torch.device, precision: str = 'fp32') -> None:
    """Refuses a device that is unknown, or absent if that can be told without torch.

    Args:
        device: Its name.
        precision: What it is to compute in.

    Raises:
        InputError: If there is surely no such device, or it does not compute so.
    """
    device = str(device)
    names = ('auto', 'cpu', 'cuda', 'mps')
    if device not in names:
        raise InputError(f"'device' is one of {names} (got '{device}')")
    if (device == 'mps' and sys.platform != 'darwin') or (
        device == 'cuda' and not _may_have_cuda()
    ):
        raise _no_device(device)
    if device == 'cpu' and precision == 'fp16':
        raise InputError("'precision' is fp32 or bf16 on a CPU (got 'fp16')")


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
    check_device_name(device, precision)
    if (device == 'cuda' and not torch.cuda.is_available()) or (
        device == 'mps' and not torch.backends.mps.is_available()
    ):
        raise _no_device(device)
    return torch.device(device)
