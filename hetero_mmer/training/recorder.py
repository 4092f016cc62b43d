from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint

from hetero_mmer.errors import InputError
from hetero_mmer.files.output import replacing
from hetero_mmer.run import files
from hetero_mmer.run.events import Events
from hetero_mmer.run.options import Monitor, monitored
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.weights import save_weights


class Recorder(Checkpoint):
    """Keeps a run's folder up to date, so that it can stop at any time.

    After every epoch writes the weights if they are the best so far, the history,
    and a checkpoint to resume from. The best epoch is the first with the highest
    metric on the valid split, or the lowest loss; without a choice, the last one.

    Args:
        folder: The run's folder.
        monitor: By what the best epoch is chosen.
        patience: Epochs without improvement after which training stops.
        start: The run's options and the sha256 of its data, for the checkpoint.
        monitored_at: The threshold of the metrics on valid, or how it is tuned.
    """

    def __init__(
        self,
        folder: Path,
        *,
        monitor: Monitor = 'f1_micro',
        patience: int | None,
        start: Mapping[str, Any],
        monitored_at: float | str = 0.5,
    ) -> None:
        self.folder = folder
        self.monitor = monitor
        self.monitored_at = monitored_at
        self.patience = patience
        self.start = dict(start)
        self.events = Events(folder / files.EVENTS)
        self.rows: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best = -math.inf
        self._start = 0.0
        self._first_step = 0
        #: Whether a step was made, so that all of a checkpoint was restored: before,
        #: nothing looks at what it has of the optimizer.
        self.stepped = False

    @property
    def seconds(self) -> float:
        """Time of all epochs so far."""
        return sum(row['seconds'] for row in self.rows)

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        waited = len(self.rows) - self.best_epoch
        return self.patience is not None and waited >= self.patience

    def on_train_start(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Stops a run at once that had been stopped by patience."""
        self._start = time.perf_counter()
        self._first_step = trainer.global_step
        self.events.begin(self.rows, trainer.global_step)
        trainer.should_stop = trainer.should_stop or self.exhausted

    def on_train_batch_end(
        self, trainer: Trainer, module: MultilabelModule, *batch: object
    ) -> None:
        """Looks whether a step was made; some batches are summed up for one."""
        self.stepped = self.stepped or trainer.global_step > self._first_step

    def on_train_epoch_end(self, trainer: Trainer, module: MultilabelModule) -> None:
        """Writes what an epoch has brought."""
        now = time.perf_counter()
        logged = {name: float(v) for name, v in trainer.callback_metrics.items()}
        row = {'epoch': len(self.rows) + 1, 'seconds': now - self._start}
        self._start = now
        self.rows.append({**row, **dict(sorted(logged.items()))})
        score = self._score(logged)
        if not math.isfinite(score):
            raise InputError(
                f"epochs are chosen by '{self.monitor}', which is {abs(score)} on "
                f'valid in epoch {len(self.rows)}: lower the learning rate or the '
                'gradient clip'
            )
        if score > self.best or self.monitor == 'last':
            self.best = score
            self.best_epoch = len(self.rows)
        header = list(dict.fromkeys(name for row in self.rows for name in row))
        table = ([row.get(name, '') for name in header] for row in self.rows)
        files.write_csv(self.folder / files.HISTORY, header, table)
        self.events.add(self.rows[-1], trainer.global_step)
        with replacing(self.folder / files.CHECKPOINT) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)
        # After the checkpoint, which says whose weights they are: where a kill keeps
        # them from being written, resuming takes them from there.
        if self.best_epoch == len(self.rows):
            save_weights(module.model, self.folder / files.WEIGHTS)
        (self.folder / files.START).unlink(missing_ok=True)  # The checkpoint has it.
        trainer.should_stop = trainer.should_stop or self.exhausted

    def on_exception(
        self, trainer: Trainer, module: MultilabelModule, error: BaseException
    ) -> None:
        """Closes the events of a run that is stopped."""
        self.events.close()

    def teardown(self, trainer: Trainer, module: MultilabelModule, stage: str) -> None:
        """Closes the events of a run that ends."""
        self.events.close()

    def _score(self, logged: Mapping[str, float]) -> float:
        """What makes an epoch better than another; higher is better."""
        name = monitored(self.monitor)
        if name is None:
            return 0.0
        return -logged[name] if self.monitor == 'loss' else logged[name]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            'rows': self.rows,
            'best_epoch': self.best_epoch,
            'best': self.best,
            'monitored_at': self.monitored_at,
            **self.start,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint that was checked before."""
        self.rows = list(state['rows'])
        self.best_epoch = state['best_epoch']
        self.best = state['best']
