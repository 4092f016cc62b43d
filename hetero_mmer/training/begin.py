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
from hetero_mmer.datasets.catalog import SYNTHETIC
from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import check_plain
from hetero_mmer.run import files
from hetero_mmer.run.build import with_loss
from hetero_mmer.run.check import check_device_name, check_folder
from hetero_mmer.run.config import Config, read_plain
from hetero_mmer.run.folder import held
from hetero_mmer.run.options import TrainOptions, check_types
from hetero_mmer.run.rows import rows_of
from hetero_mmer.run.start import MAY_DIFFER, check_resumed, start_of
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
        config = Config(spec, _lasting(data, options.root), _absolute(options))
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
    _unfinished(folder, data)  # Where there is no such run, nothing is touched.
    with held(folder, fresh=False):
        plain = _unfinished(folder, data)  # It may have ended or gone meanwhile.
        with Store(resolve_data(plain['data'], plain['root'])) as store:
            where = f"'{folder / files.CONFIG}'"
            from_spec(plain['model'], trust=trust, kind='model', where=where)

            from hetero_mmer.training.recorder import recorded

            checkpoint = files.find_checkpoint(folder)
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


def check_early(data: str | Path, out: str | Path, options: TrainOptions) -> None:
    """Refuses what can be refused before torch is imported, let alone a model.

    Args:
        data: As in :func:`train`.
        out: Likewise.
        options: Likewise.

    Raises:
        InputError: If that is bad.
    """
    folder = Path(out)
    if folder.is_file() or (folder / files.CONFIG).is_file():
        check_folder(folder)
    if str(data) != SYNTHETIC:  # Which may have to be made first.
        with Store(resolve_data(data, options.root)) as store:
            store.chosen(options.modalities)
            rows_of(store, options.split_file, options.fold)


def check_resumable(folder: str | Path, data: str | Path | None = None) -> None:
    """Refuses a run that cannot go on, as far as that can be told without torch.

    Args:
        folder: As in :func:`resume`.
        data: Likewise.

    Raises:
        InputError: If there is none, or it has finished, or its data are not there.
    """
    plain = _unfinished(Path(folder), data)
    Store(resolve_data(plain['data'], plain['root'])).close()


def _unfinished(folder: Path, data: str | Path | None) -> dict[str, Any]:
    """The options of a run that has not finished, as its file has them."""
    plain = read_plain(folder)
    if (folder / files.METRICS).exists():
        raise InputError(f"the run in '{folder}' has finished; nothing is left to do")
    # Others are compared with what the run started with.
    where = f"'{folder / files.CONFIG}'"
    check_plain(plain['data'], str, where, 'data')
    check_types({n: plain[n] for n in MAY_DIFFER if n != 'data'}, where)
    if data is not None:
        plain['data'] = _lasting(data, plain['root'])
    elif not (path := resolve_data(plain['data'], plain['root'])).exists():
        raise InputError(
            f"the data of the run in '{folder}', '{path}', are not there; if they lie "
            f'elsewhere now, `resume({str(folder)!r}, data=PATH)` goes on'
        )
    check_device_name(plain['device'])
    return plain


def _absolute(options: TrainOptions) -> TrainOptions:
    """Options whose files are found from every working directory."""
    names = ('root', 'split_file', 'label_vectors', 'label_relations', 'init')
    paths: dict[str, Any] = {
        name: str(Path(path).absolute())
        for name in names
        if (path := getattr(options, name)) is not None
    }
    return replace(options, **paths)


def _lasting(data: str | Path, root: str | Path | None) -> str:
    """A path that holds in every working directory; a name stays a name."""
    path = resolve_data(data, root)
    return str(path.absolute()) if path == Path(data) else str(data)
