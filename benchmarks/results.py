"""Recipes beside scikit-learn on one data set: the tables of results in the README.

    python benchmarks/results.py music.h5 hhmpn_music_emotions \\
        'carat_music_emotions contrastive_weight=0' [--seeds 5]

A recipe may be followed by arguments of its model that take other values. All train on
the train split alone and are tested on the test split. The baselines are deterministic;
they read the 72 raw columns of the songs, and of other data the mean of each
modality's items (0 where there is none; ids are left out), all standardised with the
train split.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from functools import partial
from inspect import signature
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # As the command line does.

import numpy as np
import torch
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hetero_mmer.metrics import multilabel_metrics
from hetero_mmer.sources import resolve_data
from hetero_mmer.sources.music_emotions import raw_columns
from hetero_mmer.store import Store
from hetero_mmer.training import evaluate, from_spec, read_recipe, train

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
METRICS = ('f1_micro', 'f1_macro', 'acc_jaccard', 'acc_subset', 'hamming_loss')


def measure(y_pred: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Metrics of predictions that are 0 or 1."""
    return multilabel_metrics(torch.tensor(y_pred).float(), torch.tensor(y).float())


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


def logistic_regression(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, C: float = 1.0
) -> np.ndarray:
    """One logistic regression for each label."""
    model = OneVsRestClassifier(LogisticRegression(C=C, max_iter=5000))
    return make_pipeline(StandardScaler(), model).fit(x, y).predict(x_test)


def best_penalty(
    x: np.ndarray, y: np.ndarray, x_valid: np.ndarray, y_valid: np.ndarray
) -> float:
    """The C whose logistic regression does best on valid."""

    def valid(C: float) -> float:
        return measure(logistic_regression(x, y, x_valid, C), y_valid)['f1_micro']

    return max(PENALTIES, key=valid)


def label_powerset(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """An SVM with an RBF kernel whose classes are the sets of labels."""
    bits = 1 << np.arange(y.shape[1])
    model = make_pipeline(StandardScaler(), SVC()).fit(x, y @ bits)
    return (model.predict(x_test)[:, None] & bits > 0).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data', help='a store, or the name of a data set')
    parser.add_argument('recipes', nargs='*', metavar="'recipe [argument=value ...]'")
    parser.add_argument('--seeds', type=int, default=5)
    args = parser.parse_args()

    store = Store(resolve_data(args.data))
    x, y = columns(store), store.labels.astype(int)
    fit, valid, test = (store.rows(split) for split in ('train', 'valid', 'test'))
    penalty = best_penalty(x[fit], y[fit], x[valid], y[valid])
    print(f'| | {" | ".join(METRICS)} |')
    print(f'| --- |{" --- |" * len(METRICS)}', flush=True)
    for name, baseline in {
        'logistic regression, one-vs-rest': logistic_regression,
        f'the same, C = {penalty:g} chosen on valid': partial(
            logistic_regression, C=penalty
        ),
        'label powerset, SVM with RBF': label_powerset,
    }.items():
        show(name, [measure(baseline(x[fit], y[fit], x[test]), y[test])])
    for words in args.recipes:
        recipe, *changes = words.split()
        options = read_recipe(recipe, signature(train).parameters)
        for change in changes:
            argument, _, value = change.partition('=')
            options['model']['init_args'][argument] = yaml.safe_load(value)
        model = from_spec(options.pop('model'))
        options['data'] = args.data
        results = {options.get('threshold', 0.5): [], 'tuned': []}
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / 'run'
                train(model, out=run, seed=seed, **options)
                for threshold, found in results.items():
                    found.append(evaluate(run, threshold=threshold)['metrics'])
        for threshold, found in results.items():
            show(f'{words}, threshold {threshold}', found)


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
