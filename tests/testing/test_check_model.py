"""Each check of models passes a sound toy and catches one that is broken in its way."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.utils import scatter

from hetero_mmer import schema
from hetero_mmer.errors import InputError
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.criterion import BCE
from hetero_mmer.testing import MODEL_CHECKS, CheckError, check_model


class Output(NamedTuple):
    probs: Tensor | None
    logits: Tensor | None
    pred: Tensor | None = None
    attention: list | None = None


class Toy(nn.Module):
    """The mean over modalities of a linear map of each one's mean; all powers at once.

    Its weights have the logits of the labels in columns, around the shares of the
    labels in the train split.
    """

    extras = ('arousal',)

    def __init__(
        self,
        in_channels,
        num_labels,
        *,
        num_embeddings=None,
        label_vectors=None,
        criterion=BCE,
    ):
        super().__init__()
        self.in_channels, self.num_labels = in_channels, num_labels
        self.num_embeddings = num_embeddings or {}
        self.criterion = criterion()
        self.maps = ModuleDict(
            {
                m: nn.Embedding(self.num_embeddings[m], num_labels)
                if m in self.num_embeddings
                else nn.Linear(width, num_labels)
                for m, width in in_channels.items()
            }
        )
        self.dropout = nn.Dropout(0.1)
        if label_vectors is None:
            label_vectors = torch.zeros(num_labels, 1)
        self.register_buffer('label_vectors', label_vectors)
        self.register_buffer('prior', torch.empty(0))
        self.register_buffer('steps', torch.zeros(()))

    def reset_parameters(self):
        for layer in self.maps.values():
            layer.reset_parameters()
        self.steps.zero_()

    def fit(self, batches):
        y = torch.cat([b['label'].y.view(-1, self.num_labels) for b in batches])
        self.prior = y.mean(dim=0).clamp(0.1, 0.9).logit()

    def items(self, m, data):
        """States of the items of a modality, before the mean."""
        x = data[m].x
        x = self.maps[m](x.squeeze(-1) if m in self.num_embeddings else x)
        return self.dropout(x)

    def mean(self, x, batch, size):
        return scatter(x, batch, dim_size=size, reduce='mean')

    def forward(self, data, return_attention=False):
        size = getattr(data, 'num_graphs', 1)
        means, there = [], []
        for m in self.in_channels:
            batch = data[m].get('batch')
            if batch is None:
                batch = torch.zeros(len(data[m].x), dtype=torch.long)
            means.append(self.mean(self.items(m, data), batch, size))
            there.append(torch.bincount(batch, minlength=size) > 0)
        weight = torch.stack(there).unsqueeze(-1)
        logits = (torch.stack(means) * weight).sum(0) / weight.sum(0) + self.prior
        logits = logits + self.label_vectors.sum(dim=1)
        attention = None
        if return_attention:
            attention = [{schema.M2L: self.weights(data)}]
        if self.training:  # Decoding would cost.
            return Output(None, logits)
        return Output(logits.sigmoid(), logits, logits > 0, attention)

    def weights(self, data):
        edge_index = data[schema.M2L].edge_index
        count = torch.bincount(edge_index[1])
        return edge_index, 1 / count[edge_index[1]].unsqueeze(-1).double()

    def loss(self, out, y):
        total = self.criterion(out.logits, y.to(out.logits.dtype))
        if self.training:
            self.steps += 1
        return {'total': total, 'bce': total.detach()}

    def step(self, batch, y, backward):
        parts = self.loss(self(batch), y)
        backward(parts['total'])
        return {name: part.detach() for name, part in parts.items()}

    def parameter_groups(self, lr):
        return [{'params': list(self.maps.parameters()), 'lr': 2 * lr}]


def relabel(model, order):
    model.prior = model.prior[order]
    for layer in model.maps.values():
        layer.weight.copy_(layer.weight[order])
        layer.bias.copy_(layer.bias[order])


FACTS = {'extras': {'arousal': (2,)}, 'relabel': relabel}


def test_a_sound_model_passes_every_check():
    assert check_model(Toy, **FACTS) == tuple(MODEL_CHECKS)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_facts_of_ones_own(dtype):
    facts = {
        **FACTS,
        'kinds': {'a': 'set'},
        'intensities': True,
        'aligned': True,
        'dtype': dtype,
    }
    assert 'missing' in check_model(Toy, {'a': 2, 'b': 1}, 2, **facts)
    assert 'missing' not in check_model(Toy, {'a': 2}, 2, **facts)


@pytest.mark.gpu
def test_on_a_gpu():
    check_model(Toy, **FACTS, device='cuda')


# One fault for each check.


class Choice(Toy):
    def __init__(self, in_channels, num_labels, dropout=0.1, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)


class Takes(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(dict(in_channels), num_labels, **kwargs)
        in_channels.popitem()


class Function(Toy):
    def __new__(cls, *args, **kwargs):
        return partial(Toy, *args, **kwargs)


class Changed(Toy):
    """Changes what ``forward`` returns in evaluation."""

    def forward(self, data, return_attention=False):
        out = super().forward(data, return_attention)
        return out if self.training else self.change(out, data)

    def change(self, out, data):
        raise NotImplementedError


class NoTuple(Changed):
    def change(self, out, data):
        return type('Plain', (), out._asdict())()


class Logits(Changed):
    def change(self, out, data):
        return out._replace(probs=out.logits)


class Flat(Changed):
    def change(self, out, data):
        return out._replace(probs=out.probs.flatten(), pred=None)


class Decision(Changed):
    def change(self, out, data):
        return out._replace(pred=out.probs)


class NoProbs(Changed):
    def change(self, out, data):
        return out._replace(probs=None)


class TextOnly(Toy):
    def items(self, m, data):
        return super().items(m, data) * (m != 'vision')


class BatchOnly(Changed):
    def change(self, out, data):
        return out._replace(probs=out.probs / (1 + (not hasattr(data, 'num_graphs'))))


class BatchNorm(Toy):
    def mean(self, x, batch, size):
        mean = super().mean(x, batch, size)
        return mean - mean.mean(dim=0)


class ReadsPadding(Toy):
    """Divides by the longest length of the batch."""

    def mean(self, x, batch, size):
        longest = int(torch.bincount(batch, minlength=1).max())
        return scatter(x, batch, dim_size=size) / max(longest, 1)


class ByPlace(Changed):
    def change(self, out, data):
        place = torch.arange(len(out.probs)).unsqueeze(1)
        return out._replace(probs=out.probs / (1 + place))


class Sequential(Toy):
    """Weighs items by their place, whatever kind they are."""

    def items(self, m, data):
        x, ptr = super().items(m, data), data[m].get('ptr', torch.zeros(1).long())
        batch = data[m].get('batch', torch.zeros(len(x), dtype=torch.long))
        return x / (1 + torch.arange(len(x)) - ptr[batch]).unsqueeze(1)


class TextIsSpecial(Toy):
    def items(self, m, data):
        return super().items(m, data) * (2 if m == 'text' else 1)


class RangesOnly(Changed):
    def change(self, out, data):
        pairs = data.edge_index_dict[schema.L2L]
        return out._replace(probs=out.probs * isinstance(pairs, AllPairs))


class Random(Changed):
    def change(self, out, data):
        return out._replace(probs=(out.probs + torch.rand(out.probs.shape)) / 2)


class Teacher(Changed):
    def change(self, out, data):
        y = data['label'].y.view_as(out.probs)
        return out._replace(probs=(out.probs + y) / 2)


class NeedsLabels(Changed):
    def change(self, out, data):
        assert data['label'].y is not None
        return out


class InPlace(Toy):
    def items(self, m, data):
        if m not in self.num_embeddings:
            data[m].x.mul_(2)
        return super().items(m, data)


class Leaves(Changed):
    def change(self, out, data):
        data['label'].seen = data['label'].label_id
        return out


class TwoOrMore(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        if len(in_channels) < 2:
            raise ValueError('needs two modalities')


class TorchDict(Toy):
    """Whose names may not be those of its methods."""

    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        self.maps = nn.ModuleDict(dict(self.maps.items()))


class AllThere(Toy):
    def items(self, m, data):
        assert (data[m].get('ptr', torch.tensor([0, len(data[m].x)])).diff() > 0).all()
        return super().items(m, data)


class MeanOfNothing(Toy):
    def mean(self, x, batch, size):
        return scatter(x, batch, dim_size=size) / torch.bincount(
            batch, minlength=size
        ).unsqueeze(1)


class TwoItems(Toy):
    def mean(self, x, batch, size):
        return super().mean(x, batch, size) / x.std(dim=0)


class Squeezed(Changed):
    def change(self, out, data):
        return out._replace(probs=out.probs.squeeze(-1), pred=None)


class Ranks(Toy):
    def loss(self, out, y):
        parts = super().loss(out, y)
        positive = out.logits[y > 0].mean()
        return {**parts, 'total': parts['total'] - 0.1 * positive}


class IdsAsNumbers(Toy):
    def items(self, m, data):
        if m not in self.num_embeddings:
            return super().items(m, data)
        return self.maps[m](torch.zeros_like(data[m].x.squeeze(-1)))


class NoIds(Toy):
    def items(self, m, data):
        return self.maps[m](data[m].x)


class OwnOrder(Toy):
    """A weight for each place in the order of labels."""

    def forward(self, data, return_attention=False):
        out = super().forward(data, return_attention)
        if self.training:
            return out
        probs = out.probs / torch.arange(1, self.num_labels + 1)
        return out._replace(probs=probs)


class NoTotal(Toy):
    def loss(self, out, y):
        return {'bce': super().loss(out, y)['total']}

    step = None


class EachSample(Toy):
    def loss(self, out, y):
        return {**super().loss(out, y), 'each': out.logits.mean(dim=1)}


class TrainingOnly(Toy):
    def loss(self, out, y):
        parts = super().loss(out, y)
        return parts if self.training else {**parts, 'total': parts['total'] / 0}


class Detached(Toy):
    def loss(self, out, y):
        return {'total': super().loss(out, y)['total'].detach().requires_grad_()}


class NoGradient(Toy):
    def loss(self, out, y):
        return {'total': super().loss(out, y)['bce']}

    def step(self, batch, y, backward):
        return super().step(batch, y, lambda loss: None)


class Unused(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        self.gate = nn.Parameter(torch.ones(()))

    def parameter_groups(self, lr):
        return [{'params': list(self.parameters())}]


class Frozen(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        next(self.parameters()).requires_grad_(False)


class InAList(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        hidden = [self.maps]
        del self.maps
        self.hidden = hidden

    @property
    def maps(self):
        return self.hidden[0]

    step = parameter_groups = None


class Backwards(Toy):
    def loss(self, out, y):
        return super().loss(out, 1 - y)


class Counts(Toy):
    def loss(self, out, y):
        self.steps += 1
        return super().loss(out, y)


class TrainsOn(Changed):
    def change(self, out, data):
        self.dropout.train()
        return out


class Overflows(Toy):
    def loss(self, out, y):
        parts, single = super().loss(out, y), not torch.is_autocast_enabled('cpu')
        return {**parts, 'total': parts['total'] / single}


class SingleOnly(Toy):
    def items(self, m, data):
        x = super().items(m, data)
        return x @ torch.eye(x.size(1))


class RoundsInSingle(Changed):
    def change(self, out, data):
        single = out.probs.dtype == torch.float32
        return out._replace(probs=out.probs.round() if single else out.probs)


class Hidden(Toy):
    """Keeps what it fitted in a plain attribute, which no file holds."""

    def fit(self, batches):
        super().fit(batches)
        self.shift = self.prior + 1

    def mean(self, x, batch, size):
        return super().mean(x, batch, size) + getattr(self, 'shift', 0)


class Momentum(Toy):
    """What it learns from depends on a number that no file holds."""

    seen = 0

    def loss(self, out, y):
        self.seen += self.training
        parts = super().loss(out, y)
        return {**parts, 'total': parts['total'] / (1 + self.seen)}


class NoCopies(Toy):
    def __init__(self, in_channels, num_labels, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        self.act = lambda x: x


class Remembers(Toy):
    def reset_parameters(self):
        for layer in self.maps.values():
            layer.reset_parameters()


class HalfReset(Toy):
    def reset_parameters(self):
        next(iter(self.maps.values())).reset_parameters()
        self.steps.zero_()


class OneDict(Toy):
    def forward(self, data, return_attention=False):
        out = super().forward(data, return_attention)
        return out._replace(attention=out.attention and out.attention[0])


class Unasked(Toy):
    def forward(self, data, return_attention=False):
        return super().forward(data, not self.training)


class Unnormalised(Toy):
    def weights(self, data):
        edge_index, alpha = super().weights(data)
        return edge_index, alpha / 2


class OneDim(Toy):
    def weights(self, data):
        edge_index, alpha = super().weights(data)
        return edge_index, alpha.squeeze(-1)


class Drawn(Toy):
    def fit(self, batches):
        self.prior = torch.randn(self.num_labels)


class NoBackward(Toy):
    def step(self, batch, y, backward):
        return self.loss(self(batch), y)


class OwnSteps(Toy):
    def step(self, batch, y, backward):
        parts = super().step(batch, y, backward)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter -= 0.01 * parameter.grad
        return parts


class Forgotten(Toy):
    def parameter_groups(self, lr):
        return [{'params': list(self.maps.parameters())[1:]}]


class OwnLoss(Toy):
    def loss(self, out, y):
        return {'total': F.binary_cross_entropy_with_logits(out.logits, y)}


class HiddenLoss(Toy):
    def __init__(self, in_channels, num_labels, *, criterion=BCE, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        self.rounds = criterion()


class NoVectors(Toy):
    def __init__(self, in_channels, num_labels, *, label_vectors=None, **kwargs):
        super().__init__(in_channels, num_labels, **kwargs)
        if label_vectors is not None:
            self.label_vectors = label_vectors @ torch.ones(3, 1)


class ProbsForLogits(Toy):
    def loss(self, out, y):
        return super().loss(Output(None, out.logits.flatten()), y.flatten())


FAULTS = [
    ('constructor', Choice, "keyword-only.*'dropout'"),
    ('constructor', Takes, "'in_channels' stays"),
    ('constructor', Function, 'is a torch.nn.Module .got partial'),
    ('output', NoTuple, 'named tuple'),
    ('output', Logits, r'lie in \[0, 1\]'),
    ('output', Flat, r'shape \[B, L\], here \[4, 3\] \(got \[12\]\)'),
    ('output', Decision, "'pred' is bool"),
    ('batch', NoProbs, 'got None'),
    ('features', TextOnly, "those of 'vision'"),
    ('sample', BatchOnly, 'a batch of one'),
    ('batch', BatchNorm, 'alone gives the same'),
    ('padding', ReadsPadding, 'longer sample'),
    ('order', ByPlace, 'another order'),
    ('sets', Sequential, "'set' have no order"),
    ('names', TextIsSpecial, 'other names'),
    ('explicit_edges', RangesOnly, 'explicit edges'),
    ('deterministic', Random, 'evaluated twice'),
    ('labels_unread', Teacher, 'read the labels: others'),
    ('labels_unread', NeedsLabels, 'AttributeError|KeyError'),
    ('inputs', InPlace, "its 'x' is another"),
    ('inputs', Leaves, "here 'label'.*seen"),
    ('modalities', TwoOrMore, 'ValueError: needs two.*test_check_model.py:'),
    ('modalities', TorchDict, "'type'"),
    ('missing', AllThere, 'AssertionError'),
    ('missing', MeanOfNothing, 'finite'),
    ('one_item', TwoItems, 'finite|the same'),
    ('one_label', Squeezed, 'IndexError|shape'),
    ('no_positives', Ranks, 'finite'),
    ('ids', NoIds, 'dim|shape|size'),
    ('ids', IdsAsNumbers, 'other ids'),
    ('relabelling', OwnOrder, 'labels in another order'),
    ('loss', NoTotal, r"keys \['bce'\]"),
    ('loss', EachSample, r'Tensor of shape \[4\]'),
    ('loss', TrainingOnly, "'total' is finite"),
    ('loss', NoGradient, 'has a gradient'),
    ('gradients', NoGradient, 'none reaches'),
    ('gradients', Detached, 'none reaches'),
    ('gradients', Unused, r"none reaches \['gate'\]"),
    ('gradients', Frozen, 'does not require'),
    ('gradients', InAList, 'ModuleList'),
    ('learns', Backwards, 'cross-entropy goes from'),
    ('evaluation', Counts, "not so 'steps'"),
    ('evaluation', TrainsOn, 'dropout'),
    ('half_precision', Overflows, 'finite'),
    ('double_precision', SingleOnly, 'dtype'),
    ('double_precision', RoundsInSingle, 'as in float32'),
    ('save', Hidden, 'loaded from its weights file gives'),
    ('save', Momentum, 'goes on learning'),
    ('copies', NoCopies, 'pickle'),
    ('reset', Remembers, "not so 'steps'"),
    ('reset', HalfReset, 'draws all weights anew'),
    ('attention', OneDict, 'a list with a dictionary.*got dict'),
    ('attention', Unasked, "'attention' is None"),
    ('attention', Unnormalised, 'sum to one'),
    ('attention', OneDim, 'alpha .E, heads.'),
    ('fit', Drawn, "not so 'prior'"),
    ('step', NoBackward, 'never does'),
    ('step', OwnSteps, 'leaves the weights'),
    ('parameter_groups', Forgotten, "'maps.<?text>?.weight' 0 times"),
    ('label_facts', NoVectors, 'mat1|size|shape'),
    ('criterion', OwnLoss, 'never is'),
    ('criterion', HiddenLoss, "as its 'criterion'.*got BCE"),
    ('criterion', ProbsForLogits, r'got \[12\]'),
]


def only(check, model, **facts):
    others = [name for name in MODEL_CHECKS if name != check]
    return check_model(model, except_for=others, **{**FACTS, **facts})


@pytest.mark.parametrize(('check', 'model', 'text'), FAULTS)
def test_a_fault_is_caught(check, model, text):
    with pytest.raises(CheckError, match=text) as caught:
        only(check, model)
    assert set(caught.value.failures) == {check}
    assert str(caught.value).startswith(f'{model.__name__} fails 1 check:\n- {check}: ')


def test_every_check_has_a_fault():
    assert {check for check, *_ in FAULTS} == set(MODEL_CHECKS)


def test_all_failures_are_told_at_once_and_one_cause_once():
    with pytest.raises(CheckError) as caught:
        check_model(TextOnly, **FACTS)
    assert set(caught.value.failures) == {'features', 'names', 'gradients'}
    with pytest.raises(CheckError) as caught:
        check_model(lambda in_channels, num_labels: 1 / 0)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(f'fails {len(caught.value.failures)} checks:')
    assert len(lines) == 2
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# What is excepted, and what a model does not have.


def test_exceptions():
    readers = ['padding', 'batch', 'missing', 'modalities', 'one_label', 'ids']
    readers += ['label_facts']
    assert 'padding' not in check_model(ReadsPadding, **FACTS, except_for=readers)
    with pytest.raises(InputError, match=r"'pading'.*did you mean 'padding'"):
        check_model(Toy, **FACTS, except_for=['pading'])
    with pytest.raises(InputError, match='collection of names'):
        check_model(Toy, **FACTS, except_for='padding')


def test_untrained_parameters_are_named():
    assert only('gradients', Unused, untrained=['gat*']) == ('gradients',)
    assert only('gradients', Frozen, untrained=['maps.*text*.weight'])
    with pytest.raises(CheckError, match="'gate', which is none of"):
        only('gradients', Toy, untrained=['gate'])


def test_facts_that_are_lacking():
    with pytest.raises(
        InputError, match=r"Toy\.extras names 'arousal': give its shape"
    ):
        check_model(partial(Toy, criterion=None))
    with pytest.raises(InputError, match='2 or more'):
        check_model(Toy, num_labels=1, **FACTS)


class Plain(nn.Module):
    """No power at all, and no weights: the mean of all features, squashed."""

    def __init__(self, in_channels, num_labels):
        super().__init__()
        self.num_labels = num_labels

    def forward(self, data):
        size, sums = getattr(data, 'num_graphs', 1), 0
        for m in schema.modalities(data.node_types):
            zero = torch.zeros(len(data[m].x), dtype=torch.long)
            batch = data[m].get('batch', zero)
            sums = sums + scatter(data[m].x.mean(dim=1), batch, dim_size=size)
        return Output(sums.sigmoid().unsqueeze(1).expand(-1, self.num_labels), None)

    def loss(self, out, y):
        return {'total': F.binary_cross_entropy(out.probs.float(), y.float())}


def test_a_model_without_weights_and_powers():
    made = check_model(Plain, except_for=['gradients', 'learns'])
    lacks = {'ids', 'relabelling', 'gradients', 'learns', 'reset', 'attention', 'fit'}
    lacks |= {'step', 'parameter_groups', 'criterion', 'label_facts'}
    assert set(made) == set(MODEL_CHECKS) - lacks
    with pytest.raises(CheckError) as caught:
        check_model(Plain)
    assert set(caught.value.failures) == {'gradients', 'learns'}


def test_the_callers_random_numbers_stay():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    only('learns', Toy)
    assert torch.equal(torch.rand(3), expected)
