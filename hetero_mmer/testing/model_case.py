"""A model under test, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.graph import targets
from hetero_mmer.spec import NUM_EMBEDDINGS
from hetero_mmer.testing.failure import expect, expect_close
from hetero_mmer.testing.fake import fake_batch
from hetero_mmer.typing import Fits, HasParameterGroups, ModelFactory, Steps

#: Learning rate of the few steps that checks take.
LEARNING_RATE = 0.001


@dataclass(frozen=True, kw_only=True)
class ModelCase:
    """What :func:`~hetero_mmer.testing.check_model` is given, and steps of checks."""

    factory: ModelFactory
    in_channels: Mapping[str, int]
    num_labels: int
    kinds: Mapping[str, schema.Kind] | None
    intensities: bool
    extras: Mapping[str, tuple[int, ...]]
    aligned: bool
    untrained: Collection[str]
    relabel: Callable[[Any, Tensor], None] | None
    dtype: torch.dtype
    device: str
    tolerance: float
    num_embeddings: Mapping[str, int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def but(self, **changes: Any) -> ModelCase:
        """The same case with other facts."""
        return replace(self, **changes)

    def batch(self, *, missing: bool = False, seed: int = 0, **options: Any) -> Batch:
        """Draws a batch with the case's facts."""
        batch = fake_batch(
            self.in_channels,
            self.num_labels,
            missing=missing,
            aligned=self.aligned,
            seed=seed,
            **{
                'kinds': self.kinds,
                'num_embeddings': self.num_embeddings,
                'intensities': self.intensities,
                'extras': self.extras,
                **options,
            },
        )
        batch.apply(lambda x: x.to(self.dtype) if x.is_floating_point() else x)
        return batch.to(self.device)

    def unfitted(self, **options: Any) -> Any:
        """Makes the model, for evaluation."""
        torch.manual_seed(self.seed)
        facts = dict(self.facts)
        if self.num_embeddings:
            facts[NUM_EMBEDDINGS] = dict(self.num_embeddings)
        model = self.factory(
            dict(self.in_channels), self.num_labels, **facts, **options
        )
        return model.to(self.device, self.dtype).eval()

    def fresh(self, **options: Any) -> Any:
        """Makes the model and lets it fit, as a run does."""
        model = self.unfitted(**options)
        self.fit(model)
        return model

    def fit(self, model: Any) -> None:
        """Lets a model and its criterion fit two batches, if they can."""
        model.train()
        for part in (model, getattr(model, 'criterion', None)):
            if isinstance(part, Fits):
                part.fit([self.batch(seed=1), self.batch(seed=2)])
        model.eval()

    def trained(self, **options: Any) -> Any:
        """Makes the model and trains it a little: nothing is at its first value."""
        model = self.fresh(**options)
        self.train(model, self.batch(seed=3))
        return model

    def train(self, model: Any, batch: Batch, steps: int = 2) -> None:
        """Trains a model on one batch, and leaves it in evaluation mode."""
        optimizer = self.optimizer(model)
        model.train()
        for _ in range(steps):
            model.zero_grad()
            self.backward(model, batch)
            if optimizer is not None:
                optimizer.step()
        model.zero_grad()
        model.eval()

    def optimizer(self, model: Any) -> torch.optim.Optimizer | None:
        """An optimiser of a model's parameters, if it has some."""
        if not (parameters := trainable(model)):
            return None
        if isinstance(model, HasParameterGroups):
            return torch.optim.Adam(
                model.parameter_groups(LEARNING_RATE), lr=LEARNING_RATE
            )
        return torch.optim.Adam(parameters, lr=LEARNING_RATE)

    def backward(
        self, model: Any, batch: Batch, y: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Gradients of a model's loss, and the parts of the loss."""
        y = targets(batch) if y is None else y
        if isinstance(model, Steps):
            parts = model.step(batch, y, lambda loss: loss.backward())
        else:
            parts = model.loss(model(batch), y)
            check_parts(parts)
            if parts['total'].requires_grad:
                parts['total'].backward()
        check_parts(parts)
        for name, parameter in model.named_parameters():
            expect(
                parameter.grad is None or parameter.grad.isfinite().all(),
                f"the gradient of '{name}' is finite (some of its values are not)",
            )
        return parts

    def predict(self, model: Any, data: HeteroData) -> Tensor:
        """Probabilities, and decisions if the model makes them, ``[B, L or 2 L]``."""
        with torch.no_grad():
            out = model(data)
        expect(
            out.probs is not None and out.probs.isfinite().all(),
            'in evaluation, probabilities are finite numbers (got '
            f'{"None" if out.probs is None else "some that are not"})',
        )
        pred = getattr(out, 'pred', None)
        return out.probs if pred is None else torch.cat([out.probs, pred], dim=1)

    def expect_singles(self, model: Any, batch: Batch) -> None:
        """Ends a check unless samples alone give the same as in their batch."""
        together = self.predict(model, batch)
        alone = [self.predict(model, graph) for graph in samples_of(batch)]
        expect_close(
            torch.cat(alone),
            together,
            self.tolerance,
            'a sample alone gives the same as in a batch',
        )

    def expect_works(self, **options: Any) -> Any:
        """Ends a check unless a model learns and predicts, alone and in a batch."""
        model, batch = self.fresh(), self.batch(**options)
        self.train(model, batch)
        shape = self.predict(model, batch).shape
        expect(
            shape[0] == batch.num_graphs and shape[1] % self.num_labels == 0,
            f"'probs' has the shape [B, L], here {[batch.num_graphs, self.num_labels]} "
            f'(got {list(shape)})',
        )
        self.expect_singles(model, batch)
        return model


def check_parts(parts: Mapping[str, Tensor]) -> None:
    """Ends a check unless parts of a loss are what they should be."""
    expect(
        isinstance(parts, dict) and 'total' in parts,
        f"a loss is a dictionary with 'total' and named parts (got {_kind(parts)})",
    )
    for name, part in parts.items():
        expect(
            isinstance(part, Tensor) and part.dim() == 0,
            f"the loss '{name}' is one number in a tensor (got {_kind(part)})",
        )
        expect(part.isfinite(), f"the loss '{name}' is finite (got {part.item():g})")


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters of a model that learn."""
    return [p for p in model.parameters() if p.requires_grad]


def samples_of(batch: Batch, order: Sequence[int] | None = None) -> list[HeteroData]:
    """The samples of a batch, or some of them."""
    samples = batch.to_data_list()
    return samples if order is None else [samples[i] for i in order]


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return f'the keys {list(value)}'
    shape = f' of shape {list(value.shape)}' if isinstance(value, Tensor) else ''
    return f'{type(value).__name__}{shape}'
