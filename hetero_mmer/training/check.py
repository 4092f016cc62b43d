"""Checks before a run: of options, of its folder, of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import torch
from torch.nn import Module
from torch_geometric.data import Batch

from hetero_mmer.metrics.check import check_probs
from hetero_mmer.plain import Within, check_plain
from hetero_mmer.training.multilabel_module import targets
from hetero_mmer.typing import InputError, Model

#: Number formats in training, with Lightning's names for them.
PRECISIONS = {'fp32': '32-true', 'fp16': '16-mixed', 'bf16': 'bf16-mixed'}

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
    check_types(options, types, where)
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
    device = check_device(options['device'])
    if options['precision'] == 'fp16' and device.type == 'cpu':
        raise InputError("'precision' is fp32 or bf16 on a CPU (got 'fp16')")


def check_threshold(threshold: float | str) -> None:
    """Refuses what is no way to choose a threshold.

    Raises:
        InputError: If it is neither a number in [0, 1] nor a known word.
    """
    if threshold in ('tuned', 'per-label'):
        return
    if isinstance(threshold, str) or not 0 <= threshold <= 1:
        raise InputError(
            f"'threshold' is a number in [0, 1], 'tuned' or 'per-label' "
            f"(got '{threshold}')"
        )


def check_batch_size(size: int) -> None:
    """Refuses a batch of no samples.

    Raises:
        InputError: If it is below 1.
    """
    if size < 1:
        raise InputError(f"'batch_size' is at least 1 (got {size})")


def check_device(device: str) -> torch.device:
    """The device of a name; ``auto`` is a GPU if there is one, else the CPU.

    Raises:
        InputError: If there is no such device.
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    there = {
        'cpu': True,
        'cuda': torch.cuda.is_available(),
        'mps': torch.backends.mps.is_available(),
    }
    if device not in there:
        raise InputError(f"'device' is one of {('auto', *there)} (got '{device}')")
    if not there[device]:
        raise InputError(f"this machine has no device '{device}' that PyTorch can use")
    return torch.device(device)


def check_model(model: Module, batch: Batch) -> None:
    """Passes one batch through a model and looks at what comes out.

    Args:
        model: A new model.
        batch: Some samples with their labels.

    Raises:
        InputError: If it is no :class:`hetero_mmer.typing.Model`.
    """
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


def reason(error: Exception) -> str:
    """The first line of an error; its name if there is none.

    Args:
        error: Of a library.

    Example:
        >>> reason(ValueError('no number\\n at ...')), reason(AssertionError())
        ('no number', 'AssertionError')
    """
    return str(error).strip().split('\n')[0] or type(error).__name__
