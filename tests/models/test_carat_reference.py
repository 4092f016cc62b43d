"""CARAT against its authors' released code.

The file holds two training steps and an evaluation of their code on random data, with
every intermediate result, loss, gradient and buffer. ``CARAT_REFERENCE`` names another
file of the same layout; all sizes are read from the file.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hetero_mmer.graph import build_graph
from hetero_mmer.models import CARAT
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.fusion import LatentSpace

MODALITIES = ('text', 'visual', 'audio')
RESTORE = {'text': 'va2t', 'visual': 'ta2v', 'audio': 'tv2a'}
RTOL = 1e-5


@pytest.fixture(scope='module')
def reference(shared):
    folder = shared / 'data' / 'carat_reference'
    path = Path(os.environ.get('CARAT_REFERENCE', folder / 'carat_reference_1.npz'))
    if not path.is_file():
        pytest.skip(f'needs the numbers of the authors in {path}, which is not there')
    with np.load(path) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def close(actual, expected, what):
    """Equal up to a share of the largest entry."""
    assert actual.shape == expected.shape, what
    error = (actual.detach() - expected).abs().max() / expected.abs().max()
    assert error <= RTOL, f'{what} is off by {error:.1e}'


def ours(file, prefix):
    """Parameters, or their gradients, by the names and shapes they have here."""

    def get(name):
        return file[f'{prefix}/{name}']

    def stack(template):
        return torch.stack([get(template.format(m)) for m in MODALITIES])

    out = {
        'classifier': stack('{}_clf_weight'),
        'extractor.label_weight': stack('{}_attention.attention.weight'),
    }

    def affine(name, theirs):
        for kind in ('weight', 'bias'):
            out[f'{name}.{kind}'] = get(f'{theirs}.{kind}')

    for k, m in enumerate(MODALITIES):
        affine(f'extractor.norms.{m}', f'{m}_norm.norm2d')
        encoder = f'extractor.encoders.{m}'
        affine(f'{encoder}.lin', f'{m}.embeddings.word_embeddings')
        affine(f'{encoder}.norm', f'{m}.embeddings.LayerNorm')
        out[f'{encoder}.position.weight'] = get(
            f'{m}.embeddings.position_embeddings.weight'
        )
        for n in range(num_layers(file, m)):
            layer, theirs = f'{encoder}.layers.{n}', f'{m}.encoder.layer.{n}'
            for kind in ('weight', 'bias'):
                out[f'{layer}.lin_in.{kind}'] = torch.cat(
                    [
                        get(f'{theirs}.attention.self.{part}.{kind}')
                        for part in ('query', 'key', 'value')
                    ]
                )
            affine(f'{layer}.lin_out', f'{theirs}.attention.output.dense')
            affine(f'{layer}.attention_norm', f'{theirs}.attention.output.LayerNorm')
            affine(f'{layer}.lin_up', f'{theirs}.intermediate.dense')
            affine(f'{layer}.lin_down', f'{theirs}.output.dense')
            affine(f'{layer}.norm', f'{theirs}.output.LayerNorm')
        for coder, theirs in (('encoders', 'proj'), ('decoders', 'de_proj')):
            affine(f'space.{coder}.{k}.0', f'{theirs}_{m}.linear.0')
            affine(f'space.{coder}.{k}.2', f'{theirs}_{m}.output')
        affine(f'fusion.restore.{k}', f'{RESTORE[m]}.output')
    affine('aggregation.lin_in', 'agg.linear.0')
    affine('aggregation.lin_out', 'agg.output')
    return out


def buffers(file, prefix):
    """Prototypes and queue, by the names they have here."""
    label = file[f'{prefix}/queue_label'].squeeze(1)
    filled = label == label.round()  # Others are random numbers.
    return {
        'space.prototypes.values': torch.stack(
            [
                torch.stack(
                    [file[f'{prefix}/{m}_{sign}_protos'] for sign in ('neg', 'pos')],
                    dim=1,
                )
                for m in MODALITIES
            ]
        ),
        'contrast.queue.values': file[f'{prefix}/queue'],
        'contrast.queue.label': torch.where(filled, label, -1).long(),
        'contrast.queue.position': file[f'{prefix}/queue_ptr'].squeeze(0),
    }


def num_layers(file, modality):
    pattern = re.compile(rf'state0/{modality}\.encoder\.layer\.(\d+)\.')
    return 1 + max(int(m[1]) for m in map(pattern.match, file) if m)


def make_batch(file, step):
    mask = file[f'step{step}/in/mask'].bool()
    graphs = [
        build_graph(
            {m: file[f'step{step}/in/{m}'][b][mask[b]] for m in MODALITIES},
            file[f'step{step}/in/y'][b],
        )
        for b in range(len(mask))
    ]
    return Batch.from_data_list(graphs)


def guess_momentum(file):
    """What best explains the prototypes after the first step, which start at zero."""
    mu = buffers(file, 'step0/buffer')['space.prototypes.values'].double()
    y = file['step0/in/y']
    z = torch.stack([file[f'step0/latent/{m}'] for m in MODALITIES], dim=1)
    z = torch.nn.functional.normalize(z.double(), dim=-1)

    def error(momentum):
        out = torch.zeros_like(mu)
        for b, row in enumerate(y.long().tolist()):
            for i, polarity in enumerate(row):
                out[:, i, polarity] *= momentum
                out[:, i, polarity] += (1 - momentum) * z[b, :, i]
        return float((out - mu).abs().max())

    return min((k / 1000 for k in range(1000)), key=error)


def make_model(file, heads, momentum):
    num_labels, channels = file['state0/text_clf_weight'].shape
    positions = file['state0/text.embeddings.position_embeddings.weight']
    queue_size, latent_channels = file['state0/queue'].shape
    model = CARAT(
        {m: file[f'step0/in/{m}'].size(-1) for m in MODALITIES},
        num_labels,
        hidden_channels=channels,
        num_layers={m: num_layers(file, m) for m in MODALITIES},
        heads=heads,
        dropout=0.0,
        max_positions=len(positions),
        space=partial(LatentSpace, latent_channels=latent_channels, momentum=momentum),
        contrast=partial(ContrastiveMemory, queue_size=queue_size, anchors='pool'),
    )
    state = ours(file, 'state0') | buffers(file, 'state0')
    assert set(state) == set(model.state_dict())
    model.load_state_dict(state)
    return model


def guess_heads(file):
    """The only number of heads that gives their label states."""
    batch = make_batch(file, 0)
    channels = file['state0/text_clf_weight'].size(1)
    for heads in range(1, channels + 1):
        if channels % heads == 0:
            u = make_model(file, heads, 0.9).train()(batch).u[:, 0]
            if torch.allclose(u, file['step0/lsr/text'], rtol=1e-4, atol=1e-4):
                return heads
    pytest.fail('no number of heads gives the label states in the file')


def shuffles(file, step):
    """Their shuffles as one after the other.

    Their code looks up both in the place that a cell goes to, ours looks up the sample
    in the place that the cell has between the two shuffles.
    """
    samples = file[f'step{step}/shuffle/sample']  # [L, M, B]
    modalities = file[f'step{step}/shuffle/modality']  # [L, B, M]
    back = modalities.argsort(dim=-1).transpose(1, 2)
    return samples.gather(1, back), modalities


@pytest.fixture(scope='module')
def steps(reference):
    """Two training steps; the weights stay, the buffers go on."""
    model = make_model(reference, guess_heads(reference), guess_momentum(reference))
    model.train()
    seen = []
    for step in range(2):
        batch = make_batch(reference, step)
        y = reference[f'step{step}/in/y']
        perms = shuffles(reference, step)
        model.aggregation.draw_permutations = lambda mask, perms=perms: perms
        shuffled = []
        hook = model.aggregation.register_forward_hook(
            lambda *args, shuffled=shuffled: shuffled.append(args[-1][0])
        )
        out = model(batch, return_attention=True)
        loss = model.loss(out, y)
        hook.remove()
        model.zero_grad()
        loss['total'].backward()
        grads = {name: p.grad.clone() for name, p in model.named_parameters()}
        state = {name: b.clone() for name, b in model.named_buffers()}
        seen.append((batch, out, loss, grads, state, shuffled[-1]))
    return model, seen


@pytest.mark.parametrize('step', [0, 1])
def test_intermediate_results(reference, steps, step):
    _, out, *_, shuffled = steps[1][step]
    for k, m in enumerate(MODALITIES):
        for actual, name in (
            (out.u, 'lsr'),
            (out.semantics.semantic, 'decoded'),
            (out.semantics.intrinsic, 'decoded_intrinsic'),
            (out.levels['frr'], 'frr'),
            (out.levels['srr'], 'srr'),
        ):
            close(actual[:, k], reference[f'step{step}/{name}/{m}'], f'{name} of {m}')
        latent = torch.nn.functional.normalize(
            reference[f'step{step}/latent/{m}'], dim=-1
        )
        close(out.semantics.latent[:, k], latent, f'latent of {m}')
    close(out.agg_logits, reference[f'step{step}/agg_logits'], 'agg_logits')
    close(shuffled, reference[f'step{step}/agg_logits_shuffled'], 'shuffled')


@pytest.mark.parametrize('step', [0, 1])
def test_label_attention(reference, steps, step):
    _, out, *_ = steps[1][step]
    mask = reference[f'step{step}/in/mask'].bool()
    num_labels = reference[f'step{step}/in/y'].size(1)
    place = mask.nonzero()  # Sample and place of each item.
    for k, m in enumerate(MODALITIES):
        (item, cell), alpha = out.attention[0][m, 'f2l', 'modality']
        b, t = place[item].T
        assert torch.equal(b, cell // (3 * num_labels))
        i = cell - (3 * b + k) * num_labels
        dense = torch.zeros(len(mask), num_labels, mask.size(1))
        dense[b, i, t] = alpha.squeeze(-1).detach()
        close(dense, reference[f'step{step}/label_attention/{m}'], f'weights of {m}')


@pytest.mark.parametrize('step', [0, 1])
def test_losses(reference, steps, step):
    def theirs(*names):
        return sum(reference[f'step{step}/loss/{name}'] for name in names)

    _, _, loss, *_ = steps[1][step]
    close(loss['bce_lsr'], theirs('bce_lsr'), 'bce_lsr')
    close(loss['bce_frr'], theirs('bce_frr'), 'bce_frr')
    close(loss['bce_srr'], theirs('bce_srr'), 'bce_srr')
    close(loss['bce_agg'], theirs('bce_agg'), 'bce_agg')
    close(loss['bce_shuffled'], theirs('bce_agg_shuffled'), 'bce_shuffled')
    decoded = theirs(*(f'mse_decoded_{m}' for m in MODALITIES))
    close(loss['mse_semantic'], decoded, 'mse_semantic')
    restored = theirs(*(f'mse_frr_{m}' for m in MODALITIES))
    close(loss['mse_fusion'], restored, 'mse_fusion')
    close(loss['contrastive'], theirs('contrastive'), 'contrastive')
    close(loss['total'], theirs('total'), 'total')


@pytest.mark.parametrize('step', [0, 1])
def test_predictions(reference, steps, step):
    _, out, *_ = steps[1][step]
    close(out.probs, reference[f'step{step}/score'], 'score')
    assert torch.equal((out.probs > 0.25).float(), reference[f'step{step}/pred'])


@pytest.mark.parametrize('step', [0, 1])
def test_gradients(reference, steps, step):
    *_, grads, _, _ = steps[1][step]
    expected = ours(reference, f'step{step}/grad')
    assert set(grads) == set(expected)
    for name, grad in grads.items():
        close(grad, expected[name], f'gradient of {name}')


@pytest.mark.parametrize('step', [0, 1])
def test_buffers(reference, steps, step):
    *_, state, _ = steps[1][step]
    for name, expected in buffers(reference, f'step{step}/buffer').items():
        if expected.is_floating_point():
            close(state[name], expected, name)
        else:
            assert torch.equal(state[name], expected), name


def test_evaluation(reference, steps):
    model, _ = steps
    model.eval()
    with torch.no_grad():
        probs = model(make_batch(reference, 1)).probs
    close(probs, reference['eval/score'], 'score')
    assert torch.equal((probs > 0.25).float(), reference['eval/pred'])
