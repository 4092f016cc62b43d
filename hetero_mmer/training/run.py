from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hetero_mmer.hint import did_you_mean_path
from hetero_mmer.plain import check_plain
from hetero_mmer.reason import reason
from hetero_mmer.schema import Kind
from hetero_mmer.store.about import FORMAT_VERSION, read_about
from hetero_mmer.training import files
from hetero_mmer.training.arrays import Prediction, Sample, sample_graphs
from hetero_mmer.training.check import (
    check_batch_size,
    check_device,
    check_threshold,
)
from hetero_mmer.training.spec import NUM_EMBEDDINGS, from_spec, is_known
from hetero_mmer.typing import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from hetero_mmer.training.size import Size

__all__ = ['FORMAT_VERSION', 'Run', 'build_model', 'load_run', 'needs_trust']


@dataclass(frozen=True)
class Record:
    """What ``model.json`` says of a finished run; reading it takes no torch."""

    path: Path
    about: dict[str, Any]

    @property
    def label_names(self) -> list[str]:
        """Names of the labels, in the order of the model's output."""
        return self.about['label_names']

    @property
    def in_channels(self) -> dict[str, int]:
        """Feature width of each modality, in the model's order."""
        return {m: v['channels'] for m, v in self.about['modalities'].items()}

    @property
    def num_embeddings(self) -> dict[str, int]:
        """Size of the vocabulary of each modality whose items are ids."""
        sizes = {m: v.get(NUM_EMBEDDINGS) for m, v in self.about['modalities'].items()}
        return {m: size for m, size in sizes.items() if size is not None}

    @property
    def kinds(self) -> dict[str, Kind]:
        """``sequence`` or ``set`` for each modality."""
        return {m: v['kind'] for m, v in self.about['modalities'].items()}

    @property
    def scale(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and deviation of the columns of each modality that is standardised."""
        found = {m: v['scale'] for m, v in self.about['modalities'].items()}
        return {
            m: (np.array(scale['mean']), np.array(scale['std']))
            for m, scale in found.items()
            if scale is not None
        }

    @property
    def left_out(self) -> list[str]:
        """Modalities that the data had and the model does not use."""
        return self.about['left_out']


@dataclass(frozen=True)
class Run(Record):
    """A finished run: its folder, its model, and what ``model.json`` says of both."""

    model: Module

    @property
    def label_graph(self) -> Tensor | None:
        """Edges among the labels, ``[2, E]``; None for all pairs."""
        import torch

        edges = self.about['label_graph']
        return None if edges is None else torch.tensor(edges)

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
        Values that are not finite are for their owner to clean: `data convert` makes
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
        from hetero_mmer.functional.multilabel import binarize
        from hetero_mmer.training.score import predict_probs

        check_batch_size(batch_size)
        if threshold is not None:
            check_threshold(threshold)
        graphs = sample_graphs(self, samples)
        if not graphs:
            shape = (0, len(self.label_names))
            return Prediction(
                self.label_names, np.zeros(shape, np.float32), np.zeros(shape, bool)
            )
        probs = predict_probs(self.model, graphs, batch_size, check_device(device))
        pred = binarize(probs, self.threshold(threshold))
        return Prediction(self.label_names, probs.numpy(), pred.numpy())

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
            see :func:`~hetero_mmer.training.spec.locate`.

    Raises:
        InputError: For a folder that holds no finished run, or a damaged one, or one
            that would run code which is not trusted.
    """
    record = read_record(path)
    weights = record.path / files.WEIGHTS
    model = build_model(
        record.about['model'],
        record.in_channels,
        len(record.label_names),
        record.num_embeddings,
        trust=trust,
        where=f"'{record.path / files.MODEL}'",
        largest=files.size_of_weights(weights),
    )
    # Runs of version 0.1 kept no checksum.
    files.load_weights(model, weights, record.about.get('weights_sha256'))
    return Run(record.path, record.about, model.eval())


def read_record(path: str | Path) -> Record:
    """What ``model.json`` says of a finished run; takes no torch.

    Args:
        path: Its folder.

    Raises:
        InputError: For a folder that holds no finished run, or a damaged one.
    """
    path = Path(path)
    if (path / files.CONFIG).is_file() and not (path / files.METRICS).is_file():
        raise InputError(
            f"the run in '{path}' has not finished; "
            f'`hetero-mmer train --resume {path}` goes on with it'
        )
    if not (path / files.MODEL).is_file():
        hint = '' if path.exists() else did_you_mean_path(path)
        raise InputError(f"there is no run in '{path}' (no {files.MODEL}){hint}")
    return Record(path, read_about(path / files.MODEL))


def read_options(path: Path) -> dict[str, Any]:
    """The options of a finished run, of which those that are read again are checked.

    Args:
        path: Its folder.

    Raises:
        InputError: If they are not there, or damaged.
    """
    config, where = files.read_config(path), f"'{path / files.CONFIG}'"
    for name, kind in (('data', str), ('root', str | None), ('seed', int)):
        if name not in config:
            raise InputError(f"there is no '{name}' in {where}")
        check_plain(config[name], kind, where, name)
    check_plain(config.get('monitor', ''), str, where, 'monitor')
    return config


def needs_trust(path: str | Path) -> bool:
    """Whether the model of a run is code that only trust runs.

    Args:
        path: The folder of the run, finished or not.
    """
    return not is_known(files.read_config(path)['model'])


def build_model(
    spec: Mapping[str, Any],
    widths: dict[str, int],
    labels: int,
    num_embeddings: Mapping[str, int] | None = None,
    *,
    trust: bool = False,
    where: str = 'a file',
    largest: Size | None = None,
) -> Module:
    """Makes a model from its spec.

    Args:
        spec: Class and arguments.
        widths: Feature width of each modality.
        labels: Number of labels.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.
        trust: Whether its names may stand for anything.
        where: Where the spec stands, for messages.
        largest: What its weights may take; all that the machine has by default.

    Raises:
        InputError: If the class does not take these arguments, or their values, or
            is too large, or would run what is not trusted.
    """
    factory = from_spec(spec, trust=trust, kind='model', where=where)
    target, args = factory, {}
    if isinstance(factory, partial):
        target, args = factory.func, factory.keywords
    facts = {NUM_EMBEDDINGS: dict(num_embeddings)} if num_embeddings else {}
    try:
        signature = inspect.signature(target)
        signature.bind(widths, labels, **args)
    except (TypeError, ValueError) as error:
        raise InputError(f'cannot make a {spec["class_path"]}: {error}') from error
    try:
        signature.bind(widths, labels, **{**args, **facts})
    except TypeError as error:
        raise InputError(
            f"the items of modality '{next(iter(num_embeddings or {}))}' are ids, but "
            f"{spec['class_path']} reads features only: it takes no '{NUM_EMBEDDINGS}'"
        ) from error
    from hetero_mmer.training.size import check_size, machine_size

    make = partial(factory, widths, labels, **facts)
    # Own code may do more than make layers, so it runs once; its errors are its own.
    known = is_known(spec)
    expected: tuple[type[Exception], ...] = (TypeError, ValueError)
    try:
        if known:
            check_size(make, largest or machine_size(), spec['class_path'])
            expected = (Exception,)
        return make()
    except InputError:
        raise
    except expected as error:  # Such as a dropout of 3.
        raise InputError(
            f'cannot make a {spec["class_path"]}: {reason(error)}'
        ) from error
