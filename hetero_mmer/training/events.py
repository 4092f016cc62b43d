from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class Events:
    """What TensorBoard shows of a run: each metric once for each epoch.

    Points of epochs that a run has not kept, since it was killed before their
    checkpoint, are not kept here either: a run that goes on writes all of them anew.

    Args:
        folder: Where the event files lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None

    def begin(self, rows: Sequence[Mapping[str, float]], num_steps: int) -> None:
        """Starts with the epochs that are done, and with them alone.

        Args:
            rows: The metrics of these epochs.
            num_steps: Steps of the optimiser in all of them.
        """
        older = [*self.folder.glob('events.out.tfevents.*')]
        self._writer = SummaryWriter(str(self.folder))
        now = time.time() - sum(row['seconds'] for row in rows)
        times = itertools.accumulate((row['seconds'] for row in rows), initial=now)
        for i, (row, at) in enumerate(zip(rows, [*times][1:], strict=True), start=1):
            self._write(row, i * num_steps // len(rows), at)
        self._writer.flush()
        for file in older:  # Not earlier, so that no kill loses what was there.
            file.unlink()

    def add(self, row: Mapping[str, float], num_steps: int) -> None:
        """Adds an epoch, on disk when this returns.

        Args:
            row: Its metrics.
            num_steps: Steps of the optimiser until its end.
        """
        assert self._writer is not None
        self._write(row, num_steps, time.time())
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, row: Mapping[str, float], num_steps: int, at: float) -> None:
        assert self._writer is not None
        points = {**row, 'epoch': row['epoch'] - 1}  # As Lightning counts.
        del points['seconds']
        for name, value in points.items():
            self._writer.add_scalar(name, value, num_steps - 1, walltime=at)
