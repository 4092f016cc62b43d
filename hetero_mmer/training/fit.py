"""One training and its test, with what is checked already; needs torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.seed import isolate_rng
from torch.nn import Module

from hetero_mmer.errors import InputError, reason, undisguised
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.loader.seed import EpochSampler, derive_seed, seed_everything
from hetero_mmer.loader.workers import as_if_here
from hetero_mmer.run import files
from hetero_mmer.run.build import build_model, extras_of
from hetero_mmer.run.check import check_device
from hetero_mmer.run.check_model import check_model
from hetero_mmer.run.checkpoint import recorded
from hetero_mmer.run.config import Config
from hetero_mmer.run.data import Splits, facts_of, load_splits
from hetero_mmer.run.encoders import keep_encoders
from hetero_mmer.run.finish import Trained, finish
from hetero_mmer.run.init import init_weights
from hetero_mmer.run.options import PRECISIONS
from hetero_mmer.spec import from_spec
from hetero_mmer.store import Store
from hetero_mmer.training.checkpoint import CheckpointFile
from hetero_mmer.training.multilabel_module import MultilabelModule
from hetero_mmer.training.quiet import quiet
from hetero_mmer.training.recorder import Recorder
from hetero_mmer.typing import Fits
from hetero_mmer.weights import load_state, load_weights, save_weights


def run(
    config: Config,
    store: Store,
    folder: Path,
    start: Mapping[str, Any],
    *,
    resumed: bool = False,
    checkpoint: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    trust: bool,
) -> dict[str, Any]:
    """Trains and tests, or goes on; see :func:`hetero_mmer.training.train`.

    Args:
        config: The model, the data and all options.
        store: The open data.
        folder: The folder of the run, which this process holds.
        start: What :func:`~hetero_mmer.run.start.start_of` says of both.
        resumed: Whether the run has begun already.
        checkpoint: That of a resumed run, if an epoch was finished.
        callbacks: Lightning's, which see what happens.
        trust: Whether its model may be code of any module.
    """
    options = config.options
    device = check_device(options.device, options.precision)
    where = f"'{folder / files.CONFIG}'"
    with isolate_rng():
        facts, label_graph = facts_of(store, options)
        factory = from_spec(config.model, trust=trust, kind='model', where=where)
        splits = load_splits(store, options, label_graph, extras_of(factory))
        seed_everything(options.seed)
        network = build_model(config.model, facts, trust=trust, where=where)
        kept = None if checkpoint is None else recorded(checkpoint)
        if checkpoint is not None:
            _restore(network, checkpoint, folder)
        else:
            _learn(network, splits.train, options.batch_size)
            if options.init is not None:
                init_weights(network, options.init)
        first = range(min(options.batch_size, len(splits.train)))
        check_model(network, splits.train.batch(list(first)))
        fitted = store.fitted  # Before anything is written: it may be damaged.
        if not resumed:
            files.write_start(folder / files.START, start)
            files.write_config(folder / files.CONFIG, config.to_plain())
        elif (plain := files.read_config(folder))['data'] != config.data:
            files.write_config(folder / files.CONFIG, {**plain, 'data': config.data})
        keep_encoders(folder, fitted, store.fill)
        # A kill may have kept the best weights from being written.
        if kept is not None and kept['best_epoch'] == len(kept['rows']):
            save_weights(network, folder / files.WEIGHTS)
        del checkpoint  # Lightning reads it again.
        if any(parameter.requires_grad for parameter in network.parameters()):
            trained = _fit(
                network, splits, config, folder, start, device, kept, callbacks
            )
        else:  # All was learned at once.
            save_weights(network, folder / files.WEIGHTS)
            trained = Trained(0, 0, 0.0)
        load_weights(network, folder / files.WEIGHTS)
        split = start.get('split_sha256')
        return finish(
            network, config, store, splits, facts, folder, device, trained, split
        )


def _learn(model: Module, samples: StoreDataset, batch_size: int) -> None:
    """Lets a model and its criterion fit the whole train split, if they can."""
    for part in (model, getattr(model, 'criterion', None)):
        if isinstance(part, Fits):
            part.fit(StoreLoader(samples, batch_size))


def _fit(
    network: Module,
    splits: Splits,
    config: Config,
    folder: Path,
    start: Mapping[str, Any],
    device: torch.device,
    kept: Mapping[str, Any] | None,
    callbacks: Sequence[Callback],
) -> Trained:
    options = config.options
    monitored_at = options.threshold
    if kept is not None:  # Runs of version 0.1 chose at 0.5 where it was to be tuned.
        old = isinstance(monitored_at, str) and 'options' not in kept
        monitored_at = kept.get('monitored_at', 0.5 if old else monitored_at)
    module = MultilabelModule(
        network,
        options,
        threshold=monitored_at,
        label_names=splits.train.store.label_names,
    )
    recorder = Recorder(
        folder,
        monitor=options.monitor,
        patience=options.patience,
        start=start,
        monitored_at=monitored_at,
    )
    # Lightning clips and accumulates for itself only where it calls backward itself.
    automatic = module.automatic_optimization
    with quiet(), undisguised(), as_if_here():
        trainer = Trainer(
            accelerator=device.type,
            devices=1,
            precision=PRECISIONS[options.precision],
            max_epochs=options.epochs,
            gradient_clip_val=options.gradient_clip if automatic else None,
            gradient_clip_algorithm=options.clip_by if automatic else None,
            accumulate_grad_batches=options.accumulate if automatic else 1,
            num_sanity_val_steps=0,
            logger=False,  # The recorder writes TensorBoard's events.
            plugins=[CheckpointFile()],
            callbacks=[recorder, *callbacks],
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        # Not Lightning's count: worker processes draw the first order of a resumed run
        # before Lightning has counted on.
        sampler = EpochSampler(
            len(splits.train), options.seed, lambda: len(recorder.rows)
        )
        workers: dict[str, Any] = {
            'num_workers': options.num_workers,
            'persistent_workers': options.num_workers > 0,
        }
        loaders = (
            StoreLoader(
                splits.train,
                options.batch_size,
                sampler=sampler,
                generator=torch.Generator().manual_seed(derive_seed(options.seed, 2)),
                **workers,
            ),
            StoreLoader(splits.valid, options.batch_size, **workers),
        )
        path = folder / files.CHECKPOINT if kept is not None else None
        with _restoring(folder, lambda: path is None or recorder.stepped):
            trainer.fit(module, *loaders, ckpt_path=path, weights_only=True)
    return Trained(len(recorder.rows), recorder.best_epoch, recorder.seconds)


def _restore(network: Module, checkpoint: Mapping[str, Any], folder: Path) -> None:
    """Fills a model from the checkpoint of its run."""
    with _restoring(folder, lambda: False):
        state = checkpoint['state_dict'].items()
        load_state(
            network,
            {k.removeprefix('model.'): v for k, v in state if k[:6] == 'model.'},
        )


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
