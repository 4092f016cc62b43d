"""The smallest models with each power that a model may have."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear, Module, Parameter

from hetero_mmer.graph import targets
from hetero_mmer.nn.criterion import BCE


class Output(NamedTuple):
    probs: Tensor | None
    logits: Tensor
    pred: Tensor | None = None


def pooled(data, modalities):
    """The sum of each sample's items, [B, ΣF]."""
    parts = []
    for m in modalities:
        store, x = data[m], data[m].x
        batch = store.get('batch', torch.zeros(len(x), dtype=torch.long))
        num = getattr(data, 'num_graphs', 1)
        parts.append(x.new_zeros(num, x.size(1)).index_add(0, batch, x))
    return torch.cat(parts, dim=1)


class Plain(Module):
    """Logistic regression on pooled items, with a dropout to draw numbers."""

    def __init__(self, in_channels, num_labels, *, criterion=BCE) -> None:
        super().__init__()
        self.modalities = list(in_channels)
        self.lin = Linear(sum(in_channels.values()), num_labels)
        self.criterion = criterion()

    def forward(self, data):
        x = F.dropout(pooled(data, self.modalities), 0.3, self.training)
        logits = self.lin(x)
        return Output(logits.sigmoid(), logits)

    def loss(self, out, y):
        return {'total': self.criterion(out.logits, y.to(out.logits.dtype))}


class Stepping(Plain):
    """The same, by its own call of ``backward``."""

    def step(self, batch, y, backward):
        parts = self.loss(self(batch), y)
        backward(parts['total'])
        return parts


class TwoSteps(Plain):
    """Calls ``backward`` twice, with half of the loss each."""

    def step(self, batch, y, backward):
        parts = self.loss(self(batch), y)
        for _ in range(2):
            backward(parts['total'] / 2 if _ else parts['total'].clone() / 2)
        return parts


class Rates(Plain):
    """Learns its weight ten times as fast as its bias."""

    def parameter_groups(self, lr):
        return [
            {'params': [self.lin.weight], 'lr': 10 * lr},
            {'params': [self.lin.bias]},
        ]


class LessRates(Plain):
    """Forgets its bias."""

    def parameter_groups(self, lr):
        return [{'params': [self.lin.weight], 'lr': lr}]


class Counting(Module):
    """Answers with the shares of the labels in training; learns nothing else."""

    shares: Tensor
    num_fits = 0

    def __init__(self, in_channels, num_labels) -> None:
        super().__init__()
        self.register_buffer('shares', torch.empty(0))

    def fit(self, batches):
        type(self).num_fits += 1
        ys = [targets(batch) for batch in batches]
        assert sum(map(len, ys)) == sum(map(len, map(targets, batches)))
        self.shares = torch.cat(ys).mean(dim=0)

    def forward(self, data):
        probs = self.shares.expand(getattr(data, 'num_graphs', 1), -1)
        return Output(probs, probs.logit())

    def loss(self, out, y):
        return {'total': F.binary_cross_entropy(out.probs, y.to(out.probs.dtype))}


class Fitted(Plain):
    """Starts from the shares of the labels, kept in a buffer whose size they give."""

    shares: Tensor
    num_fits = 0

    def __init__(self, in_channels, num_labels, **choices: Any) -> None:
        super().__init__(in_channels, num_labels, **choices)
        self.register_buffer('shares', torch.empty(0))

    def fit(self, batches):
        type(self).num_fits += 1
        self.shares = torch.cat([targets(batch) for batch in batches]).mean(dim=0)
        with torch.no_grad():
            self.lin.bias.copy_(self.shares.clamp(0.01, 0.99).logit())

    def forward(self, data):
        out = super().forward(data)
        return out._replace(logits=out.logits + self.shares)


class Deciding(Plain):
    """Decides for exactly one label, whatever the threshold."""

    def forward(self, data):
        out = super().forward(data)
        best = out.logits.argmax(dim=1)
        return out._replace(pred=F.one_hot(best, out.logits.size(1)) > 0)


class Forced(Plain):
    """Reads the labels in training only, and has no probabilities there."""

    def forward(self, data):
        out = super().forward(data)
        if self.training:
            return Output(None, out.logits + 0 * targets(data))
        assert 'y' not in data['label']
        return out


class Vectors(Module):
    """Compares pooled items with a vector for each label."""

    def __init__(
        self, in_channels, num_labels, *, label_vectors=None, label_relations=None
    ) -> None:
        super().__init__()
        self.modalities = list(in_channels)
        self.lin = Linear(sum(in_channels.values()), label_vectors.size(1))
        self.register_buffer('vectors', label_vectors.clone())
        self.relations = label_relations
        self.scale = Parameter(torch.ones(()))

    def forward(self, data):
        logits = self.scale * self.lin(pooled(data, self.modalities)) @ self.vectors.T
        return Output(logits.sigmoid(), logits)

    def loss(self, out, y):
        y = y.to(out.logits.dtype)
        return {'total': F.binary_cross_entropy_with_logits(out.logits, y)}


class Helped(Plain):
    """Adds an array of the store to its logits, and reads intensities in training."""

    extras = ('hint',)

    def forward(self, data):
        out = super().forward(data)
        hint = data['hint'].view(len(out.logits), -1)
        assert ('intensity' in data['label']) == self.training
        logits = out.logits + 99 * hint
        return Output(logits.sigmoid(), logits)
