"""HHMPN against its equations, written as loops over samples, items and labels.

The oracle knows nothing of graphs, batches or PyTorch: it takes a sample as a dict of
arrays and the weights as a dict of arrays, and follows the equations one vector at a
time, in float64.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import LayerNorm
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch

from hetero_mmer import schema
from hetero_mmer.graph import AllPairs, explicit, prior_label_graph
from hetero_mmer.models import HHMPN

# The equations.


def affine(weight, x, bias=None):
    """W x + b, row by row."""
    out = np.array([float(np.dot(row, x)) for row in weight])
    return out if bias is None else out + bias


def layer_norm(x, norm):
    """LayerNorm of one vector."""
    mean = sum(x) / len(x)
    var = sum((value - mean) ** 2 for value in x) / len(x)
    return (x - mean) / math.sqrt(var + 1e-5) * norm['weight'] + norm['bias']


def position(t, width):
    """Sinusoidal encoding of place t (Vaswani et al., Sec. 3.5)."""
    out = np.zeros(width)
    for c in range(width):
        angle = t / 10000.0 ** (2 * (c // 2) / width)
        out[c] = math.sin(angle) if c % 2 == 0 else math.cos(angle)
    return out


def message(target, sources, w, heads):
    """Eq. 3-6: the message to one node, and the weight of each source, by head."""
    width = len(target)
    size = width // heads
    out = np.zeros(width)
    alpha = [[0.0] * heads for _ in sources]
    if not sources:
        return out, alpha
    query = affine(w['query'], target)
    keys = [affine(w['key'], s) for s in sources]
    values = [affine(w['value'], s) for s in sources]
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        scores = [float(np.dot(query[part], k[part])) / math.sqrt(size) for k in keys]
        total = sum(math.exp(s) for s in scores)
        for j, s in enumerate(scores):
            alpha[j][h] = math.exp(s) / total
            out[part] += alpha[j][h] * values[j][part]
    if heads > 1:
        out = affine(w['out'], out)
    return out, alpha


def update(g, w):
    """Eq. 7-8 without the residual: W^b ReLU(W^r g + b_1) + b_2."""
    hidden = affine(w['w_r'], g, w['b_1'])
    hidden = np.array([max(value, 0.0) for value in hidden])
    return affine(w['w_b'], hidden, w['b_2'])


def residual(x, delta, norm):
    total = x + delta
    return total if norm is None else layer_norm(total, norm)


def hhmpn(sample, weights, options):
    """Logits of every round, and every attention weight, of one sample.

    ``sample`` maps each modality to its items [S, F]; ``options`` holds ``heads``,
    ``norm``, ``positional``, ``kinds``, ``edges`` (pairs (k, i) among the labels) and
    the switches ``f2f``, ``f2l``, ``l2l``, ``m2l``.
    """
    names = list(sample)
    num_labels = len(weights['w_y'])
    heads = options['heads']

    v = {}
    for m in names:  # Embedding.
        v[m] = []
        for t, x in enumerate(sample[m]):
            item = affine(weights['w_x'][m], x, weights['b_x'][m])
            if options['positional'] and options['kinds'][m] == 'sequence':
                item = item + position(t, len(item))
            v[m].append(item)
    u = {m: [weights['w_y'][i].copy() for i in range(num_labels)] for m in names}

    logits, alphas = [], []
    for w in weights['rounds']:
        alpha = {}

        if options['f2f']:  # Eq. 9-10.
            z = {m: [] for m in names}
            for m in names:
                for i, item in enumerate(v[m]):
                    parts = []
                    for n in names:
                        near = [j for j in range(len(v[n])) if (n, j) != (m, i)]
                        mp, a = message(item, [v[n][j] for j in near], w['xx'], heads)
                        parts.append(mp)
                        for j, value in zip(near, a, strict=True):
                            alpha['f2f', n, m, j, i] = value
                    g = np.concatenate(parts)
                    z[m].append(residual(item, update(g, w['xx']), w['xx'].get('norm')))
        else:
            z = v

        for m in names:  # Eq. 11-12.
            for i in range(num_labels):
                if options['f2l']:
                    mp, a = message(u[m][i], z[m], w['xy'], heads)
                    for j, value in enumerate(a):
                        alpha['f2l', m, j, i] = value
                    g = residual(u[m][i], mp, w['xy'].get('norm_1'))
                    u[m][i] = residual(g, update(g, w['xy']), w['xy'].get('norm_2'))
                elif z[m]:
                    u[m][i] = u[m][i] + sum(z[m]) / len(z[m])

        if options['l2l']:  # Eq. 13-14.
            new = {m: [] for m in names}
            for m in names:
                for i in range(num_labels):
                    near = [k for k, target in options['edges'] if target == i]
                    mp, a = message(u[m][i], [u[m][k] for k in near], w['yy'], heads)
                    for k, value in zip(near, a, strict=True):
                        alpha['l2l', m, k, i] = value
                    g = residual(u[m][i], mp, w['yy'].get('norm_1'))
                    new[m].append(
                        residual(g, update(g, w['yy']), w['yy'].get('norm_2'))
                    )
            u = new

        fused = []  # Eq. 15-16.
        present = [m for m in names if len(sample[m])]
        for i in range(num_labels):
            scores = dict.fromkeys(present, 1.0)
            if options['m2l']:
                scores = {
                    m: math.exp(float(np.dot(w['w_l'], u[m][i]))) for m in present
                }
                total = sum(scores.values())
                scores = {m: s / total for m, s in scores.items()}
                for m in present:
                    alpha['m2l', m, i] = [scores[m]]
            fused.append(sum(scores[m] * u[m][i] for m in present))

        logits.append(
            [float(np.dot(weights['w_o'][i], fused[i])) for i in range(num_labels)]
        )
        alphas.append(alpha)
        v = z
        u = {m: [vector.copy() for vector in fused] for m in names}
    return np.array(logits), alphas


def hhmpn_loss(logits, y, aux_weight):
    """Eq. 18-20 for the logits [B][T, L] and targets [B][L]."""

    def bce(step):
        total = 0.0
        for sample, target in zip(logits, y, strict=True):
            for value, truth in zip(sample[step], target, strict=True):
                p = 1.0 / (1.0 + math.exp(-value))
                total -= math.log(p) if truth else math.log(1.0 - p)
        return total / (len(y) * len(y[0]))

    last = len(logits[0]) - 1
    return bce(last) + aux_weight * sum(bce(t) for t in range(last))


# The model's weights under the names of the equations.


def array(tensor):
    return tensor.detach().double().numpy()


def attention_weights(conv):
    out = {
        'query': array(conv.lin_query.weight),
        'key': array(conv.lin_key.weight),
        'value': array(conv.lin_value.weight),
    }
    if conv.heads > 1:
        out['out'] = array(conv.lin_out.weight)
    return out


def update_weights(update):
    return {
        'w_r': array(update.lin_hidden.weight),
        'b_1': array(update.lin_hidden.bias),
        'w_b': array(update.lin_out.weight),
        'b_2': array(update.lin_out.bias),
    }


def norm_weights(**norms):
    return {
        name: {'weight': array(norm.weight), 'bias': array(norm.bias)}
        for name, norm in norms.items()
        if isinstance(norm, LayerNorm)
    }


def model_weights(model):
    names = list(model.in_channels)
    rounds = []
    for step in model.rounds:
        w = {}
        if step.f2f is not None:
            w['xx'] = {
                **attention_weights(step.f2f.convs[schema.f2f(names[0], names[0])]),
                **update_weights(step.f2f_update.update),
                **norm_weights(norm=step.f2f_update.norm),
            }
        if step.f2l_update.update is not None:
            w['xy'] = {
                **attention_weights(step.f2l.convs[schema.f2l(names[0])]),
                **update_weights(step.f2l_update.update.update),
                **norm_weights(
                    norm_1=step.f2l_update.norm,
                    norm_2=step.f2l_update.update.norm,
                ),
            }
        if step.l2l is not None:
            w['yy'] = {
                **attention_weights(step.l2l.convs[schema.L2L]),
                **update_weights(step.l2l_update.update.update),
                **norm_weights(
                    norm_1=step.l2l_update.norm,
                    norm_2=step.l2l_update.update.norm,
                ),
            }
        if hasattr(step.m2l.convs[schema.M2L], 'lin'):
            w['w_l'] = array(step.m2l.convs[schema.M2L].lin.weight)[0]
        rounds.append(w)
    return {
        'w_x': {m: array(model.encoders[m].weight) for m in names},
        'b_x': {m: array(model.encoders[m].bias) for m in names},
        'w_y': array(model.label_embedding.weight),
        'w_o': array(model.out_weight),
        'rounds': rounds,
    }


# The cases: the number of items of each modality in each sample ...

DATA = {
    'ragged': {'text': [3, 1, 4], 'visual': [2, 5, 1], 'audio': [4, 2, 3]},
    'equal': {'text': [3, 3], 'audio': [2, 2]},
    'equal_everywhere': {'text': [2, 2], 'visual': [2, 2], 'audio': [2, 2]},
    'missing': {'text': [0, 2, 3, 1], 'visual': [2, 0, 0, 3], 'audio': [1, 4, 0, 2]},
    'missing_everywhere': {'text': [2, 1], 'audio': [0, 0]},
    'one_item': {'text': [1, 1, 1], 'audio': [1, 3, 1], 'visual': [2, 1, 0]},
    'one_modality': {'text': [3, 1, 2]},
    'four_modalities': {
        'text': [2, 3],
        'visual': [1, 2],
        'audio': [3, 0],
        'face': [2, 1],
    },
    'one_sample': {'audio': [3], 'text': [2]},
}

# ... and what the model and the label graph are.
PAPER = {'num_steps': 3}
ABLATIONS = [{stage: False} for stage in ('f2f', 'f2l', 'l2l', 'm2l')]
NO_STAGE = {'f2f': False, 'f2l': False, 'l2l': False, 'm2l': False}
EVERYTHING = {'num_steps': 3, 'heads': 2, 'norm': True, 'label_graph': 'given'}
MODELS = [
    PAPER,
    {'num_steps': 1},
    {'num_steps': 3, 'heads': 2},
    {'num_steps': 2, 'norm': True},
    {'num_steps': 2, 'positional': False},
    *({'num_steps': 3, **ablation} for ablation in ABLATIONS),
    *({'num_steps': 2, 'heads': 2, 'norm': True, **ablation} for ablation in ABLATIONS),
    {'num_steps': 3, **NO_STAGE},
    {'num_steps': 2, 'norm': True, **NO_STAGE},
    {'num_steps': 3, 'num_labels': 1},
    {'num_steps': 2, 'label_graph': 'prior'},
    {'num_steps': 3, 'label_graph': 'given'},
    {'num_steps': 2, 'label_graph': 'no_edges'},
    EVERYTHING,
]

# Edges k -> i. Label 1 hears nobody, label 2 hears itself too.
GIVEN = [(2, 0), (1, 2), (2, 2), (0, 2), (3, 0), (1, 3)]
TRAINING_LABELS = np.array(
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1]]
    + [[1, 0, 0, 0]] * 4
)


def prior_edges(labels, threshold=0.2):
    """n_ik / sqrt(n_i n_k) >= threshold, plus self-loops; label 2 never occurs."""
    num_labels = labels.shape[1]
    edges = []
    for i, k in itertools.product(range(num_labels), repeat=2):
        both = sum(1 for row in labels if row[i] and row[k])
        n_i, n_k = sum(labels[:, i]), sum(labels[:, k])
        joined = n_i and n_k and both / math.sqrt(n_i * n_k) >= threshold
        if joined or i == k:
            edges.append((k, i))
    return edges


def label_edges(kind, num_labels):
    """The label graph for the oracle, as pairs, and for the model, as a tensor."""
    if kind == 'prior':
        return prior_edges(TRAINING_LABELS), prior_label_graph(
            torch.from_numpy(TRAINING_LABELS)
        )
    if kind == 'given':
        return GIVEN, torch.tensor(GIVEN).T
    if kind == 'no_edges':
        return [], torch.empty(2, 0, dtype=torch.long)
    complete = itertools.permutations(range(num_labels), 2)
    return list(complete), None


# The routes of the relations through the model.


def as_edges(batch):
    return explicit(batch)


def as_shuffled_edges(batch):
    generator = torch.Generator().manual_seed(0)
    batch = explicit(batch)
    for store in batch.edge_stores:
        order = torch.randperm(store.edge_index.size(1), generator=generator)
        store.edge_index = store.edge_index[:, order]
    return batch


def as_csr(batch):
    batch = explicit(batch)
    for (src, _, dst), store in batch.edge_items():
        size = (batch[src].num_nodes, batch[dst].num_nodes)
        store.edge_index = EdgeIndex(
            store.edge_index, sparse_size=size, sort_order='col'
        ).validate()
    return batch


ROUTES = {
    'all_pairs': lambda batch: batch,
    'edges': as_edges,
    'shuffled_edges': as_shuffled_edges,
    'csr': as_csr,
}


class Case:
    """A model, a batch, and what the oracle says about them."""

    def __init__(self, make_samples, make_graphs, data, options, seed=0):
        options = dict(options)
        num_labels = options.pop('num_labels', 4)
        edges, label_graph = label_edges(options.pop('label_graph', None), num_labels)
        self.samples = make_samples(DATA[data], seed)
        self.names = list(DATA[data])
        self.num_labels = num_labels
        graphs = make_graphs(self.samples, num_labels, label_graph, seed=seed)
        self.kinds = {
            m: 'sequence' if 'pos' in graphs[0][m] else 'set' for m in self.names
        }
        self.batch = Batch.from_data_list(graphs)
        self.batch.apply(lambda x: x.double() if x.is_floating_point() else x)
        self.y = self.batch['label'].y.view(-1, num_labels)
        torch.manual_seed(seed)
        self.model = HHMPN(
            {m: self.samples[0][m].shape[1] for m in self.names},
            num_labels,
            hidden_channels=4,
            dropout=0.5,
            **options,
        )
        self.model = self.model.double().eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.normal_(0.0, 0.35, generator=generator)
        switches = dict.fromkeys(['f2f', 'f2l', 'l2l', 'm2l'], True)
        settings = {
            'heads': 1,
            'norm': False,
            'positional': True,
            **switches,
            **options,
        }
        settings |= {'kinds': self.kinds, 'edges': edges}
        weights = model_weights(self.model)
        expected = [hhmpn(sample, weights, settings) for sample in self.samples]
        self.logits = np.stack([logits for logits, _ in expected], axis=1)  # [T, B, L]
        self.alphas = [alphas for _, alphas in expected]


@pytest.fixture
def make_case(make_samples, make_graphs):
    def make(data, options, seed=0):
        return Case(make_samples, make_graphs, data, options, seed)

    return make


def name_of(value):
    if isinstance(value, dict):
        return ','.join(f'{k}={v}' for k, v in value.items())
    return None


def attention_by_sample(case, attention):
    """A round's weights under the oracle's keys, one dict for each sample."""
    lengths = {m: [len(s[m]) for s in case.samples] for m in case.names}
    items = {
        m: [(b, j) for b, count in enumerate(lengths[m]) for j in range(count)]
        for m in case.names
    }
    cells = [
        (b, m, i)
        for b in range(len(case.samples))
        for m in case.names
        for i in range(case.num_labels)
    ]
    out = [{} for _ in case.samples]
    for (src, relation, dst), (edge_index, alpha) in attention.items():
        assert alpha.dim() == 2
        assert edge_index.shape == (2, alpha.size(0))
        edges = torch.as_tensor(edge_index).T.tolist()
        for (j, i), value in zip(edges, alpha.tolist(), strict=True):
            if relation == 'f2f':
                (b, j), (other, i) = items[src][j], items[dst][i]
                key = 'f2f', src, dst, j, i
            elif relation == 'f2l':
                (b, j), (other, m, i) = items[src][j], cells[i]
                assert m == src
                key = 'f2l', src, j, i
            elif relation == 'l2l':
                (b, m, k), (other, n, i) = cells[j], cells[i]
                assert m == n
                key = 'l2l', m, k, i
            else:
                (b, m, k), (other, i) = cells[j], divmod(i, case.num_labels)
                assert k == i
                key = 'm2l', m, i
            assert b == other, 'a message crosses from one sample to another'
            assert key not in out[b], 'the same edge twice'
            out[b][key] = value
    return out


def check(case, route):
    batch = ROUTES[route](case.batch)
    with torch.no_grad():
        out = case.model(batch)
    assert_close(out.logits, case.logits, route)
    assert_close(out.probs, 1 / (1 + np.exp(-case.logits[-1])), route)
    assert out.attention is None


def check_attention(case, route):
    batch = ROUTES[route](case.batch)
    with torch.no_grad():
        out = case.model(batch, return_attention=True)
    assert_close(out.logits, case.logits, route)
    assert len(out.attention) == len(case.logits)
    for step, attention in enumerate(out.attention):
        for b, weights in enumerate(attention_by_sample(case, attention)):
            expected = case.alphas[b][step]
            assert weights.keys() == expected.keys()
            if expected:
                got = np.concatenate([weights[key] for key in expected])
                assert_close(got, np.concatenate(list(expected.values())), route)


def assert_close(got, expected, route):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6, err_msg=route)


def check_routes(case, kernel):
    if 'scatter' not in kernel:
        check(case, 'all_pairs')
        check_attention(case, 'all_pairs')
        check(case, 'shuffled_edges')
    check(case, 'csr')
    check_attention(case, 'edges')


# The tests.


@pytest.mark.parametrize('options', MODELS, ids=name_of)
def test_model_agrees_with_equations(make_case, options, kernel):
    check_routes(make_case('missing', options), kernel)


@pytest.mark.parametrize('options', [PAPER, EVERYTHING, NO_STAGE], ids=name_of)
@pytest.mark.parametrize('data', sorted(DATA.keys() - {'missing'}))
def test_equations_hold_for_every_shape_of_data(make_case, data, options):
    check_routes(make_case(data, options), 'torch')


@pytest.mark.parametrize('seed', range(12))
def test_equations_hold_for_mixed_options(make_case, seed):
    rng = np.random.default_rng(seed)
    options = {
        'num_steps': int(rng.choice([1, 3])),
        'heads': int(rng.choice([1, 2, 4])),
        'norm': bool(rng.integers(2)),
        'positional': bool(rng.integers(2)),
        'label_graph': str(rng.choice(['complete', 'prior', 'given', 'no_edges'])),
        **{stage: bool(rng.integers(4)) for stage in ('f2f', 'f2l', 'l2l', 'm2l')},
    }
    check_routes(make_case(str(rng.choice(sorted(DATA))), options, seed), 'torch')


@pytest.mark.parametrize('data', ['ragged', 'equal_everywhere', 'missing'])
def test_complete_relations_are_never_made_into_edges(make_case, data, monkeypatch):
    case = make_case(data, PAPER)

    def refuse(self):
        raise AssertionError('a complete relation was made explicit')

    monkeypatch.setattr(AllPairs, 'edge_index', refuse)
    check(case, 'all_pairs')


@pytest.mark.parametrize('num_steps', [1, 3])
@pytest.mark.parametrize('aux_weight', [0.2, 0.7])
def test_loss_agrees_with_equations(make_case, num_steps, aux_weight):
    case = make_case('missing', {'num_steps': num_steps, 'aux_weight': aux_weight})
    loss = case.model.loss(case.model(case.batch), case.y)
    logits, y = case.logits.transpose(1, 0, 2), case.y.tolist()
    assert loss['total'].item() == pytest.approx(
        hhmpn_loss(logits, y, aux_weight), abs=1e-6
    )
    assert loss['out'].item() == pytest.approx(hhmpn_loss(logits, y, 0.0), abs=1e-6)


def test_earlier_rounds_weigh_a_fifth_by_default():
    assert HHMPN({'text': 2}, 1, hidden_channels=2).aux_weight == 0.2


@pytest.mark.parametrize(
    'options', [PAPER, EVERYTHING, NO_STAGE, {'f2l': False}], ids=name_of
)
@pytest.mark.parametrize('data', ['equal', 'missing'])
@pytest.mark.usefixtures('kernel')
def test_gradients_are_the_same_on_every_route(make_case, data, options):
    case = make_case(data, options)
    grads = {}
    for route, convert in ROUTES.items():
        case.model.zero_grad()
        batch = convert(case.batch)
        case.model.loss(case.model(batch), case.y)['total'].backward()
        grads[route] = {
            name: parameter.grad.clone()
            for name, parameter in case.model.named_parameters()
        }
    for route in ROUTES:
        for name, grad in grads['all_pairs'].items():
            torch.testing.assert_close(
                grads[route][name], grad, rtol=1e-9, atol=1e-12, msg=f'{route}: {name}'
            )


@pytest.mark.parametrize('options', [PAPER, EVERYTHING], ids=name_of)
def test_gradients_agree_with_differences_of_the_oracle(make_case, options):
    """The slope of the loops' loss along a random direction of all weights."""
    case = make_case('missing', options)
    generator = torch.Generator().manual_seed(1)
    parameters = list(case.model.parameters())
    direction = [
        torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters
    ]
    case.model.loss(case.model(case.batch), case.y)['total'].backward()
    slope = sum(
        float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True)
    )
    losses = []
    step = 1e-5
    for sign in (1, -2):  # To +step, then to -step.
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(sign * step * d)
        losses.append(oracle_loss(case, options))
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-5)


def oracle_loss(case, options):
    edges, _ = label_edges(options.get('label_graph'), case.num_labels)
    settings = {
        'heads': options.get('heads', 1),
        'positional': True,
        'kinds': case.kinds,
        'edges': edges,
        **dict.fromkeys(['f2f', 'f2l', 'l2l', 'm2l'], True),
    }
    weights = model_weights(case.model)
    logits = [hhmpn(sample, weights, settings)[0] for sample in case.samples]
    return hhmpn_loss(logits, case.y.tolist(), case.model.aux_weight)
