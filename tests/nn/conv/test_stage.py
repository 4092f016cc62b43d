from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATv2Conv, HeteroConv, MessagePassing, SAGEConv

from hetero_mmer.errors import InputError
from hetero_mmer.functional.joint_attention import joint_layout
from hetero_mmer.graph import AllPairs
from hetero_mmer.nn.conv import AttentionConv, ReadoutConv, Relations, Stage, route

AB, BB, CB, BC = ('a', 'r', 'b'), ('b', 'r', 'b'), ('c', 'r', 'b'), ('b', 'r', 'c')
SIZES = {'a': 4, 'b': 6, 'c': 3}


class Watch(MessagePassing):
    """Keeps the relations that it gets."""

    def __init__(self) -> None:
        super().__init__(aggr='sum')
        self.seen: list = []

    def forward(self, x: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        self.seen.append(edge_index)
        return x if isinstance(x, Tensor) else x[1]


class WatchAllPairs(Watch):
    supports_all_pairs = True


@pytest.fixture
def x_dict():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(size, 8, generator=generator, dtype=torch.double)
        for name, size in SIZES.items()
    }


@pytest.fixture
def relations():
    """``a`` and ``c`` to ``b`` and ``b`` to itself, in two blocks."""
    a, b, c = (
        torch.tensor(x) for x in ([[0, 1], [1, 4]], [[0, 2], [2, 6]], [[0, 3], [3, 3]])
    )
    return {
        AB: AllPairs(a, b),
        BB: AllPairs(b, b, loops=False),
        CB: AllPairs(c, b),
        BC: AllPairs(b, c),
    }


def edges_of(relations):
    return {key: pairs.edge_index() for key, pairs in relations.items()}


def attention(seed=0, heads=2):
    torch.manual_seed(seed)
    return AttentionConv(8, 8, heads=heads).double()


def test_missing_relation_is_an_error(x_dict, relations):
    stage = Stage({AB: attention(), BB: attention()})
    del relations[BB]
    with pytest.raises(InputError, match=r"\('b', 'r', 'b'\)") as caught:
        stage(x_dict, relations)
    assert '\n' not in str(caught.value)
    assert "'a'" not in str(caught.value)


def test_other_relations_of_the_graph_are_not_its_business(x_dict, relations):
    out = Stage({AB: attention()})(x_dict, relations)
    assert list(out) == ['b']


def test_one_way_stage_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        Stage({AB: attention(), CB: attention()})


@pytest.mark.parametrize('aggr', ['sum', 'mean', 'min', 'max', 'cat', None])
@pytest.mark.filterwarnings('ignore:There exist node types')
def test_joins_like_pygs_hetero_conv(x_dict, relations, aggr):
    convs = {AB: attention(1), BB: attention(2), BC: attention(3)}
    edges = edges_of(relations)
    expected = HeteroConv(convs, aggr)(x_dict, edges)
    for relation in (relations, edges):
        out = Stage(convs, aggr=aggr)(x_dict, relation)
        assert out.keys() == expected.keys()
        for name in out:
            torch.testing.assert_close(out[name], expected[name])


@pytest.mark.parametrize('order', [[AB, CB, BB], [BB, AB, CB]])
def test_cat_is_in_the_order_of_the_layers(x_dict, relations, order):
    convs = {AB: attention(1), BB: attention(2), CB: attention(3)}
    stage = Stage({key: convs[key] for key in order}, aggr='cat')
    out = stage(x_dict, dict(reversed(relations.items())))['b']
    parts = [
        convs[key]((x_dict[key[0]], x_dict['b']), relations[key].edge_index())
        for key in order
    ]
    torch.testing.assert_close(out, torch.cat(parts, dim=-1))


def test_shared_layer_equals_separate_layers_of_the_same_weights(x_dict, relations):
    shared = attention(1)
    keys = [AB, BB, CB, BC]
    together = Stage(dict.fromkeys(keys, shared), aggr='cat')
    apart = Stage({key: copy.deepcopy(shared) for key in keys}, aggr='cat')
    out, expected = together(x_dict, relations), apart(x_dict, relations)
    for name in ('b', 'c'):
        torch.testing.assert_close(out[name], expected[name])
    (out['b'].sum() + out['c'].pow(2).sum()).backward()
    (expected['b'].sum() + expected['c'].pow(2).sum()).backward()
    for name, parameter in shared.named_parameters():
        total = sum(
            conv.get_parameter(name).grad
            for conv in apart.convs.values()
            if conv.get_parameter(name).grad is not None
        )
        torch.testing.assert_close(parameter.grad, total)


def test_shared_layer_projects_each_type_once(x_dict, relations):
    shared = attention()
    calls = []
    for name in ('lin_query', 'lin_key', 'lin_value'):
        getattr(shared, name).register_forward_hook(
            lambda *_, name=name: calls.append(name)
        )
    Stage(dict.fromkeys([AB, BB, CB], shared), aggr='cat')(x_dict, relations)
    assert calls.count('lin_query') == 1  # b
    assert calls.count('lin_key') == calls.count('lin_value') == 3  # a, b, c


def test_a_forward_of_ones_own_and_hooks_are_called(x_dict, relations):
    class Own(AttentionConv):
        def forward(self, *args, **kwargs):
            return 2 * super().forward(*args, **kwargs)

    own, plain = Own(8, 8).double(), AttentionConv(8, 8).double()
    own.load_state_dict(plain.state_dict())
    expected = Stage({AB: plain})(x_dict, relations)['b']
    torch.testing.assert_close(Stage({AB: own})(x_dict, relations)['b'], 2 * expected)
    called = []
    plain.register_forward_hook(lambda *args: called.append(args))
    torch.testing.assert_close(Stage({AB: plain})(x_dict, relations)['b'], expected)
    assert len(called) == 1


def test_layers_that_are_not_shared_project_for_themselves(x_dict, relations):
    first, second = attention(1), attention(2)
    stage = Stage({AB: first, CB: second}, aggr='cat')
    out = stage(x_dict, relations)['b']
    expected = [
        conv((x_dict[src], x_dict['b']), relations[src, 'r', 'b'])
        for src, conv in (('a', first), ('c', second))
    ]
    torch.testing.assert_close(out, torch.cat(expected, dim=-1))


def test_layer_of_pyg_gets_explicit_edges(x_dict, relations):
    watch, knows = Watch(), WatchAllPairs()
    Stage({AB: watch, BB: watch, CB: knows})(x_dict, relations)
    assert torch.equal(watch.seen[0], relations[AB].edge_index())
    assert torch.equal(watch.seen[1], relations[BB].edge_index())
    assert knows.seen[0] is relations[CB]


def test_explicit_edges_are_handed_over_as_they_are(x_dict, relations):
    watch = Watch()
    edges = edges_of(relations)
    Stage({AB: watch})(x_dict, edges)
    assert watch.seen[0] is edges[AB]


@pytest.mark.parametrize('conv', [SAGEConv, GATv2Conv])
@pytest.mark.filterwarnings('ignore:There exist node types')
def test_layers_of_pyg_agree_with_hetero_conv(x_dict, relations, conv):
    torch.manual_seed(0)
    kwargs = {'add_self_loops': False} if conv is GATv2Conv else {}
    layer = conv(8, 8, **kwargs).double()
    convs = {AB: layer, BB: layer, CB: attention()}
    expected = HeteroConv(convs)(x_dict, edges_of(relations))['b']
    torch.testing.assert_close(Stage(convs)(x_dict, relations)['b'], expected)


def test_attention_weights_of_every_relation_that_has_some(x_dict, relations):
    torch.manual_seed(0)
    gat = GATv2Conv(8, 8, add_self_loops=False).double()
    stage = Stage({AB: attention(), BB: SAGEConv(8, 8).double(), CB: gat})
    plain = stage(x_dict, relations)
    out, weights = stage(x_dict, relations, return_attention_weights=True)
    torch.testing.assert_close(out['b'], plain['b'])
    assert list(weights) == [AB, CB]
    for key, heads in ((AB, 2), (CB, 1)):
        edge_index, alpha = weights[key]
        assert torch.equal(edge_index, relations[key].edge_index())
        assert alpha.shape == (edge_index.size(1), heads)
        total = torch.zeros(6, heads).double().index_add(0, edge_index[1], alpha)
        heard = edge_index[1].unique()
        torch.testing.assert_close(total[heard], torch.ones_like(total[heard]))


def test_attention_weights_of_the_readout(x_dict, relations):
    stage = Stage({AB: ReadoutConv(8).double()})
    out, weights = stage(x_dict, edges_of(relations), return_attention_weights=True)
    assert weights[AB][1].shape == (relations[AB].num_edges, 1)
    torch.testing.assert_close(
        stage(x_dict, relations)['b'], out['b']
    )  # Knows no AllPairs either.


def test_resets_its_layers():
    stage = Stage({AB: attention(), BB: SAGEConv(8, 8).double()})
    before = [p.clone() for p in stage.parameters()]
    stage.reset_parameters()
    after = list(stage.parameters())
    assert all((old != new).all() for old, new in zip(before, after, strict=True))


@pytest.fixture
def items():
    """Ragged items of three types in two blocks, and all to all of them."""
    lengths = {'a': [1, 3], 'b': [2, 4], 'c': [3, 0]}
    x_dict, blocks = {}, {}
    for name, sizes in lengths.items():
        stop = torch.tensor(sizes).cumsum(0)
        blocks[name] = torch.stack([stop - torch.tensor(sizes), stop], dim=1)
        generator = torch.Generator().manual_seed(len(x_dict))
        x = torch.randn(sum(sizes), 8, generator=generator, dtype=torch.double)
        x_dict[name] = x
    relations = {
        (m, 'r', n): AllPairs(blocks[m], blocks[n], loops=m != n)
        for n in lengths
        for m in lengths
    }
    return x_dict, relations


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.parametrize('aggr', ['cat', 'sum', 'mean', 'min', 'max', None])
def test_all_to_all_is_computed_as_one_and_gives_the_same(
    items, aggr, heads, monkeypatch
):
    x_dict, relations = items
    shared = attention(1, heads)
    together = Stage(dict.fromkeys(relations, shared), aggr=aggr)
    apart = HeteroConv({key: copy.deepcopy(shared) for key in relations}, aggr=aggr)
    expected = apart(x_dict, edges_of(relations))
    monkeypatch.setattr(shared, 'attend', None)  # Nobody goes one by one.
    out = together(x_dict, relations)
    for name in x_dict:
        torch.testing.assert_close(out[name], expected[name])
    (sum(x.square().sum() for x in out.values())).backward()
    (sum(x.square().sum() for x in expected.values())).backward()
    for name, parameter in shared.named_parameters():
        total = sum(conv.get_parameter(name).grad for conv in apart.convs.values())
        torch.testing.assert_close(parameter.grad, total)


def not_all_pairs(relations):
    return {k: p.edge_index() for k, p in relations.items()}


def with_a_loop(relations):
    pairs = relations['b', 'r', 'b']
    return {**relations, ('b', 'r', 'b'): AllPairs(pairs.src, pairs.dst)}


def over_other_blocks(relations):
    pairs = relations['a', 'r', 'b']
    return {**relations, ('a', 'r', 'b'): AllPairs(pairs.src.flip(0), pairs.dst)}


@pytest.mark.parametrize('change', [not_all_pairs, with_a_loop, over_other_blocks])
def test_what_is_not_all_to_all_goes_one_by_one(items, change):
    x_dict, relations = items
    relations = change(relations)
    shared = attention(1)
    together = Stage(dict.fromkeys(relations, shared), aggr='cat')
    apart = HeteroConv({key: copy.deepcopy(shared) for key in relations}, aggr='cat')
    edges = {
        key: pairs.edge_index() if isinstance(pairs, AllPairs) else pairs
        for key, pairs in relations.items()
    }
    out, expected = together(x_dict, relations), apart(x_dict, edges)
    for name in x_dict:
        torch.testing.assert_close(out[name], expected[name])


def test_long_blocks_go_one_by_one_for_the_sake_of_memory():
    ranges = torch.tensor([[0, 33]])
    pairs = {('a', 'r', 'a'): AllPairs(ranges, ranges, loops=False)}
    x_dict = {'a': torch.randn(33, 8, dtype=torch.double)}
    conv, calls = attention(heads=1), []
    conv.attend = lambda *args: calls.append(args) or args[0]  # type: ignore
    stage = Stage(dict.fromkeys(pairs, conv))
    stage(x_dict, pairs)
    assert len(calls) == 1  # 33 scores of each item, a state has 4 x 8 numbers.


def test_two_relations_between_the_same_types_are_no_all_to_all(items):
    x_dict, relations = items
    relations = {**relations, ('a', 's', 'b'): relations['a', 'r', 'b']}
    shared = attention(1)
    together = Stage(dict.fromkeys(relations, shared), aggr='sum')
    apart = HeteroConv(dict.fromkeys(relations, shared), aggr='sum')
    expected = apart(x_dict, edges_of(relations))['b']
    torch.testing.assert_close(together(x_dict, relations)['b'], expected)


def test_targets_without_relations_of_their_own_are_no_all_to_all(items):
    x_dict, relations = items
    keys = [('a', 'r', 'a'), ('a', 'r', 'b')]
    shared = attention(1)
    expected = HeteroConv(dict.fromkeys(keys, shared))(x_dict, edges_of(relations))
    out = Stage(dict.fromkeys(keys, shared))(x_dict, relations)
    for name in ('a', 'b'):
        torch.testing.assert_close(out[name], expected[name])


def test_layouts_are_computed_once_for_all_stages(items, monkeypatch):
    x_dict, relations = items
    calls = []
    monkeypatch.setattr(
        route, 'joint_layout', lambda x: calls.append(x) or joint_layout(x)
    )
    relations = Relations(relations)
    stages = [Stage(dict.fromkeys(relations, attention(k)), aggr='sum') for k in (1, 2)]
    for stage in stages:
        stage(x_dict, relations)
    assert len(calls) == 1


def test_states_of_a_relations_own_targets(x_dict, relations):
    stage = Stage({AB: attention(1), CB: attention(2)}, aggr=None)
    other = torch.randn(6, 8, dtype=torch.double)
    out = stage({**x_dict, CB: other}, relations)['b']
    for k, (key, x) in enumerate([(AB, x_dict['b']), (CB, other)]):
        expected = stage.convs[key]((x_dict[key[0]], x), relations[key])
        torch.testing.assert_close(out[:, k], expected)


def test_messages_of_another_width_are_refused(x_dict, relations, items):
    for x, pairs in ((x_dict, {AB: relations[AB]}), items):  # One by one, as one.
        stage = Stage(dict.fromkeys(pairs, attention(1)), out_channels=9)
        with pytest.raises(InputError, match=r'width of the states, 9 \(got 8\)'):
            stage(x, pairs)


def test_what_is_remembered_of_a_relation_is_not_used_with_others(items):
    x_dict, relations = items
    shared = attention(1)
    stage = Stage(dict.fromkeys(relations, shared), aggr='cat')
    stage(x_dict, relations)
    changed = over_other_blocks(relations)  # The first relation is the same object.
    expected = HeteroConv(dict.fromkeys(relations, shared), aggr='cat')
    out = stage(x_dict, changed)['b']
    torch.testing.assert_close(out, expected(x_dict, edges_of(changed))['b'])


def test_rows_outside_of_all_blocks_hear_nothing():
    ranges = torch.tensor([[0, 2], [3, 5]])
    relations = {('a', 'r', 'a'): AllPairs(ranges, ranges, loops=False)}
    x_dict = {'a': torch.randn(6, 8, dtype=torch.double)}
    conv = attention(heads=1)
    out = Stage(dict.fromkeys(relations, conv))(x_dict, relations)['a']
    edge_index = relations['a', 'r', 'a'].edge_index()
    torch.testing.assert_close(out, conv(x_dict['a'], edge_index))
    assert not out[[2, 5]].any()


class DoubleMessage(AttentionConv):
    def message(self, value_j, alpha):
        return 2 * super().message(value_j, alpha)


class FirstNeighbour(AttentionConv):
    def edge_update(self, query_i, key_j, index, ptr, size_i):
        alpha = super().edge_update(query_i, key_j, index, ptr, size_i)
        return torch.ones_like(alpha)


@pytest.mark.parametrize('kind', [DoubleMessage, FirstNeighbour])
def test_steps_of_a_subclass_count_on_complete_relations_too(items, kind):
    x_dict, relations = items
    torch.manual_seed(0)
    stage = Stage(dict.fromkeys(relations, kind(8, 8).double()), aggr='cat')
    out, expected = stage(x_dict, relations), stage(x_dict, edges_of(relations))
    for name in x_dict:
        torch.testing.assert_close(out[name], expected[name])


@pytest.mark.parametrize('step', ['propagate', 'message', 'edge_update'])
def test_hooks_on_steps_are_called_on_complete_relations_too(items, step):
    x_dict, relations = items
    conv, calls = attention(1), []
    register = getattr(conv, f'register_{step}_forward_hook')
    register(lambda *args: calls.append(args))
    Stage(dict.fromkeys(relations, conv), aggr='cat')(x_dict, relations)
    assert len(calls) == len(relations)
