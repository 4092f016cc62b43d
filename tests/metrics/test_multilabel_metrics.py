from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from hetero_mmer import metrics as mm
from hetero_mmer.errors import InputError
from hetero_mmer.metrics import MultilabelMetrics

Y = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
P = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]])


def multilabel_metrics(*args, **kwargs):
    values = mm.multilabel_metrics(*args, **kwargs)
    assert all(v.shape == () and v.is_floating_point() for v in values.values())
    return {name: value.item() for name, value in values.items()}


def test_toy_table():
    names = ['happy', 'sad', 'calm']
    metrics = multilabel_metrics(P.float(), Y, label_names=names)
    expected = {
        'acc_jaccard': 0.4,
        'acc_subset': 0.4,
        'hamming_loss': 0.2,
        'f1_micro': 2 / 3,
        'f1_macro': 0.4444,
        'f1_samples': 0.4667,
        'precision_micro': 0.6,
        'recall_micro': 0.75,
        'wa_happy': 0.6667,
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-4), name
    assert math.isnan(metrics['wa_calm'])
    swapped = multilabel_metrics(Y.float(), P)
    assert swapped['precision_micro'] == pytest.approx(0.75)
    assert swapped['recall_micro'] == pytest.approx(0.6)
    other = multilabel_metrics(P.float(), Y, zero_division=1)
    assert other['acc_jaccard'] == pytest.approx(0.6)
    assert other['f1_samples'] == pytest.approx(0.6667, abs=1e-4)


def test_names_and_their_order():
    assert list(multilabel_metrics(P.float(), Y, label_names='abc')) == [
        *('acc_jaccard', 'acc_subset', 'hamming_loss', 'f1_micro', 'f1_macro'),
        *('f1_samples', 'precision_micro', 'recall_micro', 'map'),
        *('wa_a', 'wa_b', 'wa_c'),
    ]


def by_sklearn(probs: np.ndarray, y: np.ndarray, threshold: float) -> dict[str, float]:
    pred = (probs > threshold).astype(int)
    zero = {'zero_division': 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Labels without positives.
        values = {
            'acc_jaccard': sk.jaccard_score(y, pred, average='samples', **zero),
            'acc_subset': np.mean((y == pred).all(1)),
            'hamming_loss': np.mean(y != pred),
            'f1_micro': sk.f1_score(y.ravel(), pred.ravel(), **zero),
            'f1_macro': np.mean(
                [sk.f1_score(a, b, **zero) for a, b in zip(y.T, pred.T, strict=True)]
            ),
            'f1_samples': sk.f1_score(y, pred, average='samples', **zero),
            'precision_micro': sk.precision_score(y.ravel(), pred.ravel(), **zero),
            'recall_micro': sk.recall_score(y.ravel(), pred.ravel(), **zero),
            'map': np.mean(
                [
                    sk.average_precision_score(a, b)
                    for a, b in zip(y.T, probs.T, strict=True)
                ]
            ),
        }
        for i, (a, b) in enumerate(zip(y.T, pred.T, strict=True)):
            both = 0 < a.sum() < len(a)
            values[f'wa_{i}'] = sk.balanced_accuracy_score(a, b) if both else math.nan
    return values


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_agrees_with_sklearn(data):
    n = data.draw(st.integers(1, 12), 'n')
    num_labels = data.draw(st.integers(1, 4), 'num_labels')
    cells = n * num_labels
    # Few distinct values, so that ties and one-class labels are common.
    level = st.integers(0, 8)
    probs = data.draw(st.lists(level, min_size=cells, max_size=cells), 'probs')
    y = data.draw(st.lists(st.integers(0, 1), min_size=cells, max_size=cells), 'y')
    threshold = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.6]), 'threshold')
    p = np.array(probs, dtype=np.float32).reshape(n, num_labels) / 8
    t = np.array(y).reshape(n, num_labels)
    if num_labels == 1 and n == 1:
        return  # scikit-learn does not read [1, 1] as multi-label.
    ours = multilabel_metrics(
        torch.from_numpy(p), torch.from_numpy(t), threshold=threshold
    )
    if num_labels == 1:  # scikit-learn averages over samples from two labels on.
        ours = {k: v for k, v in ours.items() if k not in ('acc_jaccard', 'f1_samples')}
        two = by_sklearn(np.repeat(p, 2, 1), np.repeat(t, 2, 1), threshold)
        expected = {k: two[k] for k in ours}
    else:
        expected = by_sklearn(p, t, threshold)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-5, nan_ok=True), name


def test_threshold_per_label():
    probs = torch.tensor([[0.3, 0.3], [0.6, 0.6]])
    y = torch.tensor([[0, 1], [1, 1]])
    metrics = multilabel_metrics(probs, y, threshold=torch.tensor([0.5, 0.2]))
    assert metrics['acc_subset'] == 1


@pytest.mark.parametrize('dtype', [torch.uint8, torch.bool, torch.float])
def test_labels_of_any_type(dtype):
    assert multilabel_metrics(P.double(), Y.to(dtype))['recall_micro'] == 0.75


def test_decisions_of_a_model_take_no_threshold():
    """Whatever the probabilities are; `map` is of them."""
    g = torch.Generator().manual_seed(1)
    probs, y = torch.rand(9, 3, generator=g), torch.rand(9, 3, generator=g) < 0.4
    pred = torch.rand(9, 3, generator=g) < 0.5
    ours, by_probs = (
        multilabel_metrics(probs, y, threshold=0.2, pred=p) for p in (pred, None)
    )
    expected = multilabel_metrics(pred.float(), y)
    assert {k: v for k, v in ours.items() if k != 'map'} == pytest.approx(
        {k: v for k, v in expected.items() if k != 'map'}, nan_ok=True
    )
    assert ours['map'] == by_probs['map'] != expected['map']
    assert ours['f1_micro'] != by_probs['f1_micro']


@pytest.mark.parametrize(
    ('probs', 'y', 'message'),
    [
        (torch.tensor([[1.5]]), torch.tensor([[1]]), 'sigmoid'),
        (torch.tensor([[-0.1]]), torch.tensor([[1]]), r'in \[0, 1\]'),
        (torch.tensor([[math.nan]]), torch.tensor([[1]]), 'NaN'),
        (torch.tensor([[0.5]]), torch.tensor([[2]]), '0 or 1'),
        (torch.tensor([[0.5]]), torch.tensor([[1, 0]]), r'\[1, 1\] and \[1, 2\]'),
        (torch.tensor([0.5]), torch.tensor([1]), r'\[N, L\]'),
        (torch.zeros(0, 2), torch.zeros(0, 2), 'not empty'),
        (torch.tensor([[1]]), torch.tensor([[1]]), 'floating-point'),
    ],
)
def test_refuses(probs, y, message):
    with pytest.raises(InputError, match=message):
        multilabel_metrics(probs, y)
    with pytest.raises(InputError, match=message):
        MultilabelMetrics(1).update(probs, y)


def test_refuses_wrong_options():
    for refuses in (
        lambda **options: multilabel_metrics(P.float(), Y, **options),
        lambda **options: MultilabelMetrics(3, **options),
    ):
        with pytest.raises(InputError, match='3 labels need as many names'):
            refuses(label_names=['a'])
        with pytest.raises(InputError, match="'zero_division' is 0 or 1"):
            refuses(zero_division=0.5)
    with pytest.raises(InputError, match='at least one sample'):
        MultilabelMetrics(3).compute()
