"""What data of any model may look like; one function a check."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import targets
from hetero_mmer.spec import LABEL_RELATIONS, LABEL_VECTORS, NUM_EMBEDDINGS
from hetero_mmer.testing.failure import (
    NotApplicable,
    expect,
    expect_close,
    parameters_of,
)
from hetero_mmer.testing.model_case import ModelCase, samples_of

#: Names of modalities that are as good as any: one of a method of modules, others with
#: the signs that a name may have.
_FOUR: Final = {'type': 3, 'EEG-left': 4, 'text': 2, 'heart_rate': 5}


def modalities(case: ModelCase) -> None:
    """One modality or four, of any names, will do."""
    for chosen in (dict(list(_FOUR.items())[:1]), _FOUR):
        case.but(in_channels=chosen, kinds=None).expect_works()


def missing(case: ModelCase) -> None:
    """Samples and whole batches may lack modalities."""
    if len(case.in_channels) < 2:
        raise NotApplicable
    model = case.trained()
    own = case.batch(missing=True, num_samples=2 + len(case.in_channels))
    case.expect_singles(model, own)
    for place in range(len(case.in_channels)):
        without = Batch.from_data_list(samples_of(own, [place + 1]))
        case.predict(model, without)
        model.train()
        case.backward(model, without)
        model.eval()
    case.train(model, own)
    case.predict(model, own)


def one_item(case: ModelCase) -> None:
    """Modalities may have one item each."""
    case.expect_works(max_length=1)


def one_label(case: ModelCase) -> None:
    """There may be one label."""
    case.but(num_labels=1).expect_works()


def no_positives(case: ModelCase) -> None:
    """No sample of a batch need have a label."""
    model, own = case.fresh().train(), case.batch()
    for y in (torch.zeros_like(targets(own)), torch.ones_like(targets(own))):
        own[schema.LABEL].y = y.flatten()
        case.backward(model, own, y)


def ids(case: ModelCase) -> None:
    """The items of a modality may be ids, if the model takes ``num_embeddings``."""
    if NUM_EMBEDDINGS not in parameters_of(case.factory):
        raise NotApplicable
    words, *others = case.in_channels
    in_channels = {words: 1, **{m: case.in_channels[m] for m in others}}
    case = case.but(in_channels=in_channels, num_embeddings={words: 7})
    model = case.expect_works()
    own = case.batch()
    before = case.predict(model, own)
    own[words].x = (own[words].x + 1) % 7
    expect(
        (case.predict(model, own) - before).abs().max() > 0,
        'other ids give other probabilities (they give the same)',
    )


def label_facts(case: ModelCase) -> None:
    """``label_vectors`` and ``label_relations`` may be given, if a model takes them."""
    size = case.num_labels
    facts: dict[str, Any] = {
        LABEL_VECTORS: torch.randn(size, 6),
        LABEL_RELATIONS: torch.rand(size, size),
    }
    known = facts.keys() & set(parameters_of(case.factory))
    if not known:
        raise NotApplicable
    for name in known:
        case.but(facts={name: facts[name]}).expect_works()


def relabelling(case: ModelCase) -> None:
    """Labels in another order give the same, if ``relabel`` tells how to reorder."""
    if case.relabel is None:
        raise NotApplicable
    model, own = case.trained(), case.batch()
    expected = case.predict(model, own)
    order = torch.arange(case.num_labels).roll(1)
    both = [order] * (expected.size(1) // case.num_labels)
    with torch.no_grad():
        case.relabel(model, order)
    expect_close(
        case.predict(model, own),
        expected[:, torch.cat([k * case.num_labels + o for k, o in enumerate(both)])],
        case.tolerance,
        'labels in another order give the same, in that order',
    )
