"""What holds for any model, one function a check; each is named after its function."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetero_mmer import schema
from hetero_mmer.graph import explicit, targets
from hetero_mmer.spec import NUM_EMBEDDINGS
from hetero_mmer.testing.failure import (
    NotApplicable,
    expect,
    expect_close,
    expect_same_state,
    matching,
    parameters_of,
    same,
    state_of,
)
from hetero_mmer.testing.model_case import (
    LEARNING_RATE,
    ModelCase,
    check_parts,
    samples_of,
    trainable,
)
from hetero_mmer.weights import load_weights, save_weights

#: Names of modalities that are as good as any: one of a method of modules, others with
#: the signs that a name may have.
_FOUR: Final = {'type': 3, 'EEG-left': 4, 'text': 2, 'heart_rate': 5}


# What comes out.


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


# What depends on what.


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
    _expect_batch_is_singles(case, case.trained(), case.batch())


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
    other[schema.LABEL].y = 1 - other[schema.LABEL].y
    text = 'in evaluation, forward does not read the labels'
    expect_close(case.predict(model, other), expected, 0.0, f'{text}: others')
    del other[schema.LABEL]['y']
    expect_close(case.predict(model, other), expected, 0.0, f'{text}: none')


def inputs(case: ModelCase) -> None:
    """A model changes nothing in its batch."""
    model, own = case.trained(), case.batch()
    before = own.clone()
    case.predict(model, own)
    model.train()
    case.backward(model, own)
    for store, old in zip(own.stores, before.stores, strict=True):
        what = f'a model leaves its batch as it was, here {store._key or "the batch"!r}'
        keys = list(old.keys())
        expect(list(store.keys()) == keys, f'{what} (got {list(store.keys())})')
        for key, value in old.items():
            same = not isinstance(value, Tensor) or torch.equal(store[key], value)
            expect(same, f"{what} (its '{key}' is another one)")


# What data may look like.


def modalities(case: ModelCase) -> None:
    """One modality or four, of any names, will do."""
    for chosen in (dict(list(_FOUR.items())[:1]), _FOUR):
        _expect_works(case.but(in_channels=chosen, kinds=None))


def missing(case: ModelCase) -> None:
    """Samples and whole batches may lack modalities."""
    if len(case.in_channels) < 2:
        raise NotApplicable
    model = case.trained()
    own = case.batch(missing=True, num_samples=2 + len(case.in_channels))
    _expect_batch_is_singles(case, model, own)
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
    _expect_works(case, max_length=1)


def one_label(case: ModelCase) -> None:
    """There may be one label."""
    _expect_works(case.but(num_labels=1))


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
    model = _expect_works(case)
    own = case.batch()
    before = case.predict(model, own)
    own[words].x = (own[words].x + 1) % 7
    expect(
        (case.predict(model, own) - before).abs().max() > 0,
        'other ids give other probabilities (they give the same)',
    )


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


# Learning.


def loss(case: ModelCase) -> None:
    """A dictionary with a finite ``total`` and named parts, also in evaluation."""
    model, own = case.fresh(), case.batch()
    for training in (True, False):
        model.train(training)
        parts = model.loss(model(own), targets(own))
        check_parts(parts)
        expect(
            parts['total'].requires_grad or not trainable(model),
            "the loss 'total' has a gradient (it has none)",
        )


def gradients(case: ModelCase) -> None:
    """A gradient reaches every parameter."""
    model = case.fresh().train()
    untrained = [
        name
        for pattern in case.untrained
        for name in matching(pattern, dict(model.named_parameters()))
    ]
    expected = {
        name: p
        for name, p in model.named_parameters()
        if name not in untrained and p.numel()
    }
    expect(
        expected,
        'a model has parameters (it has none: are its layers in a list, not in a '
        'ModuleList?)',
    )
    for name, parameter in expected.items():
        expect(
            parameter.requires_grad,
            f"every parameter learns, and what does not is a buffer ('{name}' does not "
            'require a gradient)',
        )
    reached: set[str] = set()
    optimizer = case.optimizer(model)
    for _ in range(3):  # Some parts wait for others.
        model.zero_grad()
        case.backward(model, case.batch())
        reached |= {
            n for n, p in expected.items() if p.grad is not None and p.grad.any()
        }
        assert optimizer is not None
        optimizer.step()
    lost = [name for name in expected if name not in reached]
    expect(not lost, f'a gradient reaches every parameter (none reaches {lost})')


def learns(case: ModelCase) -> None:
    """Training on a batch brings its probabilities nearer to its labels."""
    model, own = case.fresh(), case.batch()
    y = targets(own)

    def error() -> float:
        probs = case.predict(model, own)[:, : case.num_labels].clamp(1e-6, 1 - 1e-6)
        return float(torch.nn.functional.binary_cross_entropy(probs, y))

    before = error()
    case.train(model, own, steps=20)
    after = error()
    expect(
        after < before,
        f'20 steps on a batch bring its probabilities nearer to its labels (their '
        f'cross-entropy goes from {before:.4f} to {after:.4f})',
    )


def evaluation(case: ModelCase) -> None:
    """Evaluation changes nothing in the model."""
    model, own = case.trained(), case.batch()
    before = state_of(model)
    out = model(own)
    model.loss(out, targets(own))
    expect_same_state(
        state_of(model), before, 'evaluation changes nothing in the model'
    )
    training = [name for name, m in model.named_modules() if m.training]
    expect(not training, f'evaluation leaves all modules in it (not so {training})')


def half_precision(case: ModelCase) -> None:
    """Under autocast to bfloat16, loss and gradients are finite."""
    case = case.but(dtype=torch.float32)
    model, own = case.fresh().train(), case.batch()
    with torch.autocast(torch.device(case.device).type, torch.bfloat16):
        case.backward(model, own)


def double_precision(case: ModelCase) -> None:
    """float64 gives the same as float32."""
    single, double = (case.but(dtype=t) for t in (torch.float32, torch.float64))
    expect_close(
        double.predict(double.fresh(), double.batch()),
        single.predict(single.fresh(), single.batch()),
        1e-3,
        'a model in float64 gives the same as in float32',
    )


# On disk, and drawn anew.


def save(case: ModelCase) -> None:
    """Weights and buffers survive a file; training goes on as if nothing had been."""
    model, own = case.trained(), case.batch()
    other = case.but(seed=1).unfitted()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.safetensors'
        save_weights(model, path)
        load_weights(other, path)
    what = 'a model that is loaded from its weights file'
    expect_close(
        case.predict(other, own),
        case.predict(model, own),
        0.0,
        f'{what} gives the same',
    )
    states = []
    for one in (model, other):
        torch.manual_seed(5)
        case.train(one, own, steps=2)
        states.append(state_of(one))
    expect_same_state(
        states[1], states[0], f'{what} goes on learning as if it had not been saved'
    )


def copies(case: ModelCase) -> None:
    """Copies and pickles give the same."""
    model, own = case.trained(), case.batch()
    expected = case.predict(model, own)
    expect_close(
        case.predict(copy.deepcopy(model), own),
        expected,
        0.0,
        'a deep copy gives the same',
    )
    with io.BytesIO(pickle.dumps(model)) as file:
        other = pickle.load(file)
    expect_close(case.predict(other, own), expected, 0.0, 'a pickle gives the same')


def reset(case: ModelCase) -> None:
    """``reset_parameters`` draws all weights anew, if a model has it."""
    model, other = case.trained(), case.fresh()
    if not hasattr(model, 'reset_parameters'):
        raise NotApplicable
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.25)
    states = []
    for one in (model, other):
        torch.manual_seed(3)
        one.reset_parameters()
        states.append(state_of(one))
    for name, parameter in model.named_parameters():
        expect(
            not (parameter == 7.25).any(),
            f"'reset_parameters' draws all weights anew (not all of '{name}')",
        )
    expect_same_state(
        states[0],
        states[1],
        "from the same seed, 'reset_parameters' makes the same of a trained model and "
        'of a new one',
    )


# Attention.


def attention(case: ModelCase) -> None:
    """``return_attention=True`` adds the weights of every round and relation."""
    model, own = case.trained(), case.batch(missing=len(case.in_channels) > 1)
    if 'return_attention' not in parameters_of(model.forward):
        raise NotApplicable
    with torch.no_grad():
        out = model(own, return_attention=True)
        plain = model(own)
    expect_close(
        out.probs,
        plain.probs,
        case.tolerance,
        "'return_attention' changes no probabilities",
    )
    expect(
        getattr(plain, 'attention', None) is None,
        "without 'return_attention', 'attention' is None "
        f'(got {type(plain.attention).__name__})',
    )
    rounds = out.attention
    expect(
        isinstance(rounds, list) and all(isinstance(r, dict) for r in rounds),
        "'attention' is a list with a dictionary for each round (got "
        f'{type(rounds).__name__})',
    )
    expect(any(rounds), "'attention' has weights of some relation (it has none)")
    for relation, value in (item for each in rounds for item in each.items()):
        _expect_attention(own, relation, value)


# What some models have.


def fit(case: ModelCase) -> None:
    """``fit(batches)`` makes the same of the same batches."""
    model, other = case.unfitted(), case.unfitted()
    if not hasattr(model, 'fit'):
        raise NotApplicable
    before, states = state_of(model), []
    for one in (model, other):
        one.train()
        one.fit([case.batch(seed=1), case.batch(seed=2)])
        states.append(state_of(one))
    expect_same_state(states[1], states[0], "'fit' makes the same of the same batches")
    expect(
        any(not same(states[0][name], before[name]) for name in before),
        "'fit' leaves what it learns in buffers or parameters (it changes none)",
    )


def step(case: ModelCase) -> None:
    """``step(batch, y, backward)`` makes gradients and leaves weights alone."""
    model, own = case.fresh().train(), case.batch()
    if not hasattr(model, 'step'):
        raise NotApplicable
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    losses: list[Tensor] = []

    def backward(loss: Tensor) -> None:
        losses.append(loss)
        loss.backward()

    check_parts(model.step(own, targets(own), backward))
    expect(losses, "'step' calls 'backward' with a loss (it never does)")
    after = dict(model.named_parameters())
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    expect(not changed, f"'step' leaves the weights to the optimiser (got {changed})")


def parameter_groups(case: ModelCase) -> None:
    """``parameter_groups(lr)`` has every parameter once."""
    model = case.fresh()
    if not hasattr(model, 'parameter_groups'):
        raise NotApplicable
    groups = model.parameter_groups(LEARNING_RATE)
    found = [id(p) for group in groups for p in group['params']]
    for name, parameter in model.named_parameters():
        number = found.count(id(parameter))
        expect(
            number == 1 or not parameter.requires_grad,
            f"'parameter_groups' have every parameter once ('{name}' {number} times)",
        )
    torch.optim.SGD(groups, lr=LEARNING_RATE)


def criterion(case: ModelCase) -> None:
    """``criterion`` is the loss of logits that a model uses, if it takes one."""
    if 'criterion' not in parameters_of(case.factory):
        raise NotApplicable
    asked: list[tuple[Tensor, Tensor]] = []

    def own(logits: Tensor, y: Tensor) -> Tensor:
        asked.append((logits, y))
        return logits.square().mean()

    model, batch = case.fresh(criterion=own).train(), case.batch()
    case.backward(model, batch)
    expect(asked, "'criterion' is called by the loss (it never is)")
    for logits, y in asked:
        expect(
            logits.shape == y.shape and logits.size(-1) == case.num_labels,
            "'criterion' is called with logits and labels of the same shape, [..., L] "
            f'(got {list(logits.shape)} and {list(y.shape)})',
        )


#: All checks by name, in the order in which they are made.
MODEL_CHECKS: Final[dict[str, Callable[[ModelCase], None]]] = {
    check.__name__: check
    for check in (
        constructor,
        output,
        features,
        sample,
        batch,
        padding,
        order,
        sets,
        names,
        explicit_edges,
        deterministic,
        labels_unread,
        inputs,
        modalities,
        missing,
        one_item,
        one_label,
        no_positives,
        ids,
        relabelling,
        loss,
        gradients,
        learns,
        evaluation,
        half_precision,
        double_precision,
        save,
        copies,
        reset,
        attention,
        fit,
        step,
        parameter_groups,
        criterion,
    )
}


def _signature(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    while isinstance(factory, partial):
        factory = factory.func
    return dict(inspect.signature(factory).parameters)


def _expect_batch_is_singles(case: ModelCase, model: Any, own: Batch) -> None:
    together = case.predict(model, own)
    alone = [case.predict(model, graph) for graph in samples_of(own)]
    expect_close(
        torch.cat(alone),
        together,
        case.tolerance,
        'a sample alone gives the same as in a batch',
    )


def _expect_works(case: ModelCase, **options: Any) -> Any:
    """A model learns and predicts, and a sample alone gives the same as in a batch."""
    model, own = case.fresh(), case.batch(**options)
    case.train(model, own)
    shape = case.predict(model, own).shape
    expect(
        shape[0] == own.num_graphs and shape[1] % case.num_labels == 0,
        f"'probs' has the shape [B, L], here {[own.num_graphs, case.num_labels]} (got "
        f'{list(shape)})',
    )
    _expect_batch_is_singles(case, model, own)
    return model


def _expect_attention(own: HeteroData, relation: Any, value: Any) -> None:
    what = f"'attention' of {relation}"
    expect(
        isinstance(relation, tuple) and len(relation) == 3,
        f"'attention' has relations (source, name, target) as keys (got {relation!r})",
    )
    expect(
        isinstance(value, tuple) and len(value) == 2,
        f'{what} is a pair (edge_index, alpha) (got {type(value).__name__})',
    )
    edge_index, alpha = value
    shapes = list(edge_index.shape), list(alpha.shape)
    expect(
        edge_index.dim() == 2
        and edge_index.size(0) == 2
        and alpha.dim() == 2
        and alpha.size(0) == edge_index.size(1),
        f'{what} has an edge_index [2, E] and an alpha [E, heads] (got {shapes})',
    )
    total = alpha.new_zeros(int(edge_index[1].max()) + 1 if alpha.size(0) else 0, 1)
    total = total.expand(-1, alpha.size(1)).index_add(0, edge_index[1], alpha)
    total = total[edge_index[1].unique()]
    expect_close(
        total,
        torch.ones_like(total),
        1e-4,
        f'{what}: the weights of each target sum to one',
    )
