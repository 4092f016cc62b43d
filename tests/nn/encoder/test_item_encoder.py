from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.nn import Linear

from hetero_mmer.errors import InputError
from hetero_mmer.nn.encoder import ItemEmbedding, item_encoder
from hetero_mmer.nn.encoder.item_encoder import check_num_embeddings


def test_features_get_a_linear_map():
    torch.manual_seed(0)
    encoder = item_encoder(3, 4)
    torch.manual_seed(0)
    assert isinstance(encoder, Linear)
    assert torch.equal(encoder.weight, Linear(3, 4).weight)


def test_ids_get_what_a_linear_map_makes_of_one_hot_features():
    encoder = item_encoder(1, 4, 6).double()
    ids = torch.tensor([[5], [0], [5], [2]])
    one_hot = F.one_hot(ids.squeeze(-1), 6).double()
    expected = F.linear(one_hot, encoder.weight.T)
    torch.testing.assert_close(encoder(ids), expected, rtol=0, atol=0)
    assert encoder(ids[:0]).shape == (0, 4)


def test_only_seen_ids_get_gradients():
    encoder = ItemEmbedding(6, 4)
    encoder(torch.tensor([[5], [0], [5]])).sum().backward()
    assert encoder.weight.grad.sum(dim=1).tolist() == [4, 0, 0, 0, 0, 8]


def test_reset_draws_anew():
    encoder = item_encoder(1, 4, 6)
    before = encoder.weight.detach().clone()
    encoder.reset_parameters()
    assert not torch.equal(encoder.weight, before)


@pytest.mark.parametrize(('width', 'size'), [(2, 5), (1, 0)])
def test_refusals(width, size):
    with pytest.raises(InputError, match=rf'width of 1 .*\(got {width} and {size}\)'):
        item_encoder(width, 4, size)


def test_a_vocabulary_without_its_modality_is_refused():
    assert check_num_embeddings({'text': 5}, {'text': 1}) == {'text': 5}
    with pytest.raises(InputError, match=r"among \['text'\] \(got 'words'\)"):
        check_num_embeddings({'words': 5}, {'text': 1})
