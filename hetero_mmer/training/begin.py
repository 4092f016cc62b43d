"""Train a model on a store and test it, by one protocol.

Importing this takes no torch, which is slow: what can be refused without is refused
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hetero_mmer.datasets import resolve_data
from hetero_mmer.errors import InputError
from hetero_mmer.run import files
from hetero_mmer.run.begin import lasting_name, read_unfinished, with_lasting_paths
from hetero_mmer.run.build import with_loss
from hetero_mmer.run.checkpoint import find_checkpoint, recorded
from hetero_mmer.run.config import Config
from hetero_mmer.run.folder import held
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.run.start import check_resumed, start_of
from hetero_mmer.spec import FACTS, from_spec, to_spec
from hetero_mmer.store import Store
from hetero_mmer.typing import ModelFactory


def train(
    model: ModelFactory,
    data: str | Path,
    out: str | Path,
    options: TrainOptions | None = None,
    *,
    callbacks: Sequence[Any] = (),
    **changes: Any,
) -> dict[str, Any]:
    """Trains a model, tests its best epoch, and leaves all in a folder.

    Only the train and valid splits take part in training. The epoch that is best on
    valid by ``monitor`` (the first of equals) is tested, once, on all test samples.
    Those whose labels are unknown are predicted, but not scored.

    Args:
        model: A class, or a :func:`functools.partial` of one with its choices.
        data: A store, or the name of a data set; 'synthetic' makes one.
        out: Folder for the run, which must not exist or be empty.
        options: All other options.
        callbacks: Lightning's, which see what happens.
        **changes: Single options, which go before ``options``.

    Returns:
        What ``metrics.json`` holds, the test metrics under ``metrics``: those of
        ``num_samples``, none if the labels of all are unknown, which ``num_unknown``
        counts.

    Raises:
        InputError: For bad data, options or folders, before anything is written.
    """
    options = replace(options or TrainOptions(), **changes)
    folder = Path(out)
    with held(folder, fresh=True):
        spec = to_spec(model)
        if found := [n for n in FACTS if spec['init_args'].pop(n, None) is not None]:
            raise InputError(
                f"'{found[0]}' of a model comes from the data, so it is left out"
            )
        spec = with_loss(spec, options.loss)
        config = Config(
            spec, lasting_name(data, options.root), with_lasting_paths(options)
        )
        with Store(resolve_data(config.data, config.options.root)) as store:
            from hetero_mmer.training.fit import run

            start = start_of(config.to_plain(), store.sha256())
            return run(config, store, folder, start, callbacks=callbacks, trust=True)


def resume(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    trust: bool = False,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Goes on with a run that stopped, as if it had not.

    Args:
        folder: That of the run.
        data: Where its data lie now, if they were moved; the run keeps the new place.
        trust: Whether its model may be code of any module, as that of your own is;
            see :func:`~hetero_mmer.spec.locate`.
        callbacks: As in :func:`train`.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: If there is no run, or it has finished, or another process is at
            work on it, or its data or options have changed, or it would run code that
            is not trusted.
    """
    folder = Path(folder)
    read_unfinished(folder, data)  # Where there is no such run, nothing is touched.
    with held(folder, fresh=False):
        plain = read_unfinished(folder, data)  # It may have ended or gone meanwhile.
        with Store(resolve_data(plain['data'], plain['root'])) as store:
            where = f"'{folder / files.CONFIG}'"
            from_spec(plain['model'], trust=trust, kind='model', where=where)

            checkpoint = find_checkpoint(folder)
            kept = None if checkpoint is None else recorded(checkpoint)
            start = start_of(plain, store.sha256())
            check_resumed(folder, start, kept, TrainOptions().to_plain())
            config = Config.from_plain(plain, trust=trust, where=where)

            from hetero_mmer.training.fit import run

            return run(
                config,
                store,
                folder,
                start,
                resumed=True,
                checkpoint=checkpoint,
                callbacks=callbacks,
                trust=trust,
            )
