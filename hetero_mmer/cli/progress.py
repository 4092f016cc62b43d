from __future__ import annotations

import sys
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hetero_mmer.cli.epoch_line import epoch_line
from hetero_mmer.run.options import watched
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.recorder import Recorder


class ProgressLine(Callback):
    """One line for a whole run: epoch, loss, and the metric that is monitored."""

    def on_train_start(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Shows the line."""
        self.name = watched(module.options.monitor)
        self.bar = Progress(
            TextColumn('epoch {task.fields[epoch]}'),
            BarColumn(),
            TextColumn('loss {task.fields[loss]}'),
            TextColumn(f'{self._title()} {{task.fields[score]}}'),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        batches = int(trainer.num_training_batches)
        self.task = self.bar.add_task(
            'train',
            total=batches * (trainer.max_epochs or 0),
            completed=batches * trainer.current_epoch,
            epoch=self._epoch(trainer),
            loss='-',
            score='-',
        )
        self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, module: MultilabelModule, *args: Any
    ) -> None:
        """Advances by one batch."""
        self.bar.update(self.task, advance=1, epoch=self._epoch(trainer))

    def on_train_epoch_end(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Shows the numbers of the epoch."""
        logged = trainer.callback_metrics
        self.bar.update(
            self.task,
            loss=f'{logged["train/total"]:.4f}',
            score=f'{logged[self.name]:.4f}',
        )

    def teardown(self, trainer: Trainer, module: Any, stage: str) -> None:
        """Leaves the line as it is."""
        self._stop()

    def on_exception(self, trainer: Trainer, module: Any, error: BaseException) -> None:
        """Leaves the line as it is, and the cursor visible."""
        self._stop()

    def _stop(self) -> None:
        if hasattr(self, 'bar'):  # Not so where training never began.
            self.bar.stop()

    def _title(self) -> str:
        return self.name.replace('/', ' ').replace('total', 'loss')

    def _epoch(self, trainer: Trainer) -> str:
        last = trainer.max_epochs or 0
        return f'{min(trainer.current_epoch + 1, last)}/{last}'


class EpochLines(Callback):
    """A plain line after each epoch, for what is no terminal."""

    def on_train_start(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Finds the recorder, and what it knows of a run that goes on."""
        found = [c for c in trainer.callbacks if isinstance(c, Recorder)]  # type: ignore
        self.recorder = found[0]
        self.told = len(self.recorder.rows)

    def on_train_epoch_start(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Tells of the epoch before, which is recorded now."""
        self._tell(trainer, module)

    def on_train_end(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Tells of the last epoch."""
        self._tell(trainer, module, ends=True)

    def on_exception(self, trainer: Trainer, module: Any, error: BaseException) -> None:
        """Tells of an epoch that ended before a signal was heard."""
        if hasattr(self, 'recorder'):
            self._tell(trainer, module)

    def _tell(
        self, trainer: Trainer, module: MultilabelModule, *, ends: bool = False
    ) -> None:
        rows = self.recorder.rows
        if len(rows) == self.told or not trainer.is_global_zero:
            return
        self.told = len(rows)
        line = epoch_line(
            rows,
            module.options.epochs,
            module.options.monitor,
            self.recorder.best_epoch,
            ends=ends,
        )
        sys.stderr.write(f'{line}\n')
        sys.stderr.flush()


def progress() -> Callback:
    """What tells how training goes: one line on a terminal, elsewhere one per epoch."""
    return ProgressLine() if sys.stderr.isatty() else EpochLines()
