"""What the checkpoint of a run holds besides what Lightning needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NotRequired, TypedDict

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import check_file
from hetero_mmer.files.plain import Within, check_plain
from hetero_mmer.run.files import CHECKPOINT

#: Under which name Lightning keeps what the recorder says.
RECORDER: Final = 'Recorder'


class Recorded(TypedDict):
    """What a checkpoint keeps of a recorder; older ones keep less."""

    rows: list[dict[str, float]]
    best_epoch: Annotated[int, Within(0)]
    best: float
    monitored_at: NotRequired[float | str]
    sha256: str
    split_sha256: NotRequired[str]
    options: NotRequired[dict[str, Any]]


def find_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What the checkpoint of a run holds, if there is one.

    Raises:
        InputError: If it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    check_file(path)
    import torch

    try:
        with warnings.catch_warnings(action='ignore'):  # Of what fails anyway.
            return torch.load(path, map_location='cpu', weights_only=True)
    except (MemoryError, PermissionError):  # The file may be sound.
        raise
    except Exception as error:  # Each layer of the format has errors of its own.
        raise InputError(
            f"the checkpoint '{path}' is damaged; without it the run starts anew"
        ) from error


def recorded(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What the recorder of a run kept in a checkpoint.

    Args:
        checkpoint: As :func:`find_checkpoint` reads it.

    Raises:
        InputError: If it is no checkpoint of a run.
    """
    try:
        kept = checkpoint['callbacks'][RECORDER]
    except (KeyError, TypeError) as error:
        raise InputError('the checkpoint is none of a run') from error
    check_plain(kept, Recorded, 'the checkpoint')
    if kept['best_epoch'] > len(kept['rows']):
        raise InputError(
            f"'best_epoch' in the checkpoint is one of {len(kept['rows'])} epochs "
            f'(got {kept["best_epoch"]})'
        )
    return kept
