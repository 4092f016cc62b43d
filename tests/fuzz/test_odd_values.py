"""Sound pickles with odd values anywhere in them are stores, or one sentence."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from hetero_mmer.cli import main

sys.path.insert(0, str(Path(__file__).parent))

import raw_files

#: Many new examples, instead of few that are always the same.
IS_LONG = bool(float(os.environ.get('FUZZ_SECONDS', 0)))
SEED = int(os.environ.get('FUZZ_SEED', 0))

ODD = (
    *(None, 0, -1, 1.5, np.nan, np.inf, 10**400, True, 1j, 'x', '', '1' * 5000),
    *(b'\xff', '\ud800', '\x1b[31m', [], [[]], [1, 2, 3], ['a'], [[1, 2], [3]]),
    *({}, {'a': 1}, (), {1, 2}, [None] * 6, np.int64(2**62), np.float32(1e30)),
    *(np.zeros(0), np.zeros((2, 3)), np.zeros((0, 4)), np.array(5), np.array(['a'])),
    *(np.full((6, 4, 6), np.nan), np.ones((6, 4, 6), complex), np.ones((1,) * 5)),
    *(np.array([None, [1]], object), np.frombuffer(b'\xff' * 24, 'U1')),
)


def places(value: Any, depth: int = 5) -> Iterator[tuple[Any, ...]]:
    """Where something lies in dictionaries and lists, as the keys that lead there."""
    yield ()
    if depth and isinstance(value, dict | list | tuple):
        keys = value if isinstance(value, dict) else range(min(len(value), 12))
        for key in keys:
            yield from ((key, *rest) for rest in places(value[key], depth - 1))


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """A copy in which something else lies at a place."""
    if not place:
        return new
    key, *rest = place
    changed = put(value[key], tuple(rest), new)
    if isinstance(value, dict):
        return {**value, key: changed}
    return type(value)([*value[:key], changed, *value[key + 1 :]])


@pytest.mark.parametrize('name', ['mult-pkl', 'mmsa-pkl', 'mosei-pt', 'nemu', 'm3ed'])
def test_odd_values(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    raw = raw_files.FORMATS[name](tmp_path, np.random.default_rng(0))
    path = tmp_path / raw.files[0]
    is_torch = path.suffix == '.pt'
    with path.open('rb') as file:
        data = torch.load(file, weights_only=False) if is_torch else pickle.load(file)
    some = sorted(places(data), key=len)
    store = tmp_path / 'new.h5'

    @seed(SEED)
    @settings(
        max_examples=1000 if IS_LONG else 40,
        deadline=None,
        derandomize=not IS_LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(some) - 1), st.integers(0, len(ODD) - 1))
    def example(i, j):
        odd = put(data, some[i], ODD[j])
        try:
            torch.save(odd, path) if is_torch else path.write_bytes(pickle.dumps(odd))
        except UnicodeEncodeError:
            assume(False)
        store.unlink(missing_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            status = main(['data', 'convert', *raw.words, '--output', store.name])
        errors = capfd.readouterr().err.split('hetero-mmer: error: ')[1:]
        assert status == (2 if errors else 0)
        assert [error.count('\n') for error in errors] in ([], [1])
        assert store.exists() == (status == 0)

    example()
