"""Use a finished run: on the splits of a store, or on new samples.

Importing this takes no torch, which is slow: what can be refused without is refused
before, and the command line reads the options here.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from hetero_mmer.datasets import resolve_data
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.files.output import refuse_sources
from hetero_mmer.run.check import (
    check_batch_size,
    check_device,
    check_device_name,
    check_threshold,
)
from hetero_mmer.run.encoders import check_encoders
from hetero_mmer.run.place import check_predictions_path
from hetero_mmer.run.record import Record, read_options, read_record
from hetero_mmer.run.run import Run, load_run
from hetero_mmer.store import Store
from hetero_mmer.store.describe import duplicates
from hetero_mmer.store.like import POSITIVE_ABOVE


def evaluate(
    run: str | Path | Run,
    *,
    split: Literal['train', 'valid', 'test'] = 'test',
    threshold: float | Literal['tuned', 'per-label'] | None = None,
    data: str | Path | None = None,
    root: str | Path | None = None,
    skip_empty: bool | None = None,
    batch_size: int = 64,
    device: Literal['auto', 'cpu', 'cuda', 'mps'] = 'auto',
    trust: bool = False,
) -> dict[str, Any]:
    """Computes the metrics of a finished run on one split.

    Args:
        run: The folder of the run.
        split: Which samples; those whose labels are unknown take no part.
        threshold: A number, or what was tuned on the valid split for all labels at
            once or for each; by default as the run was tested.
        data: Another store or data set than the one it was trained on.
        root: Folder where named data sets lie; by default the run's.
        skip_empty: Whether to leave out samples that have no item in the run's
            modalities, which are refused otherwise; by default as in the run.
        batch_size: Samples in a batch.
        device: Where to compute; a GPU by default if there is one.
        trust: Whether the run's model may be code of any module, as that of your own
            is; see :func:`~hetero_mmer.spec.locate`.

    Returns:
        The same as in ``metrics.json``, without the time.

    Raises:
        InputError: If the data do not fit the model, or have changed, or no sample's
            labels are known.
    """
    record = _record(run)
    check_batch_size(batch_size)
    if threshold is not None:
        check_threshold(threshold)
    check_device_name(device)
    config = read_options(record.path)
    name = config['data'] if data is None else data
    root = config['root'] if root is None else root
    where = resolve_data(name, root)
    if data is None and not where.exists():
        raise InputError(
            f"the data of the run in '{record.path}', '{where}', are not there; if "
            'they lie elsewhere now, name them with `data=`'
        )
    with Store(where) as store:
        if data is None and store.sha256() != record.about['data']['sha256']:
            raise InputError(
                f"'{store.path}' has changed since the run in '{record.path}'; name it "
                'by `data=` if this is meant'
            )
        check_fit(record, store)
        _tell_other_labels(record, store)
        # Another store has a split of its own.
        rows = record.rows(store)[split] if data is None else store.rows(split)
        known = store.known[rows]
        if not known.any():
            raise InputError(
                f"labels of split '{split}' of '{store.path}' are unknown, so nothing "
                f'can be evaluated; `predict({str(record.path)!r}, '
                f'{str(store.path)!r}, output=FILE)` predicts them'
            )

        from hetero_mmer.run.data import check_any, some_unknown
        from hetero_mmer.run.result import result_of

        run = load_run(run, trust=trust) if not isinstance(run, Run) else run
        if sentence := some_unknown(store, split, rows):
            warnings.warn(
                f'{sentence}: metrics are of the other {int(known.sum())}',
                InputWarning,
                stacklevel=2,
            )
        samples = run.samples(store, rows[known], skip_empty=skip_empty)
        check_any(samples, split)
        return result_of(
            run,
            store,
            rows,
            run.predict_samples(samples, batch_size, check_device(device)),
            data=str(name),
            seed=config['seed'],
            monitor=config.get('monitor', 'f1_micro'),  # As older runs did.
            split=split,
            threshold=threshold,
        )


def predict(
    run: str | Path | Run,
    input: str | Path,
    output: str | Path,
    *,
    threshold: float | Literal['tuned', 'per-label'] | None = None,
    root: str | Path | None = None,
    batch_size: int = 64,
    device: Literal['auto', 'cpu', 'cuda', 'mps'] = 'auto',
    trust: bool = False,
) -> Path:
    """Predicts the labels of new samples.

    Writes a CSV file with a row for each sample: its name, the probability of each
    label, and 0 or 1 for each label. The cells of a sample that has no item in the
    run's modalities are empty.

    Args:
        run: The folder of the run.
        input: A store, or the name of a data set; needs no labels.
        output: The CSV file to write; older predictions there are replaced.
        threshold: A number, or what was tuned on the valid split for all labels at
            once or for each; by default as the run was tested.
        root: Folder where named data sets lie.
        batch_size: Samples in a batch.
        device: Where to compute; a GPU by default if there is one.
        trust: Whether the run's model may be code of any module, as that of your own
            is; see :func:`~hetero_mmer.spec.locate`.

    Returns:
        The file that was written.

    Raises:
        InputError: If the samples do not fit the model, two of them have one name, or
            none has an item in the run's modalities, or for an output that is the input
            or any other file than older predictions.
    """
    output = Path(output)
    refuse_sources(output, [input])
    check_predictions_path(output)
    record = _record(run)
    check_batch_size(batch_size)
    if threshold is not None:
        check_threshold(threshold)
    check_device_name(device)
    with Store(resolve_data(input, root)) as store:
        check_fit(record, store)
        if twice := duplicates(store.ids):
            raise InputError(
                f"a row of predictions is told by its sample's id, but '{store.path}' "
                f"has '{twice[0]}' several times"
            )

        import torch

        from hetero_mmer.run.score import write_predictions

        where = check_device(device)
        run = load_run(run, trust=trust) if not isinstance(run, Run) else run
        ids = [str(name) for name in store.ids]
        samples = run.samples(store, skip_empty=True)
        empty = sorted(set(range(len(ids))) - set(samples.rows.tolist()))
        if empty:
            sentence = (
                f"{len(empty)} of {len(ids)} samples of '{store.path}' have no item in "
                f"{list(run.in_channels)}, the first is '{ids[empty[0]]}'"
            )
            if len(empty) == len(ids):
                raise InputError(sentence)
            warnings.warn(
                f'{sentence}: their cells are empty', InputWarning, stacklevel=2
            )
        found = run.predict_samples(samples, batch_size, where)
        probs = torch.full((len(ids), len(run.label_names)), torch.nan)
        probs[samples.rows] = found.probs
        pred = torch.zeros(probs.shape, dtype=torch.bool)
        pred[samples.rows] = found.decide(run.threshold(threshold))
    write_predictions(output, ids, probs, run.label_names, pred)
    return output


def _record(run: str | Path | Run) -> Record:
    return run if isinstance(run, Run) else read_record(run)


def _tell_other_labels(run: Record, store: Store) -> None:
    """Warns of labels that are not what the model learned to predict."""
    ours = run.about['data'].get(POSITIVE_ABOVE)
    theirs = store.attrs.get(POSITIVE_ABOVE)
    if None not in (ours, theirs) and ours != theirs:
        warnings.warn(
            f"the model of '{run.path}' learned labels with an intensity above "
            f"{ours:g}, and those of '{store.path}' are above {theirs:g}",
            InputWarning,
            stacklevel=3,
        )


def check_fit(run: Record, store: Store) -> None:
    """Refuses data that a run's model was not made for.

    Raises:
        InputError: For other modalities, widths, vocabularies, kinds, label names or
            encoders.
    """
    model, data = f"the model of '{run.path}'", f"'{store.path}'"
    known = {*run.in_channels, *run.left_out}
    if missing := [m for m in run.in_channels if m not in store.modalities]:
        raise InputError(
            f"{model} needs modality '{missing[0]}', which {data} lacks (it has "
            f'{list(store.modalities)})'
        )
    if unknown := [m for m in store.modalities if m not in known]:
        raise InputError(
            f"{model} does not know modality '{unknown[0]}' of {data} (it knows "
            f'{list(run.in_channels)})'
        )
    for m, width in run.in_channels.items():
        if store.in_channels[m] != width:
            raise InputError(
                f"{model} expects width {width} for modality '{m}' (got "
                f'{store.in_channels[m]} in {data})'
            )
        sizes = [of.num_embeddings.get(m) for of in (run, store)]
        if sizes[0] != sizes[1]:
            expected, got = (
                f'ids from 0 to {size - 1}' if size else 'features' for size in sizes
            )
            raise InputError(
                f"{model} expects {expected} for modality '{m}' (got {got} in {data})"
            )
        if store.kinds[m] != run.kinds[m]:
            raise InputError(
                f"{model} expects modality '{m}' to be a {run.kinds[m]} (got a "
                f'{store.kinds[m]} in {data})'
            )
    if list(store.label_names) != run.label_names:
        raise InputError(
            f'{model} has the labels {run.label_names} (got '
            f'{list(store.label_names)} in {data})'
        )
    check_encoders(run, store)
