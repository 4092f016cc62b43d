"""What models with a power do with it; one function a check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from hetero_mmer.graph import targets
from hetero_mmer.testing.failure import (
    NotApplicable,
    expect,
    expect_close,
    expect_same_state,
    parameters_of,
    state_of,
)
from hetero_mmer.testing.model_case import LEARNING_RATE, ModelCase, check_parts
from hetero_mmer.typing import Fits, HasParameterGroups, Steps


def attention(case: ModelCase) -> None:
    """``return_attention=True`` adds the weights of every round and relation."""
    model, own = case.trained(), case.batch(missing=len(case.in_channels) > 1)
    if 'return_attention' not in parameters_of(model.forward):
        raise NotApplicable
    with torch.no_grad():
        out = model(own, return_attention=True)
        plain = model(own)
    expect_close(
        out.probs,
        plain.probs,
        case.tolerance,
        "'return_attention' changes no probabilities",
    )
    expect(
        getattr(plain, 'attention', None) is None,
        "without 'return_attention', 'attention' is None "
        f'(got {type(plain.attention).__name__})',
    )
    rounds = out.attention
    expect(
        isinstance(rounds, list) and all(isinstance(r, dict) for r in rounds),
        "'attention' is a list with a dictionary for each round (got "
        f'{type(rounds).__name__})',
    )
    expect(any(rounds), "'attention' has weights of some relation (it has none)")
    for relation, value in (item for each in rounds for item in each.items()):
        _expect_attention(own, relation, value)


def fit(case: ModelCase) -> None:
    """``fit(batches)`` makes the same of the same batches."""
    model, other = case.unfitted(), case.unfitted()
    if not _has(model, Fits):
        raise NotApplicable
    case.fit(model)
    case.fit(other)
    expect_same_state(
        state_of(other), state_of(model), "'fit' makes the same of the same batches"
    )


def step(case: ModelCase) -> None:
    """``step(batch, y, backward)`` makes gradients and leaves weights alone."""
    model, own = case.fresh().train(), case.batch()
    if not _has(model, Steps):
        raise NotApplicable
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    losses: list[Tensor] = []

    def backward(loss: Tensor) -> None:
        losses.append(loss)
        loss.backward()

    check_parts(model.step(own, targets(own), backward))
    expect(losses, "'step' calls 'backward' with a loss (it never does)")
    after = dict(model.named_parameters())
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    expect(not changed, f"'step' leaves the weights to the optimiser (got {changed})")


def parameter_groups(case: ModelCase) -> None:
    """``parameter_groups(lr)`` has every parameter once."""
    model = case.fresh()
    if not _has(model, HasParameterGroups):
        raise NotApplicable
    groups = model.parameter_groups(LEARNING_RATE)
    found = [id(p) for group in groups for p in group['params']]
    for name, parameter in model.named_parameters():
        number = found.count(id(parameter))
        expect(
            number == 1 or not parameter.requires_grad,
            f"'parameter_groups' have every parameter once ('{name}' {number} times)",
        )
    torch.optim.SGD(groups, lr=LEARNING_RATE)


def criterion(case: ModelCase) -> None:
    """``criterion`` makes the loss of logits that a model uses, if it takes one."""
    if 'criterion' not in parameters_of(case.factory):
        raise NotApplicable
    asked: list[tuple[Tensor, Tensor]] = []

    class Own(Module):
        def forward(self, logits: Tensor, y: Tensor) -> Tensor:
            asked.append((logits, y))
            return logits.square().mean()

    model, batch = case.fresh(criterion=Own).train(), case.batch()
    expect(
        isinstance(getattr(model, 'criterion', None), Own),
        "a model keeps what its 'criterion' makes as its 'criterion', for it may be "
        f'fitted (got {type(getattr(model, "criterion", None)).__name__})',
    )
    case.backward(model, batch)
    expect(asked, "'criterion' is called by the loss (it never is)")
    for logits, y in asked:
        expect(
            logits.shape == y.shape and logits.size(-1) == case.num_labels,
            "'criterion' is called with logits and labels of the same shape, [..., L] "
            f'(got {list(logits.shape)} and {list(y.shape)})',
        )


def _has(model: Any, power: type) -> bool:
    """Whether a model has a power; a function, so that it is not only that."""
    return isinstance(model, power)


def _expect_attention(own: HeteroData, relation: Any, value: Any) -> None:
    what = f"'attention' of {relation}"
    expect(
        isinstance(relation, tuple) and len(relation) == 3,
        f"'attention' has relations (source, name, target) as keys (got {relation!r})",
    )
    expect(
        isinstance(value, tuple) and len(value) == 2,
        f'{what} is a pair (edge_index, alpha) (got {type(value).__name__})',
    )
    edge_index, alpha = value
    shapes = list(edge_index.shape), list(alpha.shape)
    expect(
        edge_index.dim() == 2
        and edge_index.size(0) == 2
        and alpha.dim() == 2
        and alpha.size(0) == edge_index.size(1),
        f'{what} has an edge_index [2, E] and an alpha [E, heads] (got {shapes})',
    )
    total = alpha.new_zeros(int(edge_index[1].max()) + 1 if alpha.size(0) else 0, 1)
    total = total.expand(-1, alpha.size(1)).index_add(0, edge_index[1], alpha)
    total = total[edge_index[1].unique()]
    expect_close(
        total,
        torch.ones_like(total),
        1e-4,
        f'{what}: the weights of each target sum to one',
    )
