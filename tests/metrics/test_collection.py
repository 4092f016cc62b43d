from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
import torch
from torchmetrics import MetricCollection

from hetero_mmer.metrics import (
    MultilabelMetrics,
    decide,
    metric_collection,
    multilabel_metrics,
)

Y = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
P = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
#: Means over samples are summed up in another order than those of the whole.
SUMMED = ('acc_jaccard', 'f1_samples')


@pytest.fixture(params=[1, 3, 7])
def samples(request):
    g = torch.Generator().manual_seed(request.param)
    shape = (150, request.param)
    return torch.rand(shape, generator=g), torch.rand(shape, generator=g) < 0.4


def stream(metrics, probs, y, size, pred=None):
    for i in range(0, len(y), size):
        part = slice(i, i + size)
        decided = {} if pred is None else {'pred': pred[part]}
        metrics.update(probs[part], y[part], **decided)
    return metrics.compute()


def assert_same(found, expected):
    """NaN is equal to NaN, all else to the last bit but for the means."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = {'atol': 1e-7 if name in SUMMED else 0, 'rtol': 0}
        torch.testing.assert_close(
            found[name], value, **tolerance, equal_nan=True, msg=name
        )


@pytest.mark.parametrize('zero_division', [0, 1])
@pytest.mark.parametrize('threshold', [0.4, 'vector', 'tuned', 'per-label'])
def test_stream_agrees_with_all_at_once(samples, zero_division, threshold, monkeypatch):
    monkeypatch.setattr('hetero_mmer.metrics.collection._COUNT_EVERY', 3)
    probs, y = samples
    num_labels = y.size(1)
    if threshold == 'vector':
        threshold = torch.linspace(0.3, 0.6, num_labels)
    names = 'abcdefg'[:num_labels]
    options = {'label_names': names, 'zero_division': zero_division}
    by_one, by_many = (
        MultilabelMetrics(num_labels, threshold=threshold, **options) for _ in range(2)
    )
    found = stream(by_one, probs, y, 1)
    many = stream(by_many, probs, y.float(), 47)
    whole = MultilabelMetrics(num_labels, threshold=threshold, **options)
    whole = stream(whole, probs, y, len(y))
    for name, value in whole.items():  # To the last bit.
        torch.testing.assert_close(found[name], value, atol=0, rtol=0, equal_nan=True)
        torch.testing.assert_close(many[name], value, atol=0, rtol=0, equal_nan=True)
    if isinstance(threshold, str):
        from hetero_mmer.metrics import choose_threshold

        threshold = choose_threshold(threshold, probs, y)
    expected = multilabel_metrics(probs, y, threshold=threshold, **options)
    assert_same(found, expected)
    by_one.reset()
    by_one.update(probs[:1], y[:1])
    assert by_one.compute()['acc_subset'] in (0, 1)


@pytest.mark.parametrize('threshold', [0.4, 'tuned'])
def test_decisions_of_a_model_take_no_threshold(samples, threshold):
    probs, y = samples
    pred = torch.rand(y.shape, generator=torch.Generator().manual_seed(9)) < 0.5
    metrics = MultilabelMetrics(y.size(1), threshold=threshold)
    found = stream(metrics, probs, y, 40, pred)
    assert_same(found, multilabel_metrics(probs, y, pred=pred))


def test_toy_table():
    metrics = metric_collection(3, label_names=['happy', 'sad', 'calm'])
    metrics.update(preds=decide(P.float(), 0.5).long(), target=Y, probs=P.float())
    found = metrics.compute()
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
        assert found[name].item() == pytest.approx(value, abs=1e-4), name
    assert found['wa_calm'].isnan()


def test_says_what_is_better():
    metrics = metric_collection(3)
    better = {name: metric.higher_is_better for name, metric in metrics.items()}
    assert better.pop('hamming_loss') is False
    assert all(better.values())


def test_equal_states_of_a_first_batch_are_not_taken_for_one():
    """All right: then samples have the same Jaccard index, F1 and exact matches."""
    metrics = MultilabelMetrics(3)
    metrics.update(Y.float(), Y)
    metrics.update(P.float(), Y)
    expected = multilabel_metrics(torch.cat([Y, P]).float(), torch.cat([Y, Y]))
    assert_same(metrics.compute(), expected)


def test_only_map_keeps_probabilities(samples):
    probs, y = samples
    metrics = metric_collection(y.size(1))
    metrics.update(preds=(probs > 0.5).long(), target=y.long(), probs=probs)
    for name, metric in metrics.items():
        for state, reduction in metric._reductions.items():
            kind = 'dim_zero_cat' if name == 'map' else 'dim_zero_sum'
            assert reduction.__name__ == kind, (name, state)


def test_two_states_merge_to_the_whole(samples):
    probs, y = samples
    whole, a, b = (metric_collection(y.size(1)) for _ in range(3))
    cut = 61
    for metrics, rows in ((whole, slice(None)), (a, slice(cut)), (b, slice(cut, None))):
        pred = decide(probs[rows], 0.5).long()
        metrics.update(preds=pred, target=y[rows].long(), probs=probs[rows])
    expected = whole.compute()
    merged = {}
    for name, metric in a.items():
        one = copy.deepcopy(metric)
        one.merge_state(copy.deepcopy(b[name]))
        value = one.compute()
        merged |= value if isinstance(value, dict) else {name: value}
    assert merged.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(merged[name], value, atol=0, rtol=0, equal_nan=True)


@pytest.mark.parametrize('threshold', [0.4, 'tuned'])
@pytest.mark.parametrize('computes', [False, True])
def test_reset_forgets_everything(samples, threshold, computes):
    probs, y = samples
    metrics = MultilabelMetrics(y.size(1), threshold=threshold)
    metrics.update(probs[:50], y[:50])
    if computes:
        metrics.compute()
    metrics.reset()
    found = stream(metrics, probs[50:], y[50:], 30)
    fresh = MultilabelMetrics(y.size(1), threshold=threshold)
    expected = stream(fresh, probs[50:], y[50:], 30)
    torch.testing.assert_close(found, expected, atol=0, rtol=0, equal_nan=True)


def test_takes_part_in_a_collection():
    collection = MetricCollection({'zero': MultilabelMetrics(3)})
    collection.update(P.float(), Y)
    assert collection.compute()['acc_jaccard'].item() == pytest.approx(0.4)


PROCESS = """
import json, sys
import torch
from torch import distributed
from hetero_mmer.metrics import MultilabelMetrics

rank, path = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group(
    'gloo', init_method=f'file://{path}', rank=rank, world_size=2
)
g = torch.Generator().manual_seed(0)
probs, y = torch.rand(50, 3, generator=g), torch.rand(50, 3, generator=g) < 0.4
rows = slice(0, 23) if rank == 0 else slice(23, 50)
found = {}
for threshold in (0.4, 'tuned'):
    metrics = MultilabelMetrics(3, threshold=threshold)
    for i in range(0, 27, 10):
        metrics.update(probs[rows][i : i + 10], y[rows][i : i + 10])
    found[threshold] = {k: v.item() for k, v in metrics.compute().items()}
print(json.dumps(found))
"""


@pytest.mark.slow
def test_two_processes_find_the_metrics_of_the_whole(tmp_path):
    words = [sys.executable, '-c', PROCESS]
    processes = [
        subprocess.Popen([*words, str(rank), tmp_path / 'store'], stdout=-1)
        for rank in range(2)
    ]
    found = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert found[0] == found[1]
    g = torch.Generator().manual_seed(0)
    probs, y = torch.rand(50, 3, generator=g), torch.rand(50, 3, generator=g) < 0.4
    for threshold in (0.4, 'tuned'):
        metrics = MultilabelMetrics(3, threshold=threshold)
        expected = stream(metrics, probs, y, 50)
        assert found[0][str(threshold)] == {k: v.item() for k, v in expected.items()}


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64])
def test_values_have_the_default_type(samples, dtype):
    probs, y = samples
    metrics = MultilabelMetrics(y.size(1))
    found = stream(metrics, probs.to(dtype), y, 50)
    expected = multilabel_metrics(probs.to(dtype), y)
    del found['map'], expected['map']
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert_same(found, expected)


@pytest.mark.filterwarnings('ignore:The ``compute`` method')
def test_states_lie_where_the_metrics_do():
    """No state, and no tensor that a value is made of, stays on the CPU."""
    metrics = metric_collection(3).to('meta')
    states = [
        getattr(metric, state)
        for metric in metrics.values()
        for state in metric._defaults
        if not isinstance(getattr(metric, state), list)
    ]
    assert {state.device.type for state in states} == {'meta'}
    for name in ('acc_jaccard', 'wa'):
        value = metrics[name].compute()
        value = value['wa_0'] if isinstance(value, dict) else value
        assert value.device.type == 'meta', name
