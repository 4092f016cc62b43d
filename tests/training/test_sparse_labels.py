"""Data with many rare labels: the epoch that is kept has learned something."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from hetero_mmer.run import read_recipe
from hetero_mmer.spec import from_spec
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.training import train

WIDTHS = {'text': 20, 'audio': 12}
NUM_LABELS = 18


def write_store(path, seed):
    """Labels of prevalence 0.1 to 0.3 that follow the mean of the items, with noise."""
    rng = np.random.default_rng(seed)
    weights = {
        m: rng.normal(size=(F, NUM_LABELS)) / np.sqrt(F) for m, F in WIDTHS.items()
    }
    samples = [
        {
            m: rng.normal(size=(rng.integers(1, 7), F)) + rng.normal(size=F)
            for m, F in WIDTHS.items()
        }
        for _ in range(400)
    ]
    score = np.array(
        [sum(x[m].mean(axis=0) @ weights[m] for m in WIDTHS) for x in samples]
    )
    score = score / score.std(axis=0) + rng.normal(size=score.shape)
    shares = np.linspace(0.7, 0.9, NUM_LABELS)
    cuts = [np.quantile(column, q) for column, q in zip(score.T, shares, strict=True)]
    y = score > np.array(cuts)
    # Columns of very different size, as features come.
    scale = {m: np.exp(rng.normal(0, 1.5, size=F)) for m, F in WIDTHS.items()}
    shift = {m: rng.normal(0, 5, size=F) for m, F in WIDTHS.items()}
    split = np.repeat(['train', 'valid', 'test'], [240, 60, 100])
    names = [f'emotion-{k}' for k in range(NUM_LABELS)]
    specs = {'text': ModalitySpec(20), 'audio': ModalitySpec(12, kind='set')}
    with StoreWriter(path, specs, names) as writer:
        for i, sample in enumerate(samples):
            features = {m: x * scale[m] + shift[m] for m, x in sample.items()}
            writer.add(f's{i}', features, y[i], split=split[i])


def best_constant(y):
    """Micro F1 of the best answer that is the same for all samples."""
    order = np.argsort(-y.mean(axis=0))
    answers = [
        np.tile(np.isin(np.arange(NUM_LABELS), order[:k]), (len(y), 1))
        for k in range(1, NUM_LABELS + 1)
    ]
    return max(f1_score(y, answer, average='micro') for answer in answers)


@pytest.mark.parametrize(
    'seed', [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 5))]
)
@pytest.mark.parametrize('recipe', ['hhmpn_own', 'carat_own'])
def test_recipes_for_own_data_beat_constant_answers(recipe, seed, tmp_path):
    path = tmp_path / 'sparse.h5'
    write_store(path, seed=11)
    options = read_recipe(recipe)
    model = from_spec(options.pop('model'))
    result = train(model, path, tmp_path / 'run', seed=seed, **options)
    with Store(path) as store:
        y = store.labels[store.rows('test')]
    assert 0.1 < y.mean() < 0.3
    assert result['best_epoch'] > 1
    assert result['metrics']['map'] > 1.3 * y.mean()
    assert result['metrics']['f1_micro'] > best_constant(y)
