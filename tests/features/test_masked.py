"""Masked values are refused wherever an array comes in; a mask of nothing is none."""

from __future__ import annotations

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.graph import build_graph, prior_label_graph
from hetero_mmer.loader import StoreDataset
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.store.split import stratified_split

X = np.arange(6.0).reshape(2, 3)
Y = np.array([1, 0])


def hide(array, at=0):
    mask = np.zeros(array.shape, bool)
    mask.flat[at] = True
    return np.ma.array(array, mask=mask)


def in_parts(array):
    """A list of rows, one of which hides a value."""
    return list(hide(array))


def write(tmp_path, **change):
    options = {
        'features': {'text': X},
        'labels': Y,
        'intensities': Y / 2,
        'times': {'text': [[0, 1], [1, 2]]},
    }
    features, labels, *_ = options.values()
    options |= change
    features, labels = options.pop('features'), options.pop('labels')
    extra = options.pop('extra', [1])
    specs = {'text': ModalitySpec(3)}
    with StoreWriter(
        tmp_path / 'a.h5', specs, ['joy', 'fear'], timed=['text'], intensities=True
    ) as writer:
        writer.add('a', features, labels, **options)
        writer.extra('more', extra)


def in_store(name):
    def call(values, tmp_path):
        wrapped = {'text': values} if name in ('features', 'times') else values
        write(tmp_path, **{name: wrapped})

    return call


def rows(values, tmp_path):
    write(tmp_path)
    with Store(tmp_path / 'a.h5') as store:
        StoreDataset(store, values)


WAYS = {
    'items': (X, lambda x, _: build_graph({'text': x}, Y)),
    'ids': (Y, lambda x, _: build_graph({'w': x}, Y, num_embeddings={'w': 5})),
    'labels': (Y, lambda y, _: build_graph({'text': X}, y)),
    'label graph': (
        np.array([[0, 1], [1, 0]]),
        lambda e, _: build_graph({'text': X}, Y, label_graph=e),
    ),
    'prior': (Y[None], lambda y, _: prior_label_graph(y)),
    'deal': (Y[:, None], lambda y, _: stratified_split(y, [0.5, 0.5])),
    'rows': (np.array([0]), rows),
    'features of a store': (X, in_store('features')),
    'labels of a store': (Y, in_store('labels')),
    'intensities of a store': (Y / 2, in_store('intensities')),
    'times of a store': (np.array([[0.0, 1], [1, 2]]), in_store('times')),
    'extra of a store': (np.array([1.0]), in_store('extra')),
}


@pytest.mark.parametrize('way', WAYS)
def test_masked_values_are_refused(way, tmp_path):
    array, call = WAYS[way]
    call(array, tmp_path)
    call(np.ma.array(array, mask=False), tmp_path)
    call(np.ma.array(array), tmp_path)
    for at in range(array.size):
        with pytest.raises(InputError, match=f'1 of {array.size} values') as error:
            call(hide(array, at), tmp_path)
        assert '\n' not in str(error.value)
    with pytest.raises(InputError, match=f'{array.size} of {array.size} values'):
        call(np.ma.array(array, mask=True), tmp_path)


@pytest.mark.parametrize('way', ['items', 'features of a store'])
def test_lists_may_hide_values_too(way, tmp_path):
    array, call = WAYS[way]
    with pytest.raises(InputError, match='are masked'):
        call(in_parts(array), tmp_path)
    with pytest.raises(InputError, match='are masked'):
        call([[0.0, np.ma.masked, 2.0]], tmp_path)


@pytest.mark.parametrize('value', [None, 1, 'x', [1, [2]], [None], X, {'a': 1}])
def test_other_things_pass(value):
    refuse_masked(value, 'items')
    record = np.ma.array([(1, 2.0)], dtype=[('a', int), ('b', float)], mask=True)
    refuse_masked(record, 'items')  # Refused for what it is, elsewhere.
