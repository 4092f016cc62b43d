"""What holds for any layer, one function a check; each is named after its function."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor
from torch_geometric.nn import HeteroConv, MessagePassing

from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import Stage
from hetero_mmer.testing.failure import (
    NotApplicable,
    expect,
    expect_close,
    expect_reset,
    matching,
    parameters_of,
)
from hetero_mmer.testing.layer_case import NUM_SOURCES, NUM_TARGETS, LayerCase

#: First and last row of the blocks of complete relations, of 4 sources and 6 targets.
_BLOCKS: Final = {
    'of equal sizes': ([[0, 2], [2, 4]], [[0, 3], [3, 6]]),
    'of different sizes': ([[0, 1], [1, 4]], [[0, 4], [4, 6]]),
    'some without sources or targets': ([[0, 4], [4, 4]], [[0, 0], [0, 6]]),
    'that leave nodes out': ([[1, 3]], [[2, 5]]),
}


def string_form(case: LayerCase) -> None:
    """One line that begins with the name of the class."""
    layer = case.new()
    name, text = type(layer).__name__, str(layer)
    expect(
        text.startswith(f'{name}(') and '\n' not in text and '0x' not in text,
        f"the string form is one line, '{name}(...)' (got {text!r})",
    )


def output(case: LayerCase) -> None:
    """From two node types, a finite message of the width asked for per target."""
    out = case.layer()(case.pair(), case.edges())
    shape = [NUM_TARGETS, case.channels]
    expect(
        isinstance(out, Tensor) and list(out.shape) == shape,
        f'the output has the shape [N_t, d], here {shape} (got '
        f'{list(out.shape) if isinstance(out, Tensor) else type(out).__name__})',
    )
    expect(out.isfinite().all(), 'the output is finite (some of its values are not)')


def edge_order(case: LayerCase) -> None:
    """The order of edges means nothing."""
    layer, x, edges = case.layer(), case.pair(), case.edges()
    expected = layer(x, edges)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(edges.size(1), generator=generator)
        expect_close(
            layer(x, edges[:, order]),
            expected,
            case.tolerance,
            'edges in another order give the same',
        )


def edges_count(case: LayerCase) -> None:
    """Other sources give another message."""
    layer, (x_src, x_dst), edges = case.layer(), case.pair(), case.edges()
    before = layer((x_src, x_dst), edges)
    after = layer((1 - 2 * x_src, x_dst), edges)
    changed = ((after - before).abs() > 0).any(dim=1)
    heard = torch.zeros_like(changed)
    heard[edges[1]] = True
    expect(
        torch.equal(changed, heard),
        'other states of all sources change what reaches the targets with edges, '
        f'{heard.nonzero().flatten().tolist()}, and no other '
        f'(got {changed.nonzero().flatten().tolist()})',
    )


def side_by_side(case: LayerCase) -> None:
    """Graphs of one batch do not hear each other."""
    layer, edges = case.layer(), case.edges()
    one = case.pair()
    other = case.draw(NUM_SOURCES, seed=2), 10 * case.draw(NUM_TARGETS, seed=3)
    shift = torch.tensor([[NUM_SOURCES], [NUM_TARGETS]], device=edges.device)
    both = tuple(map(torch.cat, zip(one, other, strict=True)))
    expect_close(
        layer(both, torch.cat([edges, edges + shift], dim=1)),
        torch.cat([layer(one, edges), layer(other, edges)]),
        case.tolerance,
        'two graphs side by side give what each gives alone',
    )


def no_edges(case: LayerCase) -> None:
    """A target without edges gets zeros."""
    layer, x, edges = case.layer(), case.pair(), case.edges()
    out = layer(x, edges)
    expect(not out[1].any(), 'a target without edges gets zeros (it gets something)')
    out = layer(x, edges[:, :0])
    expect(not out.any(), 'without any edge all targets get zeros (some do not)')


def no_nodes(case: LayerCase) -> None:
    """There may be no source or no target."""
    layer, edges, (x_src, x_dst) = case.layer(), case.edges()[:, :0], case.pair()
    for x in ((x_src[:0], x_dst), (x_src, x_dst[:0])):
        out, shape = layer(x, edges), [len(x[1]), case.channels]
        expect(
            list(out.shape) == shape and out.isfinite().all(),
            f'{len(x[0])} sources and {len(x[1])} targets without edges give finite '
            f'numbers of shape {shape} (got {list(out.shape)})',
        )


def one_node_type(case: LayerCase) -> None:
    """States of one node type are the pair of twice the same."""
    layer, x, edges = case.layer(), case.draw(NUM_SOURCES), case.edges()
    expect_close(
        layer(x, edges),
        layer((x, x), edges),
        case.tolerance,
        'one node type gives the same as a pair of twice its states',
    )


def all_pairs(case: LayerCase) -> None:
    """Complete relations give the same as their edges, if the layer takes them."""
    layer = case.layer()
    if not getattr(layer, 'supports_all_pairs', False):
        raise NotApplicable
    x = case.draw(4), case.draw(6, seed=1)
    for name, ranges in _BLOCKS.items():
        src, dst = (torch.tensor(r, device=case.device) for r in ranges)
        _expect_pairs_are_edges(case, layer, x, AllPairs(src, dst), f'blocks {name}')
    same = torch.tensor([[0, 2], [2, 3], [3, 6]], device=case.device)
    pairs = AllPairs(same, same, loops=False)
    _expect_pairs_are_edges(case, layer, (x[1], x[1]), pairs, 'blocks without loops')


def deterministic(case: LayerCase) -> None:
    """Evaluation draws nothing at random."""
    layer, x, edges = case.layer(), case.pair(), case.edges()
    torch.manual_seed(1)
    first = layer(x, edges)
    torch.manual_seed(2)
    expect_close(layer(x, edges), first, 0.0, 'evaluated twice, a layer gives the same')


def inputs(case: LayerCase) -> None:
    """A layer changes none of its inputs."""
    layer, x, edges = case.layer().train(), case.pair(), case.edges()
    before = [value.clone() for value in (*x, edges)]
    layer(x, edges)
    for name, value, old in zip(
        ('sources', 'targets', 'edges'), (*x, edges), before, strict=True
    ):
        expect(torch.equal(value, old), f'a layer leaves its {name} as they were')


def gradients(case: LayerCase) -> None:
    """Finite gradients reach every parameter and the sources."""
    layer = case.layer().train()
    x_src, x_dst = (x.requires_grad_() for x in case.pair())
    out = layer((x_src, x_dst), case.edges())
    (out * case.draw(NUM_TARGETS, seed=2)).sum().backward()
    named = dict(layer.named_parameters())
    untrained = {n for pattern in case.untrained for n in matching(pattern, named)}
    grads = {name: p.grad for name, p in named.items()}
    for name, grad in {**grads, 'sources': x_src.grad, 'targets': x_dst.grad}.items():
        expect(
            name in untrained or name == 'targets' or (grad is not None and grad.any()),
            f"a gradient reaches every parameter and the sources (not '{name}')",
        )
        expect(
            grad is None or grad.isfinite().all(),
            f"the gradient of '{name}' is finite (some of its values are not)",
        )


def reset(case: LayerCase) -> None:
    """``reset_parameters`` draws all weights anew."""
    layer, other = case.layer(), case.new()
    expect(
        hasattr(layer, 'reset_parameters'),
        "a layer has 'reset_parameters', which its stage calls (it has none)",
    )
    expect_reset(
        layer,
        other,
        "from the same seed, 'reset_parameters' draws the same weights",
    )


def attention(case: LayerCase) -> None:
    """``return_attention_weights=True`` adds the edges and their weights, as PyG's."""
    layer, x, edges = case.layer(), case.pair(), case.edges()
    if 'return_attention_weights' not in parameters_of(layer.forward):
        raise NotApplicable
    relations: list[Tensor | AllPairs] = [edges]
    if getattr(layer, 'supports_all_pairs', False):
        src = torch.tensor([[0, 2], [2, 5]], device=case.device)
        dst = torch.tensor([[0, 1], [1, 4]], device=case.device)
        relations.append(AllPairs(src, dst))
    for relation in relations:
        found = layer(x, relation, return_attention_weights=True)
        expect(
            isinstance(found, tuple)
            and len(found) == 2
            and isinstance(found[1], tuple)
            and len(found[1]) == 2,
            "'return_attention_weights' gives (out, (edge_index, alpha)) (got "
            f'{type(found).__name__})',
        )
        out, (edge_index, alpha) = found
        expect_close(
            out,
            layer(x, relation),
            case.tolerance,
            "'return_attention_weights' changes no messages",
        )
        own = relation.edge_index() if isinstance(relation, AllPairs) else relation
        expect(
            torch.equal(edge_index, own),
            f'weights come with the edges of the relation, {own.tolist()} (got '
            f'{edge_index.tolist()})',
        )
        expect(
            alpha.dim() == 2 and alpha.size(0) == own.size(1),
            f'weights have the shape [E, heads], here [{own.size(1)}, heads] (got '
            f'{list(alpha.shape)})',
        )
        total = alpha.new_zeros(NUM_TARGETS, alpha.size(1))
        total = total.index_add(0, own[1], alpha)[own[1].unique()]
        expect_close(
            total,
            torch.ones_like(total),
            1e-4,
            'the weights of each target sum to one',
        )


def hooks(case: LayerCase) -> None:
    """Hooks on the layer and on its messages are called."""
    relation = ('source', 'to', 'target')
    x = dict(zip(relation[::2], case.pair(), strict=True))
    calls: list[Any] = []
    layer = case.layer()
    kinds: dict[str, Tensor | AllPairs] = {'edges': case.edges()}
    if getattr(layer, 'supports_all_pairs', False):
        ranges = torch.tensor([[0, 4]], device=case.device)
        kinds['ranges'] = AllPairs(ranges, ranges)
    for name, edge_index in kinds.items():
        layer = case.layer()
        plain = Stage({relation: layer})(x, {relation: edge_index})['target']
        calls.clear()
        layer.register_forward_hook(lambda *args: calls.append(args))
        Stage({relation: layer})(x, {relation: edge_index})
        expect(calls, f'a hook on a layer is called with {name} (it is not)')
        if isinstance(layer, MessagePassing):
            layer.register_message_forward_hook(lambda *args: args[-1] * 0)
            out = Stage({relation: layer})(x, {relation: edge_index})['target']
            expect(
                not torch.equal(out, plain),
                f'a hook on messages has its effect with {name} (it has none)',
            )


def in_a_stage(case: LayerCase) -> None:
    """A stage joins its messages as PyG's ``HeteroConv`` does."""
    layer, edges = case.layer(), case.edges()
    x_dict = dict(
        zip(('a', 'b', 'c'), (*case.pair(), case.draw(5, seed=2)), strict=True)
    )
    relations = {('a', 'to', 'b'): edges, ('c', 'to', 'b'): edges.flip(1)[:, 1:]}
    convs = dict.fromkeys(relations, layer)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'There exist node types')
        expected = HeteroConv(convs, 'cat')(x_dict, relations)['b']
    expect_close(
        Stage(convs, aggr='cat')(x_dict, relations)['b'],
        expected,
        case.tolerance,
        "in a Stage, a layer gives the same as in PyG's HeteroConv",
    )


def double_precision(case: LayerCase) -> None:
    """float64 gives the same as float32."""
    single, double = (
        (c.layer()(c.pair(), c.edges()))
        for c in (replace(case, dtype=t) for t in (torch.float32, torch.float64))
    )
    expect_close(
        double, single, 1e-3, 'a layer in float64 gives the same as in float32'
    )


def copies(case: LayerCase) -> None:
    """Copies and pickles give the same."""
    layer, x, edges = case.layer(), case.pair(), case.edges()
    expected = layer(x, edges)
    expect_close(
        copy.deepcopy(layer)(x, edges), expected, 0.0, 'a deep copy gives the same'
    )
    with io.BytesIO(pickle.dumps(layer)) as file:
        other = pickle.load(file)
    expect_close(other(x, edges), expected, 0.0, 'a pickle gives the same')


#: All checks by name, in the order in which they are made.
LAYER_CHECKS: Final[dict[str, Callable[[LayerCase], None]]] = {
    check.__name__: check
    for check in (
        string_form,
        output,
        edge_order,
        edges_count,
        side_by_side,
        no_edges,
        no_nodes,
        one_node_type,
        all_pairs,
        deterministic,
        inputs,
        gradients,
        reset,
        attention,
        hooks,
        in_a_stage,
        double_precision,
        copies,
    )
}


def _expect_pairs_are_edges(
    case: LayerCase,
    layer: Any,
    x: tuple[Tensor, Tensor],
    pairs: AllPairs,
    what: str,
) -> None:
    weight = case.draw(len(x[1]), seed=4)
    found = []
    for relation in (pairs, pairs.edge_index()):
        leaves = [value.clone().requires_grad_() for value in x]
        layer.zero_grad()
        out = layer(tuple(leaves), relation)
        (out * weight).sum().backward()
        named = {'sources': leaves[0], 'targets': leaves[1]}
        named |= dict(layer.named_parameters())
        grads = {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for name, p in named.items()
        }
        found.append({'the output': out, **grads})
    for name, value in found[1].items():
        part = name if name == 'the output' else f"the gradient of '{name}'"
        expect_close(
            found[0][name],
            value,
            10 * case.tolerance,
            f'a complete relation gives the same as its edges: {part} with {what}',
        )
