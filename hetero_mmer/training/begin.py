"""Train a model on a store and test it, by one protocol.

Importing this takes no torch, which is slow: what can be refused without is refused
before, and the command line reads the options here.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np

from hetero_mmer.datasets import resolve_data
from hetero_mmer.datasets.catalog import SYNTHETIC
from hetero_mmer.errors import InputError
from hetero_mmer.run import files
from hetero_mmer.run.check import (
    check_device_name,
    check_folder,
    check_options,
    check_types,
)
from hetero_mmer.run.folder import held
from hetero_mmer.run.options import (
    PRECISIONS,
    LabelGraph,
    Monitor,
    OptimizerName,
    Schedule,
)
from hetero_mmer.run.start import LIGHTNINGS, MAY_DIFFER, check_resumed, start_of
from hetero_mmer.spec import NUM_EMBEDDINGS, from_spec, to_spec
from hetero_mmer.store import Store
from hetero_mmer.store.format import SPLITS
from hetero_mmer.typing import ModelFactory


def train(
    model: ModelFactory,
    data: str | Path,
    out: str | Path,
    *,
    root: str | Path | None = None,
    modalities: list[str] | None = None,
    label_graph: LabelGraph = 'complete',
    standardize: bool = False,
    skip_empty: bool = False,
    seed: int = 0,
    epochs: int = 50,
    batch_size: int = 64,
    accumulate: int = 1,
    optimizer: OptimizerName = 'adam',
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    warmup: float = 0.0,
    schedule: Schedule = 'constant',
    gradient_clip: float | None = 10.0,
    patience: int | None = None,
    threshold: float | Literal['tuned', 'per-label'] = 0.5,
    monitor: Monitor = 'f1_micro',
    precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32',
    device: Literal['auto', 'cpu', 'cuda', 'mps'] = 'auto',
    num_workers: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains a model, tests its best epoch, and leaves all in a folder.

    Only the train and valid splits take part in training. The epoch that is best on
    valid by ``monitor`` (the first of equals) is tested, once, on all test samples.
    Those whose labels are unknown are predicted, but not scored.

    Args:
        model: The model: a class of hetero_mmer.models by name, or any other by
            import path.
        data: A store, or the name of a data set; 'synthetic' makes one.
        out: Folder for the run, which must not exist or be empty.
        root: Folder where named data sets lie.
        modalities: The modalities to use, such as [text,audio]; all by default.
        label_graph: All pairs of labels, or those that often occur together in the
            training labels.
        standardize: Whether features get mean 0 and deviation 1, by the statistics of
            the train split; they are kept with the model.
        skip_empty: Whether to leave out samples that have no item in the chosen
            modalities; they are refused otherwise.
        seed: Of weights, order and dropout.
        epochs: Passes over the training samples.
        batch_size: Samples in a batch.
        accumulate: Batches whose gradients are summed up for a step.
        optimizer: 'adam' adds weight decay to the gradient, 'adamw' keeps it apart.
        learning_rate: Its highest value.
        weight_decay: Of everything but biases and norms.
        warmup: Share of the steps in which the learning rate rises from zero.
        schedule: Whether the learning rate then stays or falls to zero.
        gradient_clip: Highest norm of the gradient.
        patience: Epochs without improvement after which training stops; none by
            default.
        threshold: A label is positive if its probability is above it: a number, or
            tuned on the valid split for all labels at once or for each.
        monitor: By what the epoch is chosen: the highest of a metric on valid (at the
            threshold; where that is tuned, at the one tuned in this epoch), the lowest
            loss on valid, or no choice, the last epoch.
        precision: Number format in training: all in float32, or what gains by it in
            float16 (on a GPU) or bfloat16; the weights stay float32.
        device: Where to train; a GPU by default if there is one.
        num_workers: Processes that load data, besides the main one.
        progress: Whether to tell on stderr how it goes: in a line that moves on a
            terminal, elsewhere in a plain one for each epoch.

    Returns:
        What ``metrics.json`` holds, the test metrics under ``metrics``: those of
        ``num_samples``, none if the labels of all are unknown, which ``num_unknown``
        counts.

    Raises:
        InputError: For bad data, options or folders, before anything is written.
    """
    options = {k: _as_in_files(v) for k, v in locals().items() if k != 'progress'}
    folder = Path(options.pop('out'))
    check_options(options, _types())
    with held(folder, fresh=True):
        options['model'] = to_spec(model)
        if options['model']['init_args'].pop(NUM_EMBEDDINGS, None):
            raise InputError(
                f"'{NUM_EMBEDDINGS}' of a model comes from the data, so it is left out"
            )
        options['data'] = _lasting(data, root)
        options['root'] = None if root is None else str(Path(root).absolute())
        return _run(options, folder, progress=progress, resumed=False, trust=True)


def resume(
    run: str | Path,
    *,
    data: str | Path | None = None,
    trust: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Goes on with a run that stopped, as if it had not.

    Args:
        run: Its folder.
        data: Where its data lie now, if they were moved; the run keeps the new place.
        trust: Whether its model may be code of any module, as that of your own is;
            see :func:`~hetero_mmer.spec.locate`.
        progress: Whether to tell on stderr how it goes, as in :func:`train`.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: If there is no run, or it has finished, or another process is at
            work on it, or its data or options have changed, or it would run code that
            is not trusted.
    """
    folder = Path(run)
    _unfinished(folder)  # Where there is no such run, nothing is touched.
    with held(folder, fresh=False):
        options = _unfinished(folder)  # It may have ended or gone meanwhile.
        if data is not None:
            options['data'] = _lasting(data, options['root'])
        elif not (path := resolve_data(options['data'], options['root'])).exists():
            raise InputError(
                f"the data of the run in '{folder}', '{path}', are not there; if they "
                f'lie elsewhere now, `hetero-mmer train --resume {folder} --data PATH` '
                'goes on'
            )
        check_device_name(options['device'])
        return _run(options, folder, progress=progress, resumed=True, trust=trust)


def check_early(
    data: str | Path, out: str | Path, *, root: str | Path | None = None, **options: Any
) -> None:
    """Refuses what can be refused before torch is imported, let alone a model.

    Args:
        data: As in :func:`train`.
        out: Likewise.
        root: Likewise.
        **options: All others but the model.

    Raises:
        InputError: If that is bad.
    """
    check_options(options, _types())
    folder = Path(out)
    if folder.is_file() or (folder / files.CONFIG).is_file():
        check_folder(folder)
    if str(data) != SYNTHETIC:  # Which may have to be made first.
        with Store(resolve_data(data, root)) as store:
            store.chosen(options['modalities'])
            for split in filter(None, SPLITS):
                store.rows(split)


def _unfinished(folder: Path) -> dict[str, Any]:
    """The options of a run that has not finished."""
    options = _with_defaults(files.read_config(folder), folder)
    if (folder / files.METRICS).exists():
        raise InputError(f"the run in '{folder}' has finished; nothing is left to do")
    # Others are compared with what the run started with.
    where = f"'{folder / files.CONFIG}'"
    check_types({name: options[name] for name in MAY_DIFFER}, _types(), where)
    return options


def _run(
    options: dict[str, Any],
    folder: Path,
    *,
    progress: bool,
    resumed: bool,
    trust: bool,
) -> dict[str, Any]:
    with Store(resolve_data(options['data'], options['root'])) as store:
        start = start_of(options, store.sha256())
        checkpoint = _begun(folder, options, start, trust=trust) if resumed else None

        from hetero_mmer.training.fit import run

        return run(
            options,
            store,
            folder,
            start,
            checkpoint,
            progress=progress,
            resumed=resumed,
            trust=trust,
        )


def _begun(
    folder: Path, options: dict[str, Any], start: dict[str, Any], *, trust: bool
) -> dict[str, Any] | None:
    """The checkpoint of a run that goes on, if an epoch was finished.

    Whatever is wrong is told before anything is touched.
    """
    where = f"'{folder / files.CONFIG}'"
    from_spec(options['model'], trust=trust, kind='model', where=where)

    from hetero_mmer.training.recorder import recorded

    checkpoint = files.find_checkpoint(folder)
    kept = None if checkpoint is None else recorded(checkpoint)
    check_resumed(folder, start, kept, _defaults())
    check_options(_as_called_now(options), _types(), where)
    return checkpoint


def _as_called_now(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a run whose number format may have a name of Lightning's."""
    names = {lightnings: ours for ours, lightnings in PRECISIONS.items()}
    precision = LIGHTNINGS.get(str(options['precision']), options['precision'])
    return {**options, 'precision': names.get(precision, precision)}


def _types() -> dict[str, Any]:
    """The types of options in files; that of a model is seen to where it is made."""
    return {**get_type_hints(train), 'model': Any}


def _as_in_files(value: Any) -> Any:
    """An option as plain data."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _defaults() -> dict[str, Any]:
    known = inspect.signature(train).parameters.values()
    return {p.name: p.default for p in known if p.name not in ('out', 'progress')}


def _with_defaults(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The options of a run that may be older than some of them."""
    options = _defaults()
    unknown = set(config) - set(options)
    options |= config
    missing = [k for k, v in options.items() if v is inspect.Parameter.empty]
    if missing or unknown:
        what = f"no '{missing[0]}'" if missing else f"an unknown '{min(unknown)}'"
        raise InputError(f"'{folder / files.CONFIG}' is no run's config: it has {what}")
    return options


def _lasting(data: str | Path, root: str | Path | None) -> str:
    """A path that holds in every working directory; a name stays a name."""
    path = resolve_data(data, root)
    return str(path.absolute()) if path == Path(data) else str(data)
