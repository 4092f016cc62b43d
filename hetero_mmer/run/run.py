from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hetero_mmer.run import files
from hetero_mmer.run.arrays import Prediction, Sample, sample_graphs
from hetero_mmer.run.build import build_model, extras_of
from hetero_mmer.run.check import check_batch_size, check_device, check_threshold
from hetero_mmer.run.record import Record, read_options, read_record
from hetero_mmer.weights import load_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

    from hetero_mmer.loader import StoreDataset
    from hetero_mmer.run.score import Predicted
    from hetero_mmer.store import Store


@dataclass(frozen=True)
class Run(Record):
    """A finished run: its folder, its model, and what ``model.json`` says of both."""

    model: Module

    @property
    def config(self) -> dict[str, Any]:
        """The options of the run.

        Raises:
            InputError: If they are not there, or damaged.
        """
        return read_options(self.path)

    def predict(
        self,
        samples: Sample | Sequence[Sample],
        *,
        threshold: float | Literal['tuned', 'per-label'] | None = None,
        batch_size: int = 64,
        device: Literal['auto', 'cpu', 'cuda', 'mps'] = 'auto',
    ) -> Prediction:
        """Predicts the labels of arrays, prepared as the run's own samples were.

        Scale, kinds, order of modalities, label graph and thresholds are the run's.
        Values that are not finite are for their owner to clean: a converter makes
        them 0 or the mean.

        Args:
            samples: The items of each modality, ``[S, F]`` or ``[F]``, or ids,
                ``[S]`` or ``[S, 1]``; a modality that is absent, None or has no rows
                is missing. One such dictionary, or several.
            threshold: See :meth:`threshold`.
            batch_size: Samples in a batch.
            device: Where to compute; a GPU by default if there is one.

        Returns:
            Names of the labels, probabilities ``[N, L]``, and decisions ``[N, L]``.

        Raises:
            InputError: If the samples do not fit the model.
        """
        from hetero_mmer.run.score import predicted

        check_batch_size(batch_size)
        if threshold is not None:
            check_threshold(threshold)
        graphs = sample_graphs(self, samples)
        if not graphs:
            shape = (0, len(self.label_names))
            return Prediction(
                self.label_names, np.zeros(shape, np.float32), np.zeros(shape, bool)
            )
        found = predicted(self.model, graphs, batch_size, check_device(device))
        pred = found.decide(self.threshold(threshold))
        return Prediction(self.label_names, found.probs.numpy(), pred.numpy())

    def samples(
        self,
        store: Store,
        rows: np.ndarray | None = None,
        *,
        skip_empty: bool | None = None,
    ) -> StoreDataset:
        """Samples of a store that fits the model, read as the run's own were.

        Args:
            store: An open store.
            rows: Which samples; all by default.
            skip_empty: Whether to leave out samples without an item in the run's
                modalities; by default as in the run.
        """
        reading = replace(self.reading, extras=extras_of(self.model))
        return reading.samples(store, rows, skip_empty=skip_empty)

    def predict_samples(
        self, samples: StoreDataset, batch_size: int, device: torch.device
    ) -> Predicted:
        """Predicts what :meth:`samples` opened.

        Args:
            samples: The samples.
            batch_size: Samples in a batch.
            device: Where to compute.
        """
        from hetero_mmer.run.score import predicted

        return predicted(self.model, samples, batch_size, device)

    def threshold(self, threshold: float | str | None = None) -> float | Tensor:
        """A threshold of this run as a number, or one for each label ``[L]``.

        Args:
            threshold: A number, ``tuned`` or ``per-label``; by default the one that
                the run was tested with.

        Raises:
            InputError: For anything else.
        """
        import torch

        if threshold is None:
            threshold = self.about['threshold']
        else:
            check_threshold(threshold)
        if threshold == 'per-label':
            values = self.about['thresholds']['per-label']
            values = [values[name] for name in self.label_names]
            return torch.tensor(values, dtype=torch.double)
        if threshold == 'tuned':
            return self.about['thresholds']['tuned']
        return float(threshold)


def load_run(path: str | Path, *, trust: bool = False) -> Run:
    """Reads a finished run; its model has the best weights and is in eval mode.

    ``model.json`` and ``model.safetensors`` are enough.

    Args:
        path: Its folder.
        trust: Whether its model may be code of any module, as that of your own is;
            see :func:`~hetero_mmer.spec.locate`.

    Raises:
        InputError: For a folder that holds no finished run, or a damaged one, or one
            that would run code which is not trusted.
    """
    record = read_record(path)
    weights = record.path / files.WEIGHTS
    model = build_model(
        record.about['model'],
        record.facts,
        trust=trust,
        where=f"'{record.path / files.MODEL}'",
        largest=files.size_of_weights(weights),
    )
    # Runs of version 0.1 kept no checksum.
    load_weights(model, weights, record.about.get('weights_sha256'))
    return Run(record.path, record.about, model.eval())
