"""What ``metrics.json`` holds, laid out here alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hetero_mmer.run import files

if TYPE_CHECKING:
    from hetero_mmer.run.run import Run
    from hetero_mmer.run.score import Predicted
    from hetero_mmer.store import Store


def result_of(
    run: Run,
    store: Store,
    rows: np.ndarray,
    found: Predicted,
    *,
    data: str,
    seed: int,
    monitor: str,
    split: str,
    threshold: float | str | None,
    seconds: float | None = None,
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """Scores predictions of a split; samples whose labels are unknown take no part.

    Args:
        run: The run.
        store: The data.
        rows: All samples of the split, of which some may be left out.
        found: What the model says of those that are not.
        data: The name of the data.
        seed: Of the run.
        monitor: By what its epoch was chosen.
        split: The name of the split.
        threshold: See :meth:`hetero_mmer.run.Run.threshold`.
        seconds: What training took, if this is its end.
        notes: What makes the result doubtful, likewise.
    """
    import torch

    from hetero_mmer.run.score import score

    predicted = found.samples.rows
    known = store.known[predicted]
    num_unknown = int((~store.known[rows]).sum())
    y = torch.from_numpy(store.labels[predicted[known]])  # type: ignore[index]
    scored = score(
        found.probs[known],
        y,
        run.label_names,
        run.threshold(threshold),
        None if found.pred is None else found.pred[known],
    )
    return {
        'model': run.about['model']['class_path'],
        'data': data,
        'seed': seed,
        'split': split,
        'threshold': scored['threshold'],
        'best_epoch': run.about['best_epoch'],
        'monitor': monitor,
        'metrics': scored['metrics'],
        **({} if notes is None else {'notes': notes}),
        'num_samples': int(known.sum()),
        **({'num_unknown': num_unknown} if num_unknown else {}),
        **({} if seconds is None else {'seconds': seconds}),
        'versions': files.versions(),
    }
