"""How any model learns, is kept and drawn anew; one function a check."""

from __future__ import annotations

import copy
import io
import pickle
import tempfile
from pathlib import Path

import torch

from hetero_mmer.graph import targets, without_targets
from hetero_mmer.testing.failure import (
    NotApplicable,
    expect,
    expect_close,
    expect_reset,
    expect_same_state,
    matching,
    state_of,
)
from hetero_mmer.testing.model_case import ModelCase, check_parts, trainable
from hetero_mmer.weights import load_weights, save_weights


def loss(case: ModelCase) -> None:
    """A dictionary with a finite ``total`` and named parts, also in evaluation."""
    model, own = case.fresh(), case.batch()
    for training in (True, False):
        model.train(training)
        data = own if training else without_targets(own)
        parts = model.loss(model(data), targets(own))
        check_parts(parts)
        expect(
            parts['total'].requires_grad or not trainable(model),
            "the loss 'total' has a gradient (it has none)",
        )


def gradients(case: ModelCase) -> None:
    """A gradient reaches every parameter."""
    model = case.fresh().train()
    untrained = [
        name
        for pattern in case.untrained
        for name in matching(pattern, dict(model.named_parameters()))
    ]
    expected = {
        name: p
        for name, p in model.named_parameters()
        if name not in untrained and p.numel()
    }
    expect(
        expected,
        'a model has parameters (it has none: are its layers in a list, not in a '
        'ModuleList?)',
    )
    for name, parameter in expected.items():
        expect(
            parameter.requires_grad,
            f"every parameter learns, and what does not is a buffer ('{name}' does not "
            'require a gradient)',
        )
    reached: set[str] = set()
    optimizer = case.optimizer(model)
    for _ in range(3):  # Some parts wait for others.
        model.zero_grad()
        case.backward(model, case.batch())
        reached |= {
            n for n, p in expected.items() if p.grad is not None and p.grad.any()
        }
        assert optimizer is not None
        optimizer.step()
    lost = [name for name in expected if name not in reached]
    expect(not lost, f'a gradient reaches every parameter (none reaches {lost})')


def learns(case: ModelCase) -> None:
    """Training on a batch brings its probabilities nearer to its labels."""
    model, own = case.fresh(), case.batch()
    y = targets(own)

    def error() -> float:
        probs = case.predict(model, own)[:, : case.num_labels].clamp(1e-6, 1 - 1e-6)
        return float(torch.nn.functional.binary_cross_entropy(probs, y))

    before = error()
    case.train(model, own, steps=20)
    after = error()
    expect(
        after < before,
        f'20 steps on a batch bring its probabilities nearer to its labels (their '
        f'cross-entropy goes from {before:.4f} to {after:.4f})',
    )


def evaluation(case: ModelCase) -> None:
    """Evaluation changes nothing in the model."""
    model, own = case.trained(), case.batch()
    before = state_of(model)
    out = model(own)
    model.loss(out, targets(own))
    expect_same_state(
        state_of(model), before, 'evaluation changes nothing in the model'
    )
    training = [name for name, m in model.named_modules() if m.training]
    expect(not training, f'evaluation leaves all modules in it (not so {training})')


def half_precision(case: ModelCase) -> None:
    """Under autocast to bfloat16, loss and gradients are finite."""
    case = case.but(dtype=torch.float32)
    model, own = case.fresh().train(), case.batch()
    with torch.autocast(torch.device(case.device).type, torch.bfloat16):
        case.backward(model, own)


def double_precision(case: ModelCase) -> None:
    """float64 gives the same as float32."""
    single, double = (case.but(dtype=t) for t in (torch.float32, torch.float64))
    expect_close(
        double.predict(double.fresh(), double.batch()),
        single.predict(single.fresh(), single.batch()),
        1e-3,
        'a model in float64 gives the same as in float32',
    )


def save(case: ModelCase) -> None:
    """Weights and buffers survive a file; training goes on as if nothing had been."""
    model, own = case.trained(), case.batch()
    other = case.but(seed=1).unfitted()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.safetensors'
        save_weights(model, path)
        load_weights(other, path)
    what = 'a model that is loaded from its weights file'
    expect_close(
        case.predict(other, own),
        case.predict(model, own),
        0.0,
        f'{what} gives the same',
    )
    states = []
    for one in (model, other):
        torch.manual_seed(5)
        case.train(one, own, steps=2)
        states.append(state_of(one))
    expect_same_state(
        states[1], states[0], f'{what} goes on learning as if it had not been saved'
    )


def copies(case: ModelCase) -> None:
    """Copies and pickles give the same."""
    model, own = case.trained(), case.batch()
    expected = case.predict(model, own)
    expect_close(
        case.predict(copy.deepcopy(model), own),
        expected,
        0.0,
        'a deep copy gives the same',
    )
    with io.BytesIO(pickle.dumps(model)) as file:
        other = pickle.load(file)
    expect_close(case.predict(other, own), expected, 0.0, 'a pickle gives the same')


def reset(case: ModelCase) -> None:
    """``reset_parameters`` draws all weights anew, if a model has it."""
    model, other = case.trained(), case.fresh()
    if not hasattr(model, 'reset_parameters'):
        raise NotApplicable
    expect_reset(
        model,
        other,
        "from the same seed, 'reset_parameters' makes the same of a trained model and "
        'of a new one',
    )
