"""What comes out of any model, and what it depends on; one function a check."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import explicit, without_targets
from hetero_mmer.testing.failure import expect, expect_close
from hetero_mmer.testing.model_case import ModelCase, samples_of


def constructor(case: ModelCase) -> None:
    """``Model(in_channels, num_labels, *, ...)``: facts first, choices by keyword."""
    names = list(_signature(case.factory))
    for parameter in list(_signature(case.factory).values())[2:]:
        expect(
            parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD),
            f"choices are keyword-only, behind a '*' (got '{parameter.name}' among "
            f'{names}), so that a recipe and the folder of a run can name them',
        )
    in_channels = dict(case.in_channels)
    torch.manual_seed(0)
    model = case.factory(in_channels, case.num_labels)
    expect(
        in_channels == dict(case.in_channels),
        f"'in_channels' stays as it is, {dict(case.in_channels)} (got {in_channels})",
    )
    expect(
        isinstance(model, torch.nn.Module),
        f'a model is a torch.nn.Module (got {type(model).__name__})',
    )


def output(case: ModelCase) -> None:
    """A named tuple with ``probs`` first, ``[B, L]`` in [0, 1]."""
    model, batch = case.trained(), case.batch()
    with torch.no_grad():
        out = model(batch)
    fields = getattr(out, '_fields', None)
    expect(
        fields and fields[0] == 'probs',
        "forward returns a named tuple with 'probs' first (got "
        f'{type(out).__name__ if fields is None else list(fields)})',
    )
    shape = [batch.num_graphs, case.num_labels]
    expect(
        isinstance(out.probs, Tensor) and list(out.probs.shape) == shape,
        f"'probs' has the shape [B, L], here {shape} (got "
        f'{list(getattr(out.probs, "shape", []))})',
    )
    low, high = float(out.probs.min()), float(out.probs.max())
    expect(
        low >= 0 and high <= 1,
        f"'probs' lie in [0, 1] (got {low:.3g} to {high:.3g})",
    )
    if (pred := getattr(out, 'pred', None)) is not None:
        expect(
            pred.dtype == torch.bool and list(pred.shape) == shape,
            f"'pred' is bool of shape [B, L], here {shape} (got {pred.dtype} of "
            f'{list(pred.shape)})',
        )


def features(case: ModelCase) -> None:
    """The items of every modality count."""
    model = case.trained()
    before = case.predict(model, case.batch())
    for m in case.in_channels:
        batch = case.batch()
        batch[m].x = -2 * batch[m].x + 1
        after = case.predict(model, batch)
        expect(
            (after - before).abs().max() > 0,
            f"the features of every modality count (those of '{m}' change nothing)",
        )


def sample(case: ModelCase) -> None:
    """One sample's graph is a batch of one."""
    model, graph = case.trained(), samples_of(case.batch())[0]
    expect_close(
        case.predict(model, graph),
        case.predict(model, Batch.from_data_list([graph])),
        case.tolerance,
        "one sample's graph gives the same as a batch of one",
    )


def batch(case: ModelCase) -> None:
    """A sample alone gives the same as in a batch of others."""
    case.expect_singles(case.trained(), case.batch())


def padding(case: ModelCase) -> None:
    """A longer sample beside them changes no others: no model reads its padding."""
    model, own = case.trained(), case.batch()
    expected = case.predict(model, own)
    longer = samples_of(case.batch(max_length=9, num_samples=2, seed=5))[0]
    for place, graphs in (
        ('after', [*samples_of(own), longer]),
        ('before', [longer, *samples_of(own)]),
    ):
        at = slice(None, -1) if place == 'after' else slice(1, None)
        expect_close(
            case.predict(model, Batch.from_data_list(graphs))[at],
            expected,
            case.tolerance,
            f'a longer sample {place} them, by which they are padded, changes no '
            'others',
        )


def order(case: ModelCase) -> None:
    """The order of samples is the order of outputs."""
    model, own, order = case.trained(), case.batch(), [2, 0, 3, 1]
    expect_close(
        case.predict(model, Batch.from_data_list(samples_of(own, order))),
        case.predict(model, own)[order],
        case.tolerance,
        'samples in another order give the same, in that order',
    )


def sets(case: ModelCase) -> None:
    """The items of a ``set`` have no order."""
    kinds: dict[str, schema.Kind] = dict.fromkeys(case.in_channels, 'set')
    case = case.but(kinds=kinds)
    model, own = case.trained(), case.batch()
    graphs = samples_of(own)
    for graph in graphs:
        for m in case.in_channels:
            graph[m].x = graph[m].x.flip(0)
    expect_close(
        case.predict(model, Batch.from_data_list(graphs)),
        case.predict(model, own),
        case.tolerance,
        "the items of a modality of the kind 'set' have no order (reversed, they give "
        'something else)',
    )


def names(case: ModelCase) -> None:
    """What a modality is called decides nothing."""
    ranks = {m: i for i, m in enumerate(sorted(case.in_channels))}
    new = {m: f'm{ranks[m]}' for m in case.in_channels}
    kinds = {new[m]: kind for m, kind in (case.kinds or {}).items()}
    other = case.but(
        in_channels={new[m]: width for m, width in case.in_channels.items()},
        kinds=kinds,
    )
    expect_close(
        other.predict(other.fresh(), other.batch()),
        case.predict(case.fresh(), case.batch()),
        case.tolerance,
        f'modalities of other names, {list(new.values())} for {list(new)}, give the '
        'same',
    )


def explicit_edges(case: ModelCase) -> None:
    """Explicit edges give the same as complete relations."""
    model, own = case.trained(), case.batch()
    expect_close(
        case.predict(model, explicit(own)),
        case.predict(model, own),
        case.tolerance,
        'the graph with explicit edges gives the same as that with ranges',
    )


def deterministic(case: ModelCase) -> None:
    """Evaluation draws nothing at random."""
    model, own = case.trained(), case.batch()
    torch.manual_seed(1)
    first = case.predict(model, own)
    torch.manual_seed(2)
    second = case.predict(model, own)
    expect_close(second, first, 0.0, 'evaluated twice, a model gives the same')


def labels_unread(case: ModelCase) -> None:
    """Evaluation does not read the labels."""
    model, own = case.trained(), case.batch()
    expected = case.predict(model, own)
    other = case.batch()
    for key in {'y', 'intensity'} & {*other[schema.LABEL].keys()}:
        other[schema.LABEL][key] = 1 - other[schema.LABEL][key]
    text = 'in evaluation, forward does not read the labels'
    expect_close(case.predict(model, other), expected, 0.0, f'{text}: others')
    other = without_targets(other)
    expect_close(case.predict(model, other), expected, 0.0, f'{text}: none')


def inputs(case: ModelCase) -> None:
    """A model changes nothing in its batch."""
    model, own = case.trained(), case.batch()
    before = own.clone()
    case.predict(model, own)
    model.train()
    case.backward(model, own)
    places = ('the batch', *own.node_types, *own.edge_types)
    for place, store, old in zip(places, own.stores, before.stores, strict=True):
        what = f'a model leaves its batch as it was, here {place!r}'
        keys = list(old.keys())
        expect(list(store.keys()) == keys, f'{what} (got {list(store.keys())})')
        for key, value in old.items():
            same = not isinstance(value, Tensor) or torch.equal(store[key], value)
            expect(same, f"{what} (its '{key}' is another one)")


def _signature(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    while isinstance(factory, partial):
        factory = factory.func
    return dict(inspect.signature(factory).parameters)
