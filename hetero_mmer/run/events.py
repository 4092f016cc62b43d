from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import scalar

from hetero_mmer.files.output import writing


class Events:
    """What TensorBoard shows of a run: each metric once for each epoch.

    Points of epochs that a run has not kept, since it was killed before their
    checkpoint, are not kept here either: a run that goes on writes all of them anew.

    Written here and now: TensorBoard's own writer has a thread, whose errors come later
    and with a traceback.

    Args:
        folder: Where the event files lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: BinaryIO | None = None

    def begin(self, rows: Sequence[Mapping[str, float]], num_steps: int) -> None:
        """Starts with the epochs that are done, and with them alone.

        Args:
            rows: The metrics of these epochs.
            num_steps: Steps of the optimiser in all of them.
        """
        older = [*self.folder.glob('events.out.tfevents.*')]
        now = time.time()
        name = f'{int(now):010d}.{socket.gethostname()}.{os.getpid()}'
        path = self.folder / f'events.out.tfevents.{name}.{time.time_ns()}'
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open('xb')
        now -= sum(row['seconds'] for row in rows)
        times = itertools.accumulate((row['seconds'] for row in rows), initial=now)
        events = [Event(wall_time=now, file_version='brain.Event:2')]
        for i, (row, at) in enumerate(zip(rows, [*times][1:], strict=True), start=1):
            events += _events(row, i * num_steps // len(rows), at)
        self._write(events)
        for file in older:  # Not earlier, so that no kill loses what was there.
            file.unlink()

    def add(self, row: Mapping[str, float], num_steps: int) -> None:
        """Adds an epoch, on disk when this returns.

        Args:
            row: Its metrics.
            num_steps: Steps of the optimiser until its end.
        """
        self._write(_events(row, num_steps, time.time()))

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # Which was told where it was written.
                self._file.close()

    def _write(self, events: Iterable[Event]) -> None:
        assert self._file is not None
        with writing(self._file.name):
            records = RecordWriter(self._file)
            for event in events:
                records.write(event.SerializeToString())
            records.flush()


def _events(row: Mapping[str, float], num_steps: int, at: float) -> list[Event]:
    points = {**row, 'epoch': row['epoch'] - 1}  # As Lightning counts.
    del points['seconds']
    return [
        Event(wall_time=at, step=num_steps - 1, summary=scalar(name, value))
        for name, value in points.items()
    ]
