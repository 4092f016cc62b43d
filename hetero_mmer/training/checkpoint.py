"""Checkpoints as files that are written where they belong."""

from __future__ import annotations

import os
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO


class CheckpointFile(TorchCheckpointIO):
    """Writes to the given path alone.

    Lightning writes to the system's folder for temporary files first, where a process
    that is killed leaves a file as large as its checkpoint.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,
    ) -> None:
        """Writes a checkpoint."""
        with open(path, 'wb') as file:
            torch.save(checkpoint, file)
