"""The files of a run, each written whole or not at all."""

from __future__ import annotations

import csv
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hetero_mmer.errors import InputError, did_you_mean_path
from hetero_mmer.files.escape import guard_cell
from hetero_mmer.files.input import check_file
from hetero_mmer.files.output import replacing
from hetero_mmer.files.strict_json import json_text
from hetero_mmer.files.unique_yaml import LARGEST, read_yaml
from hetero_mmer.store.like import ENCODERS

if TYPE_CHECKING:
    from hetero_mmer.run.size import Size

CONFIG = 'config.yaml'
METRICS = 'metrics.json'
HISTORY = 'metrics.csv'
PREDICTIONS = 'predictions_test.csv'
WEIGHTS = 'model.safetensors'
MODEL = 'model.json'
CHECKPOINT = 'checkpoints/last.ckpt'
START = 'checkpoints/start.yaml'
EVENTS = 'tensorboard'

#: All files of a run but the events.
NAMES = (
    *(CONFIG, METRICS, HISTORY, PREDICTIONS, WEIGHTS, MODEL, ENCODERS),
    *(CHECKPOINT, START),
)

#: Names the lock of a run: no file of its own.
RUN = 'run'


def size_of_weights(path: Path) -> Size:
    """What a model may have whose weights lie in a file, from the file's size alone.

    Twice as much, for what a model makes anew or shares.

    Raises:
        InputError: If the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    from hetero_mmer.run.size import Size

    try:
        with safe_open(check_file(path), 'pt') as file:
            parts = len(list(file.keys()))
        return Size(
            1000 + 50 * parts,
            2**26 + 2 * path.stat().st_size,
            f", but those in '{path}' are fewer",
        )
    except (OSError, InputError, SafetensorError) as error:
        raise InputError(f"the weights in '{path}' do not load: {error}") from error


def read_config(path: str | Path) -> dict[str, Any]:
    """The options that the run in a folder was started with.

    Raises:
        InputError: If there are none, or they are damaged.
    """
    file = Path(path) / CONFIG
    if not file.is_file():
        hint = '' if Path(path).exists() else did_you_mean_path(path)
        raise InputError(f"there is no run in '{path}' (no {CONFIG}){hint}")
    config = read_yaml(file)
    if not isinstance(config, dict) or 'model' not in config:
        raise InputError(f"'{file}' names no model")
    return config


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Writes the options of a run so that they are the recipe to repeat it."""
    head = (
        f'# hetero-mmer train --recipe {CONFIG} --out ANOTHER_FOLDER repeats this run.'
    )
    body = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    if len(body.encode()) > LARGEST - 1000:
        raise InputError(
            f'the options of a run take less than {LARGEST} bytes, so that it can be '
            f'read back (got {len(body.encode())})'
        )
    with replacing(path) as temporary:
        temporary.write_text(f'{head}\n{body}', encoding='utf-8')


def write_start(path: Path, start: Mapping[str, Any]) -> None:
    """Writes what a run starts with; see :mod:`hetero_mmer.run.start`."""
    body = yaml.safe_dump(dict(start), sort_keys=False, allow_unicode=True)
    with replacing(path) as temporary:
        temporary.write_text(body, encoding='utf-8')


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file; NaN becomes null."""
    with replacing(path) as temporary:
        text = json_text(value, ascii=False)
        temporary.write_text(text + '\n', encoding='utf-8')


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a CSV file that spreadsheets run nothing of.

    Numbers keep the nine digits of a float32; texts that look like formulas begin with
    an apostrophe, see :func:`hetero_mmer.files.escape.guard_cell`.
    """
    with (
        replacing(path) as temporary,
        temporary.open('w', newline='', encoding='utf-8') as file,
    ):
        writer = csv.writer(file)
        for row in (header, *rows):
            writer.writerow(map(_cell, row))


def versions() -> dict[str, str | None]:
    """Versions of what a number depends on, and the git state of the folder."""
    names = [
        'hetero_mmer',
        'torch',
        'torch-geometric',
        'torch-scatter',
        'pytorch-lightning',
        'torchmetrics',
        'numpy',
    ]
    found: dict[str, str | None] = {'python': platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return {**found, 'git': _git_state()}


def _git_state() -> str | None:
    """Commit of the working directory's repository, with + if files were changed.

    What a repository's own settings say is not run, as it may have come with a run:
    where they filter files, whether these were changed is not known (?).
    """
    try:
        commit = _git('rev-parse', 'HEAD')
        settings = _git('config', '--list', '--show-scope', '--name-only')
        if any(
            re.match(r'(local|worktree)\s+filter\.', s) for s in settings.split('\n')
        ):
            return f'{commit}?'
        changes = _git(
            *('-c', 'core.fsmonitor=false', 'status', '--porcelain'),
            *('--untracked-files=no', '--ignore-submodules=all'),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ('+' if changes else '')


def _git(*words: str) -> str:
    return subprocess.run(
        ['git', *words],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        env={**os.environ, 'GIT_OPTIONAL_LOCKS': '0'},  # Else a hook may run.
    ).stdout.strip()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return guard_cell(value)
    return f'{value:.9g}' if isinstance(value, float) else value
