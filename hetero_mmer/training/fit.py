"""Train a model on a store and test it, by one protocol."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.seed import isolate_rng
from torch.nn import Module

from hetero_mmer.functional.multilabel import binarize
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.sources import resolve_data
from hetero_mmer.store import Store
from hetero_mmer.training import files
from hetero_mmer.training.check import (
    PRECISIONS,
    check_device,
    check_model,
    check_options,
    check_types,
    reason,
)
from hetero_mmer.training.checkpoint import CheckpointFile
from hetero_mmer.training.data import LabelGraph, Splits, labels_of, load_splits
from hetero_mmer.training.encoders import keep_encoders
from hetero_mmer.training.folder import held
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.optim import OptimizerName, Schedule
from hetero_mmer.training.progress import ProgressLine
from hetero_mmer.training.quiet import quiet
from hetero_mmer.training.recorder import Monitor, Recorder, recorded
from hetero_mmer.training.run import FORMAT_VERSION, Run, build_model
from hetero_mmer.training.score import (
    predict_probs,
    score,
    tune_both,
    write_truth,
)
from hetero_mmer.training.seed import EpochSampler, derive_seed, seed_everything
from hetero_mmer.training.spec import NUM_EMBEDDINGS, from_spec, to_spec
from hetero_mmer.training.start import LIGHTNINGS, MAY_DIFFER, check_resumed, start_of
from hetero_mmer.typing import InputError, InputWarning


def train(
    model: Callable[[dict[str, int], int], Module],
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
        progress: Whether to show a line of progress on stderr.

    Returns:
        What ``metrics.json`` holds, the test metrics under ``metrics``.

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
    run: str | Path, *, trust: bool = False, progress: bool = False
) -> dict[str, Any]:
    """Goes on with a run that stopped, as if it had not.

    Args:
        run: Its folder.
        trust: Whether its model may be code of any module, as that of your own is;
            see :func:`~hetero_mmer.training.spec.locate`.
        progress: Whether to show a line of progress on stderr.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: If there is no run, or it has finished, or another process is at
            work on it, or its data or options have changed, or it would run code that
            is not trusted.
    """
    folder = Path(run)
    _unfinished(folder, trust)  # Where there is no such run, nothing is touched.
    with held(folder, fresh=False):
        options = _unfinished(folder, trust)  # It may have ended or gone meanwhile.
        return _run(options, folder, progress=progress, resumed=True, trust=trust)


def _unfinished(folder: Path, trust: bool) -> dict[str, Any]:
    """The options of a run that has not finished."""
    where = f"'{folder / files.CONFIG}'"
    options = _with_defaults(files.read_config(folder), folder)
    if (folder / files.METRICS).exists():
        raise InputError(f"the run in '{folder}' has finished; nothing is left to do")
    # Others are compared with what the run started with.
    check_types({name: options[name] for name in MAY_DIFFER}, _types(), where)
    from_spec(options['model'], trust=trust, kind='model', where=where)
    return options


def _check_again(options: dict[str, Any], folder: Path) -> None:
    """Checks the options of a run that may have a name of Lightning's."""
    names = {lightnings: ours for ours, lightnings in PRECISIONS.items()}
    precision = LIGHTNINGS.get(str(options['precision']), options['precision'])
    known = {**options, 'precision': names.get(precision, precision)}
    check_options(known, _types(), f"'{folder / files.CONFIG}'")


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


def _run(
    options: dict[str, Any],
    folder: Path,
    *,
    progress: bool,
    resumed: bool,
    trust: bool,
) -> dict[str, Any]:
    device = check_device(options['device'])
    path = resolve_data(options['data'], options['root'])
    with Store(path) as store, isolate_rng():
        start = start_of(options, store.sha256())
        checkpoint = files.find_checkpoint(folder) if resumed else None
        if resumed:  # Before anything that other data or options would break.
            kept = None if checkpoint is None else recorded(checkpoint)
            check_resumed(folder, start, kept, _defaults())
            _check_again(options, folder)
        splits = load_splits(
            store,
            modalities=options['modalities'],
            label_graph=options['label_graph'],
            standardize=options['standardize'],
            skip_empty=options['skip_empty'],
        )
        seed_everything(options['seed'])
        network = build_model(
            options['model'],
            splits.train.in_channels,
            store.num_labels,
            splits.train.num_embeddings,
            trust=trust,
            where=f"'{folder / files.CONFIG}'",
        )
        first = range(min(options['batch_size'], len(splits.train)))
        check_model(network, splits.train.batch(list(first)))
        fitted = store.fitted  # Before anything is written: it may be damaged.
        if not resumed:
            files.write_start(folder / files.START, start)
            files.write_config(folder / files.CONFIG, options)
        keep_encoders(folder, fitted, store.fill)
        kept = None if checkpoint is None else recorded(checkpoint)
        if checkpoint is not None and kept and kept['best_epoch'] == len(kept['rows']):
            _restore_weights(network, checkpoint, folder / files.WEIGHTS)
        del checkpoint  # Lightning reads it again.
        recorder = _fit(network, splits, options, folder, device, progress, kept)
        files.load_weights(network, folder / files.WEIGHTS)
        return _test(network, store, splits, options, folder, device, recorder)


def _fit(
    network: Module,
    splits: Splits,
    options: dict[str, Any],
    folder: Path,
    device: torch.device,
    progress: bool,
    kept: Mapping[str, Any] | None,
) -> Recorder:
    monitored_at = options['threshold']
    if kept is not None:  # Runs of version 0.1 chose at 0.5 where it was to be tuned.
        old = isinstance(monitored_at, str) and 'options' not in kept
        monitored_at = kept.get('monitored_at', 0.5 if old else monitored_at)
    module = MultilabelModule(
        network,
        seed=options['seed'],
        optimizer=options['optimizer'],
        learning_rate=options['learning_rate'],
        weight_decay=options['weight_decay'],
        warmup=options['warmup'],
        schedule=options['schedule'],
        threshold=monitored_at,
        label_names=splits.train.store.label_names,
    )
    monitor = options['monitor']
    recorder = Recorder(
        folder,
        monitor=monitor,
        patience=options['patience'],
        start=start_of(options, splits.train.store.sha256()),
        monitored_at=monitored_at,
    )
    precision = options['precision']  # An older run may have a name of Lightning's.
    with quiet():
        trainer = Trainer(
            accelerator=device.type,
            devices=1,
            precision=PRECISIONS.get(precision, precision),
            max_epochs=options['epochs'],
            gradient_clip_val=options['gradient_clip'],
            accumulate_grad_batches=options['accumulate'],
            num_sanity_val_steps=0,
            logger=False,  # The recorder writes TensorBoard's events.
            plugins=[CheckpointFile()],
            callbacks=[recorder, *([ProgressLine(monitor)] if progress else [])],
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        # Not Lightning's count: worker processes draw the first order of a resumed run
        # before Lightning has counted on.
        sampler = EpochSampler(
            len(splits.train), options['seed'], lambda: len(recorder.rows)
        )
        workers = {
            'num_workers': options['num_workers'],
            'persistent_workers': options['num_workers'] > 0,
        }
        seed = derive_seed(options['seed'], 2)
        size = options['batch_size']
        loaders = (
            StoreLoader(
                splits.train,
                size,
                sampler=sampler,
                generator=torch.Generator().manual_seed(seed),
                **workers,
            ),
            StoreLoader(splits.valid, size, **workers),
        )
        path = folder / files.CHECKPOINT if kept is not None else None
        with _restoring(folder, lambda: path is None or recorder.started):
            trainer.fit(module, *loaders, ckpt_path=path, weights_only=True)
    return recorder


def _restore_weights(
    network: Module, checkpoint: Mapping[str, Any], path: Path
) -> None:
    """Writes the best weights, which a kill may have kept from being written."""
    with _restoring(path.parent, lambda: False):
        state = checkpoint['state_dict'].items()
        own = {k.removeprefix('model.'): v for k, v in state if k[:6] == 'model.'}
        network.load_state_dict(own)
    files.save_weights(network, path)


@contextlib.contextmanager
def _restoring(folder: Path, is_done: Callable[[], bool]) -> Iterator[None]:
    """Errors until a checkpoint is restored are errors of the checkpoint."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        if is_done():
            raise
        raise InputError(
            f"the checkpoint '{folder / files.CHECKPOINT}' is damaged, or none of this "
            f'run ({reason(error)}); without it the run starts anew'
        ) from error


def _test(
    network: Module,
    store: Store,
    splits: Splits,
    options: dict[str, Any],
    folder: Path,
    device: torch.device,
    recorder: Recorder,
) -> dict[str, Any]:
    names = list(store.label_names)
    size = options['batch_size']
    probs = predict_probs(network, splits.valid, size, device)
    used = splits.train
    about = {
        'format_version': FORMAT_VERSION,
        'model': options['model'],
        'label_names': names,
        'modalities': {
            m: {
                'channels': used.in_channels[m],
                NUM_EMBEDDINGS: used.num_embeddings.get(m),
                'kind': used.kinds[m],
                'extractor': store.extractors[m],
                'fitted': store.fitted_sha256.get(m),
                'scale': _plain(used.scale.get(m)),
            }
            for m in used.modalities
        },
        'skip_empty': options['skip_empty'],
        'left_out': [m for m in store.modalities if m not in used.modalities],
        'label_graph': (
            None if splits.label_graph is None else splits.label_graph.tolist()
        ),
        'threshold': options['threshold'],
        'thresholds': tune_both(probs, labels_of(splits.valid), names),
        'best_epoch': recorder.best_epoch,
        'data': {'name': options['data'], 'sha256': recorder.sha256},
        'versions': files.versions(),
    }
    files.write_json(folder / files.MODEL, about)
    threshold = Run(folder, network, about).threshold()
    predicts = bool(binarize(probs, threshold).any())
    notes = _notes(recorder, predicts, isinstance(options['threshold'], str))
    notes += [
        f'{store.rows(split).size - len(samples)} of {store.rows(split).size} {split} '
        f'samples have no item in {used.modalities} and are left out'
        for split, samples in vars(splits).items()
        if isinstance(samples, StoreDataset) and len(samples) < store.rows(split).size
    ]
    probs = predict_probs(network, splits.test, size, device)
    y = labels_of(splits.test)
    ids = splits.test.sample_ids
    write_truth(folder / files.PREDICTIONS, ids, probs, y, names)
    found = score(probs, y, names, threshold)
    result = {
        'model': options['model']['class_path'],
        'data': options['data'],
        'seed': options['seed'],
        'split': 'test',
        'threshold': found['threshold'],
        'best_epoch': recorder.best_epoch,
        'monitor': options['monitor'],
        'metrics': found['metrics'],
        'notes': notes,
        'num_samples': len(splits.test),
        'seconds': recorder.seconds,
        'versions': about['versions'],
    }
    files.write_json(folder / files.METRICS, result)  # Last: the run has finished.
    for note in notes:
        warnings.warn(note, InputWarning, stacklevel=4)  # At who calls train.
    return result


def _notes(recorder: Recorder, predicts: bool, is_tuned: bool) -> list[str]:
    """What makes the result of a run doubtful."""
    notes = []
    if recorder.best_epoch == 1 < len(recorder.rows):
        tips = [] if is_tuned else ["the threshold 'tuned'"]
        tips += [f"the monitor '{m}'" for m in ('map', 'last') if m != recorder.monitor]
        notes.append(
            f'the best of {len(recorder.rows)} epochs is the first, by '
            f'{recorder.monitor} on valid: the model may have learned nothing that it '
            f'shows; try {" or ".join(tips)}'
        )
    if not predicts:
        hint = '' if is_tuned else ": try the threshold 'tuned'"
        notes.append(f'no label of any valid sample is predicted{hint}')
    return notes


def _plain(scale: tuple[np.ndarray, np.ndarray] | None) -> dict[str, Any] | None:
    if scale is None:
        return None
    return {'mean': scale[0].tolist(), 'std': scale[1].tolist()}


def _lasting(data: str | Path, root: str | Path | None) -> str:
    """A path that holds in every working directory; a name stays a name."""
    path = resolve_data(data, root)
    return str(path.absolute()) if path == Path(data) else str(data)
