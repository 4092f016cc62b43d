"""One training and its test, with what is checked already; needs torch."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.seed import isolate_rng
from torch.nn import Module

from hetero_mmer.errors import InputError, InputWarning, reason, undisguised
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.loader.workers import as_if_here
from hetero_mmer.metrics import decide
from hetero_mmer.run import files
from hetero_mmer.run.build import build_model
from hetero_mmer.run.check import check_device, check_model
from hetero_mmer.run.data import Splits, labels_of, load_splits, some_unknown
from hetero_mmer.run.encoders import keep_encoders
from hetero_mmer.run.options import PRECISIONS
from hetero_mmer.run.run import Run
from hetero_mmer.run.score import predict_probs, score, tune_both, write_truth
from hetero_mmer.spec import NUM_EMBEDDINGS
from hetero_mmer.store import Store
from hetero_mmer.store.about import FORMAT_VERSION
from hetero_mmer.store.like import POSITIVE_ABOVE
from hetero_mmer.training.checkpoint import CheckpointFile
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.progress import ProgressLine
from hetero_mmer.training.quiet import quiet
from hetero_mmer.training.recorder import Recorder, recorded
from hetero_mmer.training.seed import EpochSampler, derive_seed, seed_everything
from hetero_mmer.weights import load_weights, save_weights, sha256_of_file


def run(
    options: dict[str, Any],
    store: Store,
    folder: Path,
    start: Mapping[str, Any],
    checkpoint: Mapping[str, Any] | None,
    *,
    progress: bool,
    resumed: bool,
    trust: bool,
) -> dict[str, Any]:
    """Trains and tests, or goes on; see :func:`hetero_mmer.training.train`.

    Args:
        options: All options, the model as its spec.
        store: The open data.
        folder: The folder of the run, which this process holds.
        start: What :func:`~hetero_mmer.run.start.start_of` says of both.
        checkpoint: That of a resumed run, if an epoch was finished.
        progress: Whether to tell how it goes.
        resumed: Whether the run has begun already.
        trust: Whether its model may be code of any module.
    """
    device = check_device(options['device'], options['precision'])
    with isolate_rng():
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
        elif (config := files.read_config(folder))['data'] != options['data']:
            moved = {**config, 'data': options['data']}
            files.write_config(folder / files.CONFIG, moved)
        keep_encoders(folder, fitted, store.fill)
        kept = None if checkpoint is None else recorded(checkpoint)
        if checkpoint is not None and kept and kept['best_epoch'] == len(kept['rows']):
            _restore_weights(network, checkpoint, folder / files.WEIGHTS)
        del checkpoint  # Lightning reads it again.
        recorder = _fit(network, splits, options, folder, start, device, progress, kept)
        load_weights(network, folder / files.WEIGHTS)
        return _test(network, store, splits, options, folder, device, recorder)


def _fit(
    network: Module,
    splits: Splits,
    options: dict[str, Any],
    folder: Path,
    start: Mapping[str, Any],
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
        splits.train.store.label_names,
        seed=options['seed'],
        optimizer=options['optimizer'],
        learning_rate=options['learning_rate'],
        weight_decay=options['weight_decay'],
        warmup=options['warmup'],
        schedule=options['schedule'],
        threshold=monitored_at,
    )
    monitor = options['monitor']
    moves = sys.stderr.isatty()
    bar = [ProgressLine(monitor)] if progress and moves else []
    recorder = Recorder(
        folder,
        monitor=monitor,
        patience=options['patience'],
        start=start,
        monitored_at=monitored_at,
        tells=progress and not moves,
    )
    precision = options['precision']  # An older run may have a name of Lightning's.
    with quiet(), undisguised(), as_if_here():
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
            callbacks=[recorder, *bar],
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
        with _restoring(folder, lambda: path is None or recorder.stepped):
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
    save_weights(network, path)


@contextlib.contextmanager
def _restoring(folder: Path, is_done: Callable[[], bool]) -> Iterator[None]:
    """Errors until a checkpoint is restored are errors of the checkpoint."""
    try:
        yield
    except (InputError, OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if is_done() or 'allocate memory' in str(error):
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
        'weights_sha256': sha256_of_file(folder / files.WEIGHTS),
        'data': {
            'name': options['data'],
            'sha256': store.sha256(),
            POSITIVE_ABOVE: store.attrs.get(POSITIVE_ABOVE),
        },
        'versions': files.versions(),
    }
    files.write_json(folder / files.MODEL, about)
    threshold = Run(folder, about, network).threshold()
    predicts = bool(decide(probs, threshold).any())
    notes = _notes(recorder, predicts, isinstance(options['threshold'], str))
    notes += [
        f'{store.rows(split).size - len(samples)} of {store.rows(split).size} {split} '
        f'samples have no item in {used.modalities} and are left out'
        for split, samples in vars(splits).items()
        if isinstance(samples, StoreDataset) and len(samples) < store.rows(split).size
    ]
    probs = predict_probs(network, splits.test, size, device)
    assert store.labels is not None
    truth = torch.from_numpy(store.labels[splits.test.rows])
    write_truth(folder / files.PREDICTIONS, splits.test.sample_ids, probs, truth, names)
    known = store.known[splits.test.rows]
    if sentence := some_unknown(store, 'test', splits.test.rows):
        notes.append(
            f'{sentence}: {"they" if known.any() else "all"} are predicted in '
            f'{files.PREDICTIONS}, but not scored'
        )
    found = score(probs[known], truth[known], names, threshold)
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
        'num_samples': int(known.sum()),
        **({} if known.all() else {'num_unknown': int((~known).sum())}),
        'seconds': recorder.seconds,
        'versions': about['versions'],
    }
    files.write_json(folder / files.METRICS, result)  # Last: the run has finished.
    for note in notes:
        warnings.warn(note, InputWarning, stacklevel=5)  # At who calls train.
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
