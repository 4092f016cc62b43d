from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hetero_mmer.run.options import Monitor
from hetero_mmer.training.epoch_line import monitored
from hetero_mmer.training.multilabel_module import MultilabelModule


class ProgressLine(Callback):
    """One line for a whole run: epoch, loss, and the metric that is monitored.

    Args:
        monitor: By what the best epoch is chosen.
    """

    def __init__(self, monitor: Monitor = 'f1_micro') -> None:
        # Without a choice of the epoch the loss says how well it goes.
        self.name = monitored(monitor) or 'valid/total'
        self.bar = Progress(
            TextColumn('epoch {task.fields[epoch]}'),
            BarColumn(),
            TextColumn('loss {task.fields[loss]}'),
            TextColumn(f'{self._title()} {{task.fields[score]}}'),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def on_train_start(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Shows the line."""
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
        self.bar.stop()

    def on_exception(self, trainer: Trainer, module: Any, error: BaseException) -> None:
        """Leaves the line as it is, and the cursor visible."""
        self.bar.stop()

    def _title(self) -> str:
        return self.name.replace('/', ' ').replace('total', 'loss')

    def _epoch(self, trainer: Trainer) -> str:
        last = trainer.max_epochs or 0
        return f'{min(trainer.current_epoch + 1, last)}/{last}'
