from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from hetero_mmer.datasets.synthetic import MOSEI, SMALL, label_names, synthesize
from hetero_mmer.errors import InputError
from hetero_mmer.store import validate


@pytest.fixture(scope='module')
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp('synthetic') / 'a.h5'
    return synthesize(path, modalities=SMALL, seed=3)


def prototype(store, name):
    planted = store.attrs['planted']
    modality = planted['carrier'][name]
    signs = [1 if sign == '+' else -1 for sign in planted['prototypes'][name]]
    return modality, np.array(signs) / np.sqrt(store.in_channels[modality])


def best_scores(store, name):
    """The greatest likeness of any item to the prototype, [N]; -9 if missing."""
    modality, direction = prototype(store, name)
    return np.array(
        [
            (store.read(modality, i) @ direction).max(initial=-9)
            for i in range(len(store))
        ]
    )


def test_shape(store):
    assert store.in_channels == SMALL
    assert store.label_names == (
        'happiness', 'sadness', 'anger', 'fear', 'disgust', 'surprise',
    )  # fmt: skip
    sizes = [len(store.rows(split)) for split in ('train', 'valid', 'test')]
    assert sizes == [600, 150, 250]
    assert len(set(store.groups)) == 1000
    for modality in SMALL:
        lengths = np.diff(store.ptr[modality])
        assert set(lengths) == {0, *range(5, 16)}
    assert [f for f in validate(store) if f.level != 'info'] == []


def test_a_seed_decides_every_byte(store, tmp_path):
    again = synthesize(tmp_path / 'again.h5', modalities=SMALL, seed=3)
    assert again.sha256() == store.sha256()
    other = synthesize(tmp_path / 'other.h5', modalities=SMALL, seed=4)
    assert other.sha256() != store.sha256()


def test_the_length_of_a_data_set_does_not_change_its_labels_much(tmp_path):
    long = synthesize(tmp_path / 'long.h5', num_samples=5000, modalities={'text': 2})
    priors = long.attrs['planted']['priors']
    rates = dict(zip(long.label_names, long.labels.mean(axis=0), strict=True))
    for name in ('happiness', 'sadness', 'anger'):  # Pulled along by none.
        assert rates[name] == pytest.approx(priors[name], abs=0.03)


def test_truth_points_at_items_that_look_like_the_prototype(store):
    item, modality = store.extra('truth_item'), store.extra('truth_modality')
    for k, name in enumerate(store.label_names):
        carrier = store.attrs['planted']['carrier'][name]
        if carrier is None:
            assert (item[:, k] == -1).all()
            assert (modality[:, k] == -1).all()
            continue
        rows = np.flatnonzero(item[:, k] >= 0)
        assert store.labels[rows, k].all()
        assert (modality[rows, k] == store.modalities.index(carrier)).all()
        assert (np.diff(store.ptr[carrier])[rows] > item[rows, k]).all()
        direction = prototype(store, name)[1]
        scores = [store.read(carrier, i) @ direction for i in rows]
        hits = [s.argmax() == item[i, k] for s, i in zip(scores, rows, strict=True)]
        assert np.mean(hits) > 0.9
        # Noise along the prototype has variance 1, and the planted vector length 8.
        planted = [s[item[i, k]] for s, i in zip(scores, rows, strict=True)]
        assert np.mean(planted) == pytest.approx(8, abs=0.3)
        assert np.std(planted) == pytest.approx(1, abs=0.25)
    assert ((item == -1) == (modality == -1)).all()


def test_a_missing_carrier_has_no_truth(store):
    modality = store.extra('truth_modality')
    for m, name in enumerate(store.modalities):
        absent = np.diff(store.ptr[name]) == 0
        assert absent.mean() == pytest.approx(0.1, abs=0.03)
        assert (modality[absent] != m).all()
    assert (sum(np.diff(ptr) for ptr in store.ptr.values()) > 0).all()


def test_labels_in_one_modality_have_items_of_their_own(store):
    item, modality = store.extra('truth_item'), store.extra('truth_modality')
    both = (modality[:, 0] == 0) & (modality[:, 3] == 0)  # Happiness and fear: text.
    assert both.sum() > 50
    assert (item[both, 0] != item[both, 3]).all()


def test_evidence_tells_and_is_not_all(store):
    for name in ('happiness', 'sadness', 'anger', 'fear', 'disgust'):
        y = store.labels[:, store.label_names.index(name)]
        assert 0.7 < roc_auc_score(y, best_scores(store, name)) < 0.98


def test_labels_pull_each_other_along(tmp_path):
    store = synthesize(tmp_path / 'a.h5', num_samples=5000, modalities={'text': 2})
    y, planted = store.labels, store.attrs['planted']
    for pull in planted['pulls']:
        a, b = (store.label_names.index(pull[end]) for end in ('from', 'to'))
        prior = planted['priors'][pull['to']]
        expected = 1 - (1 - prior) * (1 - pull['probability'])
        assert y[y[:, a] == 1, b].mean() == pytest.approx(expected, abs=0.05)
        assert y[y[:, a] == 0, b].mean() == pytest.approx(prior, abs=0.04)


def test_only_co_occurrence_gives_surprise_away(store):
    assert store.attrs['planted']['only_co_occurrence'] == {'surprise': 'happiness'}
    follower = store.labels[:, 5]
    scores = best_scores(store, 'happiness')
    without = store.labels[:, 0] == 0
    # Knowing that happiness is absent, the best item says nothing about surprise.
    auc = roc_auc_score(follower[without], scores[without])
    assert auc == pytest.approx(0.5, abs=0.2)
    assert roc_auc_score(follower, scores) > 0.7
    # Nor do mean features of samples without happiness.
    x = np.stack([
        np.concatenate([np.append(store.read(m, i), np.zeros((1, w)), 0).mean(axis=0)
                        for m, w in SMALL.items()])
        for i in np.flatnonzero(without)
    ])  # fmt: skip
    y, half = follower[without], without.sum() // 2
    probe = LogisticRegression(C=0.1, max_iter=500).fit(x[:half], y[:half])
    assert roc_auc_score(y[half:], probe.decision_function(x[half:])) < 0.8


def test_noise_has_variance_one(tmp_path):
    store = synthesize(
        tmp_path / 'a.h5', num_samples=200, modalities={'text': 50}, strength=0.0
    )
    values = store.values('text')[()]
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize('num_labels', range(1, 9))
@pytest.mark.parametrize('num_modalities', [1, 2, 4])
def test_any_number_of_labels_and_modalities(tmp_path, num_labels, num_modalities):
    widths = {f'm{i}': i + 1 for i in range(num_modalities)}
    store = synthesize(
        tmp_path / 'a.h5',
        num_samples=30,
        modalities=widths,
        num_labels=num_labels,
        lengths=(1, 2),
        missing=0.5,
    )
    assert store.labels.shape == (30, num_labels)
    assert len(set(label_names(num_labels))) == num_labels
    assert store.extra('truth_item').max() <= 1


def test_mosei_widths_by_default(tmp_path):
    store = synthesize(tmp_path / 'a.h5', num_samples=2, missing=0)
    assert store.in_channels == MOSEI == {'text': 300, 'visual': 35, 'audio': 74}


@pytest.mark.parametrize(
    'wrong',
    [
        {'num_samples': 0},
        {'num_labels': 0},
        {'modalities': {}},
        {'lengths': (0, 3)},
        {'lengths': (3, 2)},
        {'missing': 1.5},
        {'strength': -1.0},
        {'shares': (0.5, 0.6, 0.1)},
    ],
)
def test_wrong_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        synthesize(tmp_path / 'a.h5', **wrong)
