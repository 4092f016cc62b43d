from __future__ import annotations

import pytest
import torch
from torch.nn import TransformerEncoderLayer

from hetero_mmer.errors import InputError
from hetero_mmer.nn.encoder import TransformerEncoder

LENGTHS = {'equal': [3, 3, 3], 'ragged': [2, 0, 5, 1], 'one': [4], 'empty': [0, 0]}


def make(**options):
    torch.manual_seed(0)
    options = {'num_layers': 2, 'heads': 2, 'max_positions': 4, **options}
    encoder = TransformerEncoder(3, 8, **options).double().eval()
    with torch.no_grad():
        for p in encoder.parameters():  # Norms, too.
            p.add_(0.1 * torch.randn_like(p))
    return encoder


def draw(lengths):
    generator = torch.Generator().manual_seed(1)
    length = torch.tensor(lengths)
    ptr = torch.cat([length.new_zeros(1), length.cumsum(0)])
    x = torch.randn(int(ptr[-1]), 3, generator=generator, dtype=torch.double)
    pos = torch.cat([torch.arange(n) for n in lengths])
    return x, ptr, pos


def textbook(encoder, x):
    """One sample through PyTorch's own layers."""
    if not len(x):
        return x.new_zeros(0, 8)
    place = torch.arange(len(x)).clamp(max=3)
    x = encoder.norm(encoder.lin(x) + encoder.position.weight[place])
    for ours in encoder.layers:
        layer = TransformerEncoderLayer(
            8, 2, 8, activation='gelu', batch_first=True, layer_norm_eps=1e-12
        )
        layer = layer.double().eval()
        layer.self_attn.in_proj_weight = ours.lin_in.weight
        layer.self_attn.in_proj_bias = ours.lin_in.bias
        layer.self_attn.out_proj = ours.lin_out
        layer.linear1, layer.linear2 = ours.lin_up, ours.lin_down
        layer.norm1, layer.norm2 = ours.attention_norm, ours.norm
        x = layer(x.unsqueeze(0)).squeeze(0)
    return x


@pytest.mark.parametrize('name', LENGTHS)
def test_equals_pytorchs_layers_sample_by_sample(name):
    encoder = make()
    x, ptr, pos = draw(LENGTHS[name])
    out = encoder(x, ptr, pos)
    expected = [textbook(encoder, part) for part in x.split(LENGTHS[name])]
    torch.testing.assert_close(out, torch.cat(expected))


def test_without_positions_order_means_nothing():
    x, ptr, pos = draw([4])
    back = torch.tensor([3, 2, 1, 0])
    for encoder, place in ((make(), None), (make(max_positions=0), pos)):
        out = encoder(x, ptr, place)
        torch.testing.assert_close(encoder(x[back], ptr, place), out[back])
    encoder = make()
    assert not torch.allclose(encoder(x[back], ptr, pos), encoder(x, ptr, pos)[back])


@pytest.mark.parametrize('name', ['equal', 'ragged'])
def test_every_parameter_gets_a_gradient(name):
    encoder = make(dropout=0.1).train()
    encoder(*draw(LENGTHS[name])).square().sum().backward()
    for parameter in encoder.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0


def test_dropout_is_for_training_only():
    x = draw([3, 2])
    encoder = make(dropout=0.5)
    assert torch.equal(encoder(*x), encoder(*x))
    encoder.train()
    assert not torch.equal(encoder(*x), encoder(*x))
    for place in ('dropout.p', 'layers.0.dropout.p'):  # Each alone does something.
        encoder = make(dropout=0.0).train()
        assert torch.equal(encoder(*x), encoder(*x))
        name, _, attribute = place.rpartition('.')
        setattr(encoder.get_submodule(name), attribute, 0.5)
        assert not torch.equal(encoder(*x), encoder(*x))


def test_resetting_draws_every_weight_anew():
    encoder = make()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.fill_(7.0)
    encoder.reset_parameters()
    assert all((parameter != 7.0).all() for parameter in encoder.parameters())


@pytest.mark.parametrize('heads', [0, 3])
def test_refuses_heads_that_do_not_divide_the_width(heads):
    with pytest.raises(InputError, match='heads'):
        make(heads=heads)
