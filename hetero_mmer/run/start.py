"""With what a run started: a resumed one goes on with the same, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import yaml

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import check_plain
from hetero_mmer.files.unique_yaml import read_yaml
from hetero_mmer.run import files
from hetero_mmer.run.old import renewed_options
from hetero_mmer.run.rows import split_sha256

#: The options that a resumed run may change: where the data lie (their content may not
#: change) and what computes.
MAY_DIFFER: Final = ('data', 'root', 'device', 'num_workers')


class Start(TypedDict):
    """What :func:`start_of` gives."""

    sha256: str
    split_sha256: NotRequired[str]
    options: dict[str, Any]


def start_of(options: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """What a run starts with, as plain data that every file gives back the same.

    Args:
        options: All options of the run.
        sha256: Of its data.
    """
    start: dict[str, Any] = {'sha256': sha256, 'options': dict(options)}
    if (path := options.get('split_file')) is not None:
        start['split_sha256'] = split_sha256(path)
    return yaml.safe_load(yaml.safe_dump(start, sort_keys=False))


def check_resumed(
    folder: Path,
    start: Mapping[str, Any],
    checkpoint: Mapping[str, Any] | None,
    defaults: Mapping[str, Any],
) -> None:
    """Refuses to go on with a run otherwise than it started.

    Args:
        folder: The run's folder.
        start: What :func:`start_of` says of its options and data now.
        checkpoint: What its recorder kept; None if no epoch was finished.
        defaults: Of options that are younger than the run.

    Raises:
        InputError: If the data have changed, or an option (named, with both values), or
            the best weights so far are missing.
    """
    kept = []
    if (folder / files.START).exists():
        kept.append(read_yaml(folder / files.START))
        check_plain(kept[0], Start, f"'{folder / files.START}'")
    if checkpoint is not None:
        kept.append(checkpoint)
    for before in kept:
        if 'options' in before:  # A run of version 0.1 kept none.
            _check_options(folder, before['options'], start['options'], defaults)
        if before['sha256'] != start['sha256']:
            raise InputError(
                f"the data of the run in '{folder}' have changed since it started, "
                'so it cannot go on; start another run'
            )
        if before.get('split_sha256') != start.get('split_sha256'):
            raise InputError(
                f"the split file of the run in '{folder}', "
                f"'{start['options']['split_file']}', has changed since it started, so "
                'it cannot go on; start another run'
            )
    weights = folder / files.WEIGHTS
    # Those of the last epoch are in the checkpoint.
    earlier = checkpoint and 0 < checkpoint['best_epoch'] < len(checkpoint['rows'])
    if earlier and not weights.is_file():
        raise InputError(
            f"the weights of the best epoch so far, '{weights}', are missing; without "
            f"the checkpoint '{folder / files.CHECKPOINT}' the run starts anew"
        )


def _check_options(
    folder: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> None:
    old = dict(_flat({**defaults, **renewed_options(before)}))
    new = dict(_flat(now))
    for name in [*old, *(name for name in new if name not in old)]:
        was, value = (of.get(name, 'nothing') for of in (old, new))
        if repr(was) != repr(value) and name not in MAY_DIFFER:  # 0 is no false.
            told = [was, value] if str(was) != str(value) else [repr(was), repr(value)]
            raise InputError(
                f"the run in '{folder}' started with '{name}' {told[0]}, but its "
                f'{files.CONFIG} has {told[1]} now; a run is gone on with as it started'
            )


def _flat(options: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Each option under one name, those of the model as on the command line."""
    for key, value in options.items():
        name = prefix if key == 'init_args' else f'{prefix}{key}'
        if isinstance(value, Mapping):
            yield from _flat(value, name if key == 'init_args' else f'{name}.')
        else:
            yield name, value
