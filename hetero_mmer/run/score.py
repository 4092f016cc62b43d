"""Probabilities of whole data sets, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch.utils.data import Dataset
from torch_geometric.data import HeteroData

from hetero_mmer.errors import InputError
from hetero_mmer.files.output import claim
from hetero_mmer.graph import without_targets
from hetero_mmer.loader import StoreLoader
from hetero_mmer.metrics import decide, tune_threshold, tune_thresholds_per_label
from hetero_mmer.run import files
from hetero_mmer.run.place import predictions_header
from hetero_mmer.schema import UNKNOWN


class Predicted(NamedTuple):
    """What a model says of N samples."""

    samples: Any  # the graphs, in this order
    probs: Tensor  # [N, L] on the CPU
    pred: Tensor | None  # [N, L], of a model that decides by itself

    def decide(self, threshold: float | Tensor) -> Tensor:
        """Decisions ``[N, L]``, at a threshold where the model makes none."""
        return decide(self.probs, threshold, self.pred)


def predicted(
    model: Module,
    samples: Dataset | Sequence[HeteroData],
    batch_size: int,
    device: torch.device,
) -> Predicted:
    """Predicts all samples, in their order; the model sees no label of theirs.

    Args:
        model: A model; stays in eval mode.
        samples: The graphs to predict, at least one.
        batch_size: Samples at a time.
        device: Where; the model moves there.

    Raises:
        InputError: If a probability is not finite.
    """
    model.eval().to(device)
    parts: list[Tensor] = []
    decided: list[Tensor] = []
    with torch.inference_mode():
        for batch in StoreLoader(samples, batch_size):
            out = model(without_targets(batch).to(device))
            parts.append(out.probs.float().cpu())
            if (pred := getattr(out, 'pred', None)) is not None:
                decided.append(pred.cpu())
    probs = torch.cat(parts)
    bad = (~probs.isfinite()).any(dim=1).nonzero().flatten().tolist()
    if bad:
        names = ', '.join(f"'{samples[i].sample_id}'" for i in bad[:3])
        more = f' and {len(bad) - 3} others' if len(bad) > 3 else ''
        raise InputError(
            f'{type(model).__name__} gives {len(bad)} of {len(probs)} samples '
            f'probabilities that are not finite ({names}{more}): its weights or their '
            'features are too large'
        )
    return Predicted(samples, probs, torch.cat(decided) if decided else None)


def tune_both(probs: Tensor, y: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Both tuned thresholds, as ``model.json`` keeps them.

    Args:
        probs: Probabilities on the valid split ``[N, L]``.
        y: Their labels.
        names: Names of the labels.
    """
    per_label = tune_thresholds_per_label(probs, y).tolist()
    return {
        'tuned': tune_threshold(probs, y),
        'per-label': dict(zip(names, per_label, strict=True)),
    }


def rounded(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Metrics as files hold them and epochs are compared by.

    Example:
        >>> rounded({'map': torch.tensor(2 / 3)})
        {'map': 0.6666667}
    """
    # Seven digits is what float32 holds; adding zero makes 0 of -0.
    return {name: round(float(value), 7) + 0.0 for name, value in values.items()}


def score(
    probs: Tensor,
    y: Tensor,
    names: Sequence[str],
    threshold: float | Tensor,
    pred: Tensor | None = None,
) -> dict[str, Any]:
    """Threshold and metrics, as ``metrics.json`` holds them; no metrics of no samples.

    Args:
        probs: Probabilities ``[N, L]``.
        y: Their labels.
        names: Names of the labels.
        threshold: One for all labels, or ``[L]``.
        pred: Decisions of a model that makes its own, ``[N, L]``.
    """
    from hetero_mmer.metrics import multilabel_metrics  # Slow to import.

    written: Any = threshold if pred is None else None
    if isinstance(threshold, Tensor):
        written = dict(zip(names, threshold.tolist(), strict=True))
    if not len(probs):
        return {'threshold': written, 'metrics': {}}
    metrics = multilabel_metrics(
        probs, y, threshold=threshold, pred=pred, label_names=names
    )
    return {'threshold': written, 'metrics': rounded(metrics)}


def write_truth(
    path: Path, ids: Sequence[str], probs: Tensor, y: Tensor, names: Sequence[str]
) -> None:
    """Writes a probability and the truth of each label, one row per sample.

    The truth of a sample whose labels are unknown has empty cells.
    """
    header = ['sample_id', *names, *(f'{name}_true' for name in names)]
    cells = (['' if t == UNKNOWN else t for t in row] for row in y.int().tolist())
    rows = zip(ids, probs.tolist(), cells, strict=True)
    files.write_csv(path, header, ([i, *p, *t] for i, p, t in rows))


def write_predictions(
    path: Path, ids: Sequence[str], probs: Tensor, names: Sequence[str], pred: Tensor
) -> None:
    """Writes a probability and the decision for each label, one row per sample.

    A sample whose probabilities are NaN has empty cells.
    """
    header = predictions_header(list(names))
    unknown = [''] * (2 * len(names))
    cells = (
        unknown if nan else [*p, *d]
        for nan, p, d in zip(
            probs.isnan().any(dim=1).tolist(),
            probs.tolist(),
            pred.int().tolist(),
            strict=True,
        )
    )
    rows = zip(ids, cells, strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with claim(path, wait=True):
        files.write_csv(path, header, ([i, *row] for i, row in rows))
