"""Recipes beside scikit-learn on one data set: the tables of docs/results.md.

    python benchmarks/results.py music.h5 hhmpn_music_emotions \\
        'carat_music_emotions contrast=null' [--seeds 5]

A recipe may be followed by options, or arguments of its model, that take other values.
All train on the train split alone and are tested on the test split. The baselines are
deterministic; they read the 72 raw columns of the songs, and of other data the mean of
each modality's items (0 where there is none; ids are left out), all standardised with
the train split. What a recipe chooses on valid they choose on valid: the penalty, as a
recipe the epoch, by the same metric, at a threshold that is tuned for each candidate.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # As the command line does.

import numpy as np
import torch
import yaml
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from hetero_mmer.datasets import resolve_data
from hetero_mmer.datasets.music_emotions import raw_columns
from hetero_mmer.errors import InputError
from hetero_mmer.metrics import Threshold, choose_threshold, multilabel_metrics
from hetero_mmer.run import read_recipe
from hetero_mmer.run.recipe import OPTIONS
from hetero_mmer.run.score import rounded
from hetero_mmer.run.study import set_option
from hetero_mmer.spec import from_spec, to_spec
from hetero_mmer.store import Store
from hetero_mmer.training import train

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
METRICS = ('f1_micro', 'f1_macro', 'acc_jaccard', 'acc_subset', 'hamming_loss')


def columns(store: Store) -> np.ndarray:
    """What the baselines read, [N, C]."""
    if 'raw_columns' in store.attrs:
        return raw_columns(store)[1]
    means = []
    for m in store.modalities:
        if m in store.num_embeddings:
            continue
        ptr, values = store.ptr[m], store.values(m)[()].astype(float)
        total = np.vstack([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
        means.append((total[ptr[1:]] - total[ptr[:-1]]) / np.diff(ptr).clip(1)[:, None])
    return np.hstack(means)


def logistic_regression(C: float) -> ClassifierMixin:
    """One logistic regression for each label."""
    return OneVsRestClassifier(LogisticRegression(C=C, max_iter=5000))


class LabelPowerset(SVC):
    """An SVM with an RBF kernel whose classes are the sets of labels."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> LabelPowerset:
        """Learns from labels ``[N, L]``."""
        self.bits = 1 << np.arange(y.shape[1])
        return super().fit(x, y @ self.bits)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Labels ``[N, L]``."""
        return (super().predict(x)[:, None] & self.bits > 0).astype(int)


def probabilities(model: ClassifierMixin, x: np.ndarray) -> Tensor:
    """What a classifier says; one without probabilities decides by itself."""
    has = hasattr(model, 'predict_proba')
    return torch.tensor(model.predict_proba(x) if has else model.predict(x)).double()


def choose(
    make: Callable[[float], ClassifierMixin],
    store: Store,
    threshold: Threshold,
    monitor: str,
) -> tuple[float, dict[str, float]]:
    """The penalty that is best on valid, and its metrics on test."""
    train, valid, test = (store.rows(split) for split in ('train', 'valid', 'test'))
    if not store.known[np.concatenate([train, valid, test])].all():
        raise InputError(f"labels of some samples of '{store.path}' are unknown")
    x, y = columns(store), torch.from_numpy(store.labels.astype(int))
    scaler = StandardScaler().fit(x[train])
    best: tuple[float, float, dict[str, float]] = (-1.0, 0.0, {})
    for C in PENALTIES:
        model = make(C).fit(scaler.transform(x[train]), y[train].numpy())
        probs = [probabilities(model, scaler.transform(x[i])) for i in (valid, test)]
        cut = choose_threshold(threshold, probs[0], y[valid])
        on_valid, on_test = (
            rounded(multilabel_metrics(p, y[i], threshold=cut))
            for p, i in zip(probs, (valid, test), strict=True)
        )
        if on_valid[monitor] > best[0]:
            best = on_valid[monitor], C, on_test
    return best[1:]


def runs(words: str, data: str, seeds: int) -> list[dict[str, float]]:
    """Test metrics of a recipe with some values changed, for each seed."""
    recipe, *changes = words.split()
    options = read_recipe(recipe)
    options['model'] = to_spec(from_spec(options['model']))  # With all defaults.
    for change in changes:
        name, _, value = change.partition('=')
        name = name if name in OPTIONS else f'model.{name}'
        set_option(options, name, yaml.safe_load(value))
    model = from_spec(options.pop('model'))
    options['data'] = data
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            result = train(model, out=Path(folder) / 'run', seed=seed, **options)
            found.append(result['metrics'])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data', help='a store, or the name of a data set')
    parser.add_argument('recipes', nargs='*', metavar="'recipe [option=value ...]'")
    parser.add_argument('--seeds', type=int, default=5)
    choices = ('f1_micro', 'f1_macro', 'map', 'acc_jaccard')
    parser.add_argument('--monitor', choices=choices, default='f1_micro')
    args = parser.parse_args()

    store = Store(resolve_data(args.data))
    print(f'| | {" | ".join(METRICS)} |')
    print(f'| --- |{" --- |" * len(METRICS)}', flush=True)
    for name, make, threshold in (
        ('logistic regression, one-vs-rest, threshold 0.5', logistic_regression, 0.5),
        ('logistic regression, threshold tuned', logistic_regression, 'tuned'),
        ('label powerset, SVM with RBF', lambda C: LabelPowerset(C=C), 0.5),
    ):
        C, found = choose(make, store, threshold, args.monitor)
        show(f'{name} (C = {C:g})', [found])
    for words in args.recipes:
        show(words, runs(words, args.data, args.seeds))


def show(name: str, results: list[dict[str, float]]) -> None:
    """Prints one line of the table."""
    cells = []
    for metric in METRICS:
        values = np.array([result[metric] for result in results])
        spread = f' ± {values.std(ddof=1):.3f}' if len(values) > 1 else ''
        cells.append(f'{values.mean():.3f}{spread}')
    print(f'| {name} | {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    main()
