from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import targets, without_targets
from hetero_mmer.loader.seed import seed_everything
from hetero_mmer.metrics import MultilabelMetrics, Threshold
from hetero_mmer.run.options import TrainOptions, watched
from hetero_mmer.run.score import rounded
from hetero_mmer.training.optim import make_optimizer, make_schedule
from hetero_mmer.typing import Steps

#: Steps after which losses on a GPU are looked at, all at once.
_LOOK_EVERY = 64


class MultilabelModule(LightningModule):
    """Trains any model of :class:`hetero_mmer.typing.Model`.

    Logs all parts of the loss as ``train/<part>`` and ``valid/<part>``, and all
    metrics as ``valid/<metric>``. Every epoch draws its random numbers from the seed
    and its own number, so that a run that was resumed goes on as it would have.

    A model that calls ``backward`` itself is stepped by hand, with the same
    accumulation, clipping, precision and schedule as any other.

    Args:
        model: The model.
        options: How it is trained.
        label_names: Names in the metrics ``wa_<label>``.
        threshold: Above which a label counts as positive in ``valid/<metric>``; a word
            for the one that is tuned on valid in each epoch.
    """

    model: Any

    def __init__(
        self,
        model: Module,
        options: TrainOptions,
        *,
        label_names: Sequence[str],
        threshold: Threshold = 0.5,
    ) -> None:
        super().__init__()
        self.model = model
        self.options = options
        self.automatic_optimization = not isinstance(model, Steps)
        self._losses: list[tuple[Tensor, int, Sequence[str]]] = []
        self.metrics = MultilabelMetrics(
            len(label_names), threshold=threshold, label_names=label_names
        )

    def configure_optimizers(self) -> Any:
        """The optimiser with its schedule."""
        options = self.options
        optimizer = make_optimizer(
            self.model, options.optimizer, options.learning_rate, options.weight_decay
        )
        num_steps = int(self.trainer.estimated_stepping_batches)
        if not self.automatic_optimization:  # Lightning counts batches then.
            per_epoch = num_steps // options.epochs
            num_steps = options.epochs * -(-per_epoch // options.accumulate)
        schedule = make_schedule(optimizer, options.schedule, options.warmup, num_steps)
        interval = 'epoch' if callable(options.schedule) else 'step'
        config = {
            'scheduler': schedule,
            'interval': interval,
            'monitor': watched(options.monitor),
        }
        return [optimizer], [config]

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Starts the random numbers of an epoch."""
        if batch_idx == 0:  # Not earlier: loaders may draw when they start.
            seed_everything(self.options.seed, self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, which is finite."""
        if self.automatic_optimization:
            _, parts = self._step(batch, 'train')
        else:
            parts = self._step_by_hand(batch, batch_idx)
        loss = parts['total']
        names = batch.get(schema.SAMPLE_ID, [])
        self._losses.append((loss.detach(), batch_idx, names))
        # To look at each would let a GPU wait; a CPU has computed it already.
        if loss.device.type == 'cpu' or len(self._losses) == _LOOK_EVERY:
            self._check_losses()
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clips gradients, where Lightning leaves it to us."""
        if not self.automatic_optimization and self.options.gradient_clip is not None:
            self.clip_gradients(
                optimizer,
                gradient_clip_val=self.options.gradient_clip,
                gradient_clip_algorithm=self.options.clip_by,
            )

    def on_train_epoch_end(self) -> None:
        """Advances a schedule of epochs, where Lightning leaves it to us."""
        if self.automatic_optimization or not callable(self.options.schedule):
            return
        schedule: Any = self.lr_schedulers()
        if isinstance(schedule, ReduceLROnPlateau):
            name = watched(self.options.monitor)
            schedule.step(self.trainer.callback_metrics[name])
        else:
            schedule.step()

    def on_validation_start(self) -> None:
        """Looks at the losses before anything is made of the weights."""
        self._check_losses()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects the predictions of a batch."""
        out, _ = self._step(batch, 'valid')
        if not bool(torch.isfinite(out.probs).all()):
            raise InputError(
                f'training diverged in epoch {self.current_epoch + 1}: probabilities '
                'are NaN; lower the learning rate or the gradient clip'
            )
        pred = getattr(out, 'pred', None)
        self.metrics.update(out.probs.float(), targets(batch), pred=pred)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the epoch."""
        values = rounded(self.metrics.compute())
        self.metrics.reset()
        values = {k: v for k, v in values.items() if v == v}  # Without NaN.
        self.log_dict({f'valid/{name}': value for name, value in values.items()})

    def _step(self, batch: Batch, stage: str) -> tuple[Any, dict[str, Tensor]]:
        out = self.model(batch if self.training else without_targets(batch))
        parts = self.model.loss(out, targets(batch))
        self._log(parts, batch, stage)
        return out, parts

    def _step_by_hand(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One batch of a model that calls ``backward`` itself."""
        accumulate = self.options.accumulate
        optimizer: Any = self.optimizers()
        if batch_idx % accumulate == 0:
            optimizer.zero_grad()
        parts = self.model.step(
            batch, targets(batch), lambda loss: self.manual_backward(loss / accumulate)
        )
        self._log(parts, batch, 'train')
        if (batch_idx + 1) % accumulate == 0 or self.trainer.is_last_batch:
            optimizer.step()
            if not callable(self.options.schedule):
                schedule: Any = self.lr_schedulers()
                schedule.step()
        return parts

    def _log(self, parts: dict[str, Tensor], batch: Batch, stage: str) -> None:
        self.log_dict(
            {f'{stage}/{name}': part.detach() for name, part in parts.items()},
            on_step=False,
            on_epoch=True,
            batch_size=batch.num_graphs,
        )

    def _check_losses(self) -> None:
        """Refuses a loss that is not finite, which also spoils all that follow."""
        losses, self._losses = self._losses, []
        if not losses:
            return
        values = torch.stack([loss for loss, _, _ in losses]).tolist()
        for value, (_, step, names) in zip(values, losses, strict=True):
            if not math.isfinite(value):
                raise InputError(self._no_loss(value, step, names))

    def _no_loss(self, value: float, step: int, names: Sequence[str]) -> str:
        some = ', '.join(f"'{name}'" for name in names[:3]) or 'without names'
        more = f' and {len(names) - 3} others' if len(names) > 3 else ''
        half = self.trainer.precision == '16-mixed'
        return (
            f'training diverged in epoch {self.current_epoch + 1}: the loss is {value} '
            f'at step {step + 1} (samples {some}{more}); lower the learning rate or '
            'the gradient clip'
            + (", or take the 'precision' bf16: float16 ends at 65504" if half else '')
        )
