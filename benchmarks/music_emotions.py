"""HHMPN beside scikit-learn on the songs of one store: the table of the README.

    python benchmarks/music_emotions.py music.h5 [--seeds 5] [--recipe NAME]

The baselines are deterministic and read the 72 raw columns, standardised with the
train split; all train on the train split alone and are tested on the test split.
"""

from __future__ import annotations

import argparse
import tempfile
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hetero_mmer.metrics import multilabel_metrics
from hetero_mmer.sources.music_emotions import raw_columns
from hetero_mmer.store import Store
from hetero_mmer.training import evaluate, from_spec, read_recipe, train

METRICS = ('f1_micro', 'f1_macro', 'acc_jaccard', 'acc_subset', 'hamming_loss')


def measure(y_pred: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Metrics of predictions that are 0 or 1."""
    return multilabel_metrics(torch.tensor(y_pred).float(), torch.tensor(y).float())


def logistic_regression(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """One logistic regression for each label."""
    model = OneVsRestClassifier(LogisticRegression(max_iter=5000))
    return make_pipeline(StandardScaler(), model).fit(x, y).predict(x_test)


def label_powerset(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """An SVM with an RBF kernel whose classes are the sets of labels."""
    bits = 1 << np.arange(y.shape[1])
    model = make_pipeline(StandardScaler(), SVC()).fit(x, y @ bits)
    return (model.predict(x_test)[:, None] & bits > 0).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('store')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--recipe', default='hhmpn_music_emotions')
    args = parser.parse_args()

    store = Store(args.store)
    _, x = raw_columns(store)
    y = store.labels.astype(int)
    fit, test = store.rows('train'), store.rows('test')
    rows = {}
    for name, baseline in {
        'logistic regression, one-vs-rest': logistic_regression,
        'label powerset, SVM with RBF': label_powerset,
    }.items():
        rows[name] = [measure(baseline(x[fit], y[fit], x[test]), y[test])]
    options = read_recipe(args.recipe, signature(train).parameters)
    model = from_spec(options.pop('model'))
    options['data'] = args.store
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            train(model, out=Path(folder) / 'run', seed=seed, **options)
            for threshold in (0.5, 'tuned'):
                found = evaluate(Path(folder) / 'run', threshold=threshold)
                name = f'{args.recipe}, threshold {threshold}'
                rows.setdefault(name, []).append(found['metrics'])
    print(f'| | {" | ".join(METRICS)} |')
    print(f'| --- |{" --- |" * len(METRICS)}')
    for name, results in rows.items():
        cells = []
        for metric in METRICS:
            values = np.array([result[metric] for result in results])
            spread = f' ± {values.std(ddof=1):.3f}' if len(values) > 1 else ''
            cells.append(f'{values.mean():.3f}{spread}')
        print(f'| {name} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
