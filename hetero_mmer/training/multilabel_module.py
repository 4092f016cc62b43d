from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import targets
from hetero_mmer.metrics import MultilabelMetrics, Threshold
from hetero_mmer.run.options import OptimizerName, Schedule
from hetero_mmer.run.score import rounded
from hetero_mmer.training.optim import make_optimizer, make_schedule
from hetero_mmer.training.seed import seed_everything

#: Steps after which losses on a GPU are looked at, all at once.
_LOOK_EVERY = 64


class MultilabelModule(LightningModule):
    """Trains any model of :class:`hetero_mmer.typing.Model`.

    Logs all parts of the loss as ``train/<part>`` and ``valid/<part>``, and all
    metrics as ``valid/<metric>``. Every epoch draws its random numbers from the seed
    and its own number, so that a run that was resumed goes on as it would have.

    Args:
        model: The model.
        label_names: Names in the metrics ``wa_<label>``.
        seed: Of dropout and all else that is random.
        optimizer: See :func:`~hetero_mmer.training.optim.make_optimizer`.
        learning_rate: Its highest value.
        weight_decay: Not for biases and norms.
        warmup: Share of the steps in which the learning rate rises.
        schedule: What the learning rate does then.
        threshold: Above which a label counts as positive in ``valid/<metric>``; a word
            for the one that is tuned on valid in each epoch.
    """

    model: Any

    def __init__(
        self,
        model: Module,
        label_names: Sequence[str],
        *,
        seed: int = 0,
        optimizer: OptimizerName = 'adam',
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        warmup: float = 0.0,
        schedule: Schedule = 'constant',
        threshold: Threshold = 0.5,
    ) -> None:
        super().__init__()
        self.model = model
        self.seed = seed
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.schedule = schedule
        self._losses: list[tuple[Tensor, int, Sequence[str]]] = []
        self.metrics = MultilabelMetrics(
            len(label_names), threshold=threshold, label_names=label_names
        )

    def configure_optimizers(self) -> Any:
        """The optimiser with its schedule, advanced each step."""
        optimizer = make_optimizer(
            self.model, self.optimizer, self.learning_rate, self.weight_decay
        )
        num_steps = int(self.trainer.estimated_stepping_batches)
        schedule = make_schedule(optimizer, self.schedule, self.warmup, num_steps)
        return [optimizer], [{'scheduler': schedule, 'interval': 'step'}]

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Starts the random numbers of an epoch."""
        if batch_idx == 0:  # Not earlier: loaders may draw when they start.
            seed_everything(self.seed, self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, which is finite."""
        _, parts = self._step(batch, 'train')
        loss = parts['total']
        names = batch.get(schema.SAMPLE_ID, [])
        self._losses.append((loss.detach(), batch_idx, names))
        # To look at each would let a GPU wait; a CPU has computed it already.
        if loss.device.type == 'cpu' or len(self._losses) == _LOOK_EVERY:
            self._check_losses()
        return loss

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
        out = self.model(batch)
        parts = self.model.loss(out, targets(batch))
        self.log_dict(
            {f'{stage}/{name}': part.detach() for name, part in parts.items()},
            on_step=False,
            on_epoch=True,
            batch_size=batch.num_graphs,
        )
        return out, parts

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
            + (', or take --precision bf16: float16 ends at 65504' if half else '')
        )
