"""Weights of a model as a safetensors file, written and read without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hetero_mmer.errors import InputError, reason
from hetero_mmer.files.input import check_file
from hetero_mmer.files.output import replacing

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def load_weights(model: Module, path: Path, sha256: str | None = None) -> None:
    """Fills a model from a safetensors file.

    Args:
        model: The model.
        path: The file.
        sha256: What the SHA-256 of the file is, if that is known.

    Raises:
        InputError: If the file is missing, damaged or of another model.
    """
    import safetensors.torch
    from safetensors import SafetensorError, safe_open

    try:
        check_file(path)
    except InputError as error:
        raise InputError(f"the weights in '{path}' do not load: {error}") from error
    if sha256 is not None and (found := sha256_of_file(path)) != sha256:
        raise InputError(
            f"the weights in '{path}' are not those that the run ended with: their "
            f'SHA-256 is {found[:12]}..., not {sha256[:12]}... as in model.json'
        )
    try:
        with safe_open(path, 'pt') as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            _resize_empty(model, shapes)
        safetensors.torch.load_model(model, path)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"the weights in '{path}' do not load: {reason(error)}"
        ) from error


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def save_weights(model: Module, path: Path) -> None:
    """Writes a model's parameters and buffers as safetensors, shared ones once."""
    import safetensors.torch

    unique: dict[tuple, tuple[str, Tensor]] = {}
    for name, value in model.state_dict().items():
        place = (
            (value.data_ptr(), value.shape, value.stride()) if value.numel() else name
        )
        unique.setdefault((place, value.dtype), (name, value))
    tensors = {name: value.cpu().contiguous() for name, value in unique.values()}
    with replacing(path) as temporary:  # Its own writer leaves it to its owner alone.
        temporary.write_bytes(safetensors.torch.save(tensors))


def load_state(model: Module, state: Mapping[str, Tensor]) -> None:
    """Fills a model; what is empty until it is fitted takes its size.

    Args:
        model: The model.
        state: All its parameters and buffers, by name.
    """
    resize_empty(model, state)
    model.load_state_dict(state)


def resize_empty(model: Module, state: Mapping[str, Tensor]) -> None:
    """Gives buffers and parameters that are empty until fitted the size that they had.

    Args:
        model: The model.
        state: Parameters and buffers that it had, by name.
    """
    _resize_empty(model, {name: value.shape for name, value in state.items()})


def _resize_empty(model: Module, shapes: Mapping[str, Sequence[int]]) -> None:
    for name, buffer in model.named_buffers():
        if not buffer.numel() and name in shapes:
            buffer.resize_(shapes[name])
    for name, parameter in model.named_parameters():
        if not parameter.numel() and 0 not in shapes.get(name, [0]):
            parameter.data = parameter.new_empty(shapes[name])
            parameter.requires_grad_(True)


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name.

    Args:
        path: The file.

    Raises:
        InputError: If it is missing or damaged.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        return safetensors.torch.load_file(check_file(path))
    except (InputError, OSError, SafetensorError) as error:
        raise InputError(f"the weights in '{path}' do not load: {error}") from error
