from __future__ import annotations

import numpy as np
import pytest
import torch

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import build_graph
from hetero_mmer.models import HHMPN
from hetero_mmer.typing import Model


def test_relations_join_the_types_that_the_schema_lists():
    assert schema.f2f('text', 'audio') == ('text', 'f2f', 'audio')
    assert schema.f2l('text') == ('text', 'f2l', 'modality')
    assert schema.L2L == ('modality', 'l2l', 'modality')
    assert schema.M2L == ('modality', 'm2l', 'label')


def test_modalities_keep_their_order():
    node_types = ['visual', 'modality', 'audio', 'label', 'text']
    assert schema.modalities(node_types) == ['visual', 'audio', 'text']


@pytest.mark.parametrize('name', ['text', 'audio_2', 'face-crop', 'Wärme', 'x', '3d'])
def test_names_of_modalities(name):
    schema.check_modality_names([name])


@pytest.mark.parametrize(
    'name',
    [
        'modality',
        'label',
        'sample_id',
        '',
        ' ',
        'a.b',
        'a/b',
        '_',
        'a\n',
        'a__b',
        'a___b',
    ],
)
def test_names_that_no_modality_can_have(name):
    with pytest.raises(InputError, match='modality') as caught:
        schema.check_modality_names(['text', name])
    assert repr(name)[1:-1] in str(caught.value) or name in str(caught.value)


@pytest.mark.parametrize(
    'name',
    [
        'x',
        'keys',
        'items',
        'batch',
        'to',
        'edge_index',
        'ptr',
        'y',
    ],
)
def test_any_other_name_goes_through_a_model(name):
    """Names that are also attributes of PyG's or PyTorch's containers."""
    graph = build_graph(
        {name: np.ones((2, 3)), 'text': np.ones((1, 2))}, [1, 0], sample_id='clip'
    )
    model = HHMPN({name: 3, 'text': 2}, 2, hidden_channels=4)
    out = model(graph)
    assert out.probs.shape == (1, 2)
    assert torch.isfinite(out.probs).all()


def test_hhmpn_is_a_model():
    assert isinstance(HHMPN({'text': 2}, 1, hidden_channels=2), Model)


def test_bad_input_is_a_value_error():
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize(
    'names',
    [
        *(['joy', 'joy_true'], ['joy_predicted', 'joy'], ['a', 'sample_id']),
        *(['a', 'a_true', 'a_true_true'], [], ['a', ''], ['a', 'b', 'a']),
    ],
)
def test_label_names_that_collide(names):
    with pytest.raises(InputError, match=r'label'):
        schema.check_label_names(names)


@pytest.mark.parametrize(
    'names',
    [
        ['joy_true', 'anger'],
        ['true', 'predicted'],
        ['joy', 'Joy_true'],
        ['split', 'id'],
    ],
)
def test_label_names_that_do_not(names):
    schema.check_label_names(names)
    for suffix in ('_true', '_predicted'):
        columns = ['sample_id', *names, *(f'{name}{suffix}' for name in names)]
        assert len(set(columns)) == len(columns)
