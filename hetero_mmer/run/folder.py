"""A run's folder belongs to one process while it works there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hetero_mmer.errors import InputError
from hetero_mmer.files.output import claim, lock_of, sweep
from hetero_mmer.run import files
from hetero_mmer.run.check import check_folder


@contextlib.contextmanager
def held(folder: Path, *, fresh: bool) -> Iterator[None]:
    """Takes the folder of a run for this process, until it ends, however it ends.

    What killed processes left is swept first. Processes of one group
    (``torch.distributed``) are one run: the first of them takes the folder for all.

    Args:
        folder: The run's folder; a fresh run makes it.
        fresh: Whether a run starts, so that the folder must be empty.

    Raises:
        InputError: If another process has it, or it is not empty.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        group = _group()
        if group is None or group.get_rank() == 0:
            try:
                stack.enter_context(_held(folder, fresh))
            except (InputError, OSError) as error:
                refusal = str(error)
        if refusal := _told_by_the_first(refusal):
            raise InputError(refusal)
        yield


@contextlib.contextmanager
def _held(folder: Path, fresh: bool) -> Iterator[None]:
    if fresh and folder.exists() and not folder.is_dir():
        check_folder(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    busy = (
        f"another process is at work on the run in '{folder}'; wait until it has "
        'ended, or name another folder'
    )
    run = folder / files.RUN
    try:
        with claim(run, busy=busy):
            _sweep(folder)
            if fresh:
                check_folder(folder, beside=[lock_of(run).name])
            try:
                yield
            finally:
                _sweep(folder)
    finally:
        with contextlib.suppress(OSError):  # Refused before anything was written.
            for path in made:
                path.rmdir()


def _sweep(folder: Path) -> None:
    """Deletes what a process left that was killed while it wrote."""
    for name in files.NAMES:
        sweep(folder / name)
    if not (folder / files.CONFIG).exists():  # Killed before the run had begun.
        (folder / files.START).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (folder / files.START).parent.rmdir()


def _group() -> ModuleType | None:
    """``torch.distributed``, if this process is one of a group."""
    dist = sys.modules.get('torch.distributed')  # Which has been imported then.
    return dist if dist and dist.is_available() and dist.is_initialized() else None


def _told_by_the_first(sentence: str | None) -> str | None:
    group = _group()
    if group is None:
        return sentence
    box = [sentence]
    group.broadcast_object_list(box, src=0)
    return box[0]
