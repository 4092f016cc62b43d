from __future__ import annotations

import numpy as np
import pytest
import torch

from hetero_mmer.errors import InputError
from hetero_mmer.nn.encoder import CTCAligner


@pytest.mark.parametrize('lengths', [[3, 3], [2, 0, 5, 1], [0, 4, 0]])
def test_equals_one_sequence_at_a_time(lengths):
    torch.manual_seed(0)
    aligner = CTCAligner(3, 4).double()
    x = torch.randn(sum(lengths), 3, dtype=torch.double)
    ptr = torch.tensor([0, *lengths]).cumsum(0)
    out, new_ptr = aligner(x, ptr)
    rows = [0]
    for b, part in enumerate(x.split(lengths)):
        rows.append(rows[-1] + 4 * (len(part) > 0))
        mine = out[new_ptr[b] : new_ptr[b + 1]]
        if not len(part):
            assert not len(mine)
            continue
        hidden, _ = aligner.lstm(part)  # [S, 1 + 4]
        weight = hidden.exp() / hidden.exp().sum(dim=1, keepdim=True)
        for t in range(4):
            expected = sum(weight[j, t + 1] * part[j] for j in range(len(part)))
            torch.testing.assert_close(mine[t], expected)
    assert new_ptr.tolist() == rows


def test_nothing_at_all():
    x, ptr = CTCAligner(3, 4)(torch.randn(0, 3), torch.tensor([0, 0, 0]))
    assert x.shape == (0, 3)
    assert ptr.tolist() == [0, 0, 0]


def test_refuses_to_make_nothing():
    with pytest.raises(InputError, match='at least one'):
        CTCAligner(3, 0)


def load(shared, name, prefix=''):
    """The recorded run of an aligner, in double precision."""
    path = shared / 'data' / 'zoo_reference' / f'{name}_reference.npz'
    with np.load(path) as file:
        return {
            key.removeprefix(prefix): torch.from_numpy(file[key].astype(np.float64))
            for key in file.files
            if key.startswith(prefix) and file[key].dtype.kind in 'fi'
        }


def make(file, **options):
    """An aligner with the recorded parameters."""
    theirs = 'param/pred_output_position_inclu_blank.'
    state = {
        key.replace(theirs, 'lstm.'): value
        for key, value in file.items()
        if key.startswith(theirs)
    }
    num_items = state['lstm.weight_hh_l0'].size(1) - 1
    channels = state['lstm.weight_ih_l0'].size(1)
    aligner = CTCAligner(channels, num_items, **options).double()
    aligner.load_state_dict(state)
    return aligner


def close(actual, expected):
    """The criterion of the reference files."""
    assert actual.shape == expected.shape
    error = (actual.detach() - expected).abs().max()
    assert error <= 1e-6 * max(1, float(expected.abs().max()))


@pytest.mark.parametrize('case', ['', 'ragged/'])
def test_equals_the_authors_program(shared, case):
    file = load(shared, 'ctc')
    aligner = make(file)
    x = file['in/source']
    if case:
        length, anchor = (
            file[f'in/{end}_length'].long() for end in ('source', 'anchor')
        )
    else:
        length, anchor = torch.full((4,), 12), torch.full((4,), aligner.num_items)
    mask = torch.arange(12) < length.unsqueeze(1)
    x = torch.where(mask.unsqueeze(-1), x, torch.nan).requires_grad_()
    out, loss = aligner.align(x, mask, anchor)
    close(out, file[f'{case}out/aligned'])
    close(loss, file[f'{case}loss/ctc_per_sample'])
    total = loss.sum() + (out * file['in/probe']).sum()
    close(total, file[f'{case}loss/total'])
    total.backward()
    for name, parameter in aligner.named_parameters():
        theirs = name.replace('lstm.', 'pred_output_position_inclu_blank.')
        close(parameter.grad, file[f'{case}grad/{theirs}'])
    if not case:
        close(x.grad, file['grad_in/source'])
        close(aligner.lstm(x)[0], file['mid/scores'])
    # What CARAT asks for is the same, without a loss.
    with torch.no_grad():
        ptr = torch.cat([torch.zeros(1, dtype=torch.long), length.cumsum(0)])
        items, new_ptr = aligner(x[mask], ptr)
    close(items.view(4, aligner.num_items, -1), file[f'{case}out/aligned'])
    assert (new_ptr.diff() == aligner.num_items).all()


def test_equals_tailors_program_whose_loss_sees_as_many_steps_as_the_anchor(shared):
    file = load(shared, 'tailor', 'ctc/')
    aligner = make(file, ctc_input_length='anchor')
    x = file['in']
    mask, anchor = torch.ones(x.shape[:2], dtype=torch.bool), torch.full((len(x),), 5)
    out, loss = aligner.align(x, mask, anchor)
    close(aligner.lstm(x)[0], file['logits'])
    close(out, file['out'])
    close(loss.sum(), file['loss_sum'])
    assert not torch.allclose(make(file).align(x, mask, anchor)[1], loss)


def test_a_sequence_shorter_than_its_anchor_is_interpolated():
    torch.manual_seed(0)
    aligner = CTCAligner(2, 4).double()
    x = torch.randn(4, 3, 2, dtype=torch.double)
    length, anchor = torch.tensor([2, 3, 0, 1]), torch.tensor([3, 3, 2, 0])
    mask = torch.arange(3) < length.unsqueeze(1)
    out, loss = aligner.align(x, mask, anchor)
    middle = (x[0, 0] + x[0, 1]) / 2
    expected = torch.stack([x[0, 0], middle, x[0, 1], torch.zeros(2)])
    torch.testing.assert_close(out[0], expected)
    items, _ = aligner(x[mask], torch.tensor([0, 2, 5, 5, 6]))
    torch.testing.assert_close(out[[1, 3]], items.view(3, 4, 2)[1:])
    assert not out[2].any()
    assert (loss > 0).tolist() == [False, True, False, False]


def test_normalised_weights_make_means():
    aligner = CTCAligner(2, 4, normalize=True)
    x, ptr = torch.ones(3, 2), torch.tensor([0, 1, 3])
    torch.testing.assert_close(aligner(x, ptr)[0], torch.ones(8, 2))


def test_refuses_another_input_length():
    with pytest.raises(InputError, match=r"'source', 'anchor'\) \(got 'both'\)"):
        CTCAligner(3, 4, ctc_input_length='both')
