"""The end of a run: thresholds, the test, and the files that ``predict`` needs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import Module

from hetero_mmer.errors import InputWarning
from hetero_mmer.loader import StoreDataset
from hetero_mmer.run import files
from hetero_mmer.run.build import Facts
from hetero_mmer.run.config import Config
from hetero_mmer.run.data import Splits, labels_of, some_unknown
from hetero_mmer.run.result import result_of
from hetero_mmer.run.run import Run
from hetero_mmer.run.score import predicted, tune_both, write_truth
from hetero_mmer.spec import LABEL_RELATIONS, LABEL_VECTORS, NUM_EMBEDDINGS
from hetero_mmer.store import Store
from hetero_mmer.store.about import FORMAT_VERSION
from hetero_mmer.store.like import POSITIVE_ABOVE
from hetero_mmer.weights import sha256_of_file


class Trained(NamedTuple):
    """What a training says of itself."""

    num_epochs: int
    best_epoch: int
    seconds: float


def finish(
    network: Module,
    config: Config,
    store: Store,
    splits: Splits,
    facts: Facts,
    folder: Path,
    device: torch.device,
    trained: Trained,
    split_sha256: str | None,
) -> dict[str, Any]:
    """Tests the best epoch, once, and writes what is left to write.

    Args:
        network: The model with the weights of the best epoch, which lie in the folder.
        config: That of the run.
        store: The open data.
        splits: Its samples.
        facts: What the model was told of the data.
        folder: The run's folder.
        device: Where to compute.
        trained: What training says of itself.
        split_sha256: Of the split file, when the run started.

    Returns:
        What ``metrics.json`` holds.
    """
    names, options = list(store.label_names), config.options
    valid = predicted(network, splits.valid, options.batch_size, device)
    about = {
        'format_version': FORMAT_VERSION,
        'model': config.model,
        'label_names': names,
        'modalities': _modalities(store, splits),
        'skip_empty': options.skip_empty,
        'left_out': [m for m in store.modalities if m not in splits.train.modalities],
        'label_graph': _plain(splits.reading.label_graph),
        LABEL_VECTORS: _plain(facts.label_vectors),
        LABEL_RELATIONS: _plain(facts.label_relations),
        'threshold': options.threshold,
        'thresholds': tune_both(valid.probs, labels_of(splits.valid), names),
        'best_epoch': trained.best_epoch,
        'weights_sha256': sha256_of_file(folder / files.WEIGHTS),
        'data': {
            'name': config.data,
            'sha256': store.sha256(),
            POSITIVE_ABOVE: store.attrs.get(POSITIVE_ABOVE),
            'split_file': options.split_file,
            'fold': options.fold,
            'split_sha256': split_sha256,
        },
        'versions': files.versions(),
    }
    files.write_json(folder / files.MODEL, about)
    run = Run(folder, about, network)
    found = predicted(network, splits.test, options.batch_size, device)
    rows = splits.test.rows
    truth = torch.from_numpy(store.labels[rows])  # type: ignore[index]
    ids = splits.test.sample_ids
    write_truth(folder / files.PREDICTIONS, ids, found.probs, truth, names)
    result = result_of(
        run,
        store,
        rows,
        found,
        data=config.data,
        seed=options.seed,
        monitor=options.monitor,
        split='test',
        threshold=None,
        seconds=trained.seconds,
        notes=[
            *_doubts(trained, options.monitor, options.threshold),
            *_never(bool(valid.decide(run.threshold()).any()), options.threshold),
            *_left_out(store, splits),
            *_not_scored(store, rows),
        ],
    )
    files.write_json(folder / files.METRICS, result)  # Last: the run has finished.
    for note in result['notes']:
        warnings.warn(note, InputWarning, stacklevel=5)  # At who calls train.
    return result


def _modalities(store: Store, splits: Splits) -> dict[str, Any]:
    used, scale = splits.train, splits.reading.scale
    return {
        m: {
            'channels': used.in_channels[m],
            NUM_EMBEDDINGS: used.num_embeddings.get(m),
            'kind': used.kinds[m],
            'extractor': store.extractors[m],
            'fitted': store.fitted_sha256.get(m),
            'scale': _plain_scale(*scale[m]) if m in scale else None,
        }
        for m in used.modalities
    }


def _doubts(trained: Trained, monitor: str, threshold: float | str) -> list[str]:
    """What makes the choice of the epoch doubtful."""
    if not trained.best_epoch == 1 < trained.num_epochs:
        return []
    tips = [] if isinstance(threshold, str) else ["the threshold 'tuned'"]
    tips += [f"the monitor '{m}'" for m in ('map', 'last') if m != monitor]
    return [
        f'the best of {trained.num_epochs} epochs is the first, by {monitor} on valid: '
        f'the model may have learned nothing that it shows; try {" or ".join(tips)}'
    ]


def _never(predicts: bool, threshold: float | str) -> list[str]:
    if predicts:
        return []
    hint = '' if isinstance(threshold, str) else ": try the threshold 'tuned'"
    return [f'no label of any valid sample is predicted{hint}']


def _left_out(store: Store, splits: Splits) -> list[str]:
    return [
        f'{len(splits.rows[name]) - len(samples)} of {len(splits.rows[name])} {name} '
        f'samples have no item in {samples.modalities} and are left out'
        for name, samples in vars(splits).items()
        if isinstance(samples, StoreDataset) and len(samples) < len(splits.rows[name])
    ]


def _not_scored(store: Store, rows: np.ndarray) -> list[str]:
    if not (sentence := some_unknown(store, 'test', rows)):
        return []
    who = 'they' if store.known[rows].any() else 'all'
    return [f'{sentence}: {who} are predicted in {files.PREDICTIONS}, but not scored']


def _plain(values: torch.Tensor | None) -> list | None:
    return None if values is None else values.tolist()


def _plain_scale(mean: np.ndarray, std: np.ndarray) -> dict[str, list[float]]:
    return {'mean': mean.tolist(), 'std': std.tolist()}
