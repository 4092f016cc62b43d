"""Runs named checks and tells of all that fail at once."""

from __future__ import annotations

import fnmatch
import inspect
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch import Tensor

from hetero_mmer.errors import InputError, did_you_mean, reason

Case = TypeVar('Case')

_HERE = Path(__file__).parent


class CheckError(AssertionError):
    """Checks that a model or layer fails.

    Args:
        what: Name of the model or layer.
        failures: What each failed check expected and what came, by its name.

    Example:
        >>> print(CheckError('Mine', {'batch': 'expected 1 (got 2)'}))
        Mine fails 1 check:
        - batch: expected 1 (got 2)
    """

    def __init__(self, what: str, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        names: dict[str, list[str]] = {}
        for name, text in failures.items():  # One cause may fail many checks.
            names.setdefault(text, []).append(name)
        number = f'{len(failures)} check{"s" * (len(failures) > 1)}'
        lines = [f'- {", ".join(checks)}: {text}' for text, checks in names.items()]
        super().__init__('\n'.join([f'{what} fails {number}:', *lines]))


class NotApplicable(Exception):
    """A check is about something that this model or layer does not have."""


def fail(message: str) -> NoReturn:
    """Ends a check: ``message`` says what was expected and what came."""
    raise AssertionError(message)


def expect(condition: object, message: str) -> None:
    """Ends a check unless a condition holds."""
    if not condition:
        fail(message)


def expect_close(
    actual: Tensor, expected: Tensor, tolerance: float, message: str
) -> None:
    """Ends a check unless all numbers are the same, up to a tolerance.

    Args:
        actual: What came.
        expected: What was expected.
        tolerance: Largest difference.
        message: What should be the same.

    Example:
        >>> expect_close(torch.ones(2), torch.zeros(2), 0.1, 'both are the same')
        Traceback (most recent call last):
            ...
        AssertionError: both are the same (they differ by up to 1)
    """
    if actual.shape != expected.shape:
        fail(f'{message} (shapes {list(actual.shape)} and {list(expected.shape)})')
    difference = (actual.detach().double() - expected.detach().double()).abs()
    if not bool((difference <= tolerance).all()):  # Also if one is NaN.
        fail(f'{message} (they differ by up to {float(difference.max()):.3g})')


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of a module's parameters and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal, NaN being equal to itself."""
    equal = one.shape == other.shape and one.dtype == other.dtype
    return equal and torch.equal(one.nan_to_num(), other.nan_to_num())


def expect_same_state(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], message: str
) -> None:
    """Ends a check unless parameters and buffers are the same, bit for bit."""
    for name, value in expected.items():
        expect(
            name in state and same(state[name], value), f"{message} (not so '{name}')"
        )


def expect_reset(module: torch.nn.Module, other: torch.nn.Module, message: str) -> None:
    """Ends a check unless a module draws all weights, the same as another one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7.25)
    states = []
    for one in (module, other):
        torch.manual_seed(3)
        one.reset_parameters()  # type: ignore[operator]
        states.append(state_of(one))
    for name, parameter in module.named_parameters():
        expect(
            not (parameter == 7.25).any(),
            f"'reset_parameters' draws all weights anew (not all of '{name}')",
        )
    expect_same_state(states[0], states[1], message)


def matching(pattern: str, parameters: Mapping[str, object]) -> list[str]:
    """The parameters that a pattern of ``untrained`` names."""
    found = fnmatch.filter(parameters, pattern)
    if not found:
        fail(f"'untrained' names '{pattern}', which is none of {list(parameters)}")
    return found


def run_checks(
    what: str,
    checks: Mapping[str, Callable[[Case], None]],
    case: Case,
    except_for: Collection[str],
) -> tuple[str, ...]:
    """Runs all checks but some.

    Args:
        what: Name of the model or layer.
        checks: The checks, by name.
        case: What they are about.
        except_for: Names of checks that are left out.

    Returns:
        Names of the checks that were made: some are about what not all have.

    Raises:
        CheckError: Tells of all checks that fail.
        InputError: If there is no check of a name in ``except_for``.
    """
    if isinstance(except_for, str):
        raise InputError(f"'except_for' is a collection of names (got '{except_for}')")
    for name in except_for:
        if name not in checks:
            hint = did_you_mean(name, checks)
            raise InputError(f"'except_for' names '{name}', which is no check{hint}")
    made, failures = [], {}
    cause: BaseException | None = None
    for name, check in checks.items():
        if name in except_for:
            continue
        try:
            with torch.random.fork_rng(devices=[]):  # The caller's draws stay.
                check(case)
        except NotApplicable:
            continue
        except Exception as error:
            cause = cause or error
            failures[name] = _text(error)
        made.append(name)
    if failures:
        raise CheckError(what, failures) from cause
    return tuple(made)


def parameters_of(function: Callable[..., Any]) -> Collection[str]:
    """Names that a function or class takes; none if nothing tells."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()


def _text(error: Exception) -> str:
    """What a check says, or where in the code under test an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = Path(frames[-1].filename).parent == _HERE
    if type(error) is AssertionError and own:
        return str(error)
    place = next(
        (f for f in reversed(frames) if 'site-packages' not in f.filename), frames[-1]
    )
    text = f'{type(error).__name__}: {reason(error)}'
    return f'{text} (at {Path(place.filename).name}:{place.lineno})'
