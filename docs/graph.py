"""Draws graph.svg: the sample graph of two modalities and three labels.

The edges are those of a graph that `build_graph` makes, so the picture cannot differ
from the code. `python docs/graph.py` writes the file; a test compares it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetero_mmer.graph import build_graph, explicit

ITEMS = {'text': ['I', 'love', 'this'], 'audio': ['frame 1', 'frame 2']}
LABELS = ['joy', 'surprise', 'anger']
COLORS = {'f2f': '#8250df', 'f2l': '#0969da', 'l2l': '#bc4c00', 'm2l': '#1a7f37'}
MEANING = {
    'f2f': 'every item to every other',
    'f2l': "a modality's items to its cells",
    'l2l': 'the cells of a modality to each other',
    'm2l': 'the cells of a label to the label',
}
X = {'items': 190, 'modality': 440, 'label': 690}
TITLES = ['items', '(modality, label) cells', 'labels']
STEP, TOP, WIDTH, HEIGHT = 44, 80, 104, 28
STYLE = 'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1f2328"'

Point = tuple[float, float]


def draw() -> str:
    """The picture as SVG."""
    items = {m: np.ones((len(names), 4)) for m, names in ITEMS.items()}
    graph = explicit(build_graph(items, labels=[1, 1, 0]))
    places = _places()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 430" {STYLE}>',
        '<title>The graph of one sample</title>',
        '<rect width="800" height="430" rx="8" fill="#ffffff"/>',
    ]
    lines = {
        (name, *sorted([(src, i), (dst, j)]))  # Both directions are one line.
        for (src, name, dst), edges in graph.edge_index_dict.items()
        for i, j in edges.T.tolist()
    }
    for name, (a, i), (b, j) in sorted(lines):
        ends = sorted([places[a][i], places[b][j]])
        parts.append(_edge(*ends, COLORS[name]))
    for x, title in zip(X.values(), TITLES, strict=True):
        parts.append(_text(x, 30, title, bold=True))
    names = {
        **ITEMS,
        'modality': [f'{m}, {label}' for m in ITEMS for label in LABELS],
        'label': LABELS,
    }
    for node_type, points in places.items():
        for (x, y), name in zip(points, names[node_type], strict=True):
            parts.append(
                f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" '
                f'height="{HEIGHT}" rx="14" fill="#ffffff" stroke="#1f2328"/>'
            )
            parts.append(_text(x, y + 4, name))
    for m in ITEMS:
        middle = sum(y for _, y in places[m]) / len(places[m])
        parts.append(_text(36, middle + 4, m, bold=True))
    for i, (name, meaning) in enumerate(MEANING.items()):
        x, y = 40 + 380 * (i % 2), 388 + 24 * (i // 2)
        parts.append(
            f'<path d="M{x} {y - 4}h26" stroke="{COLORS[name]}" stroke-width="3"/>'
        )
        parts.append(
            f'<text x="{x + 34}" y="{y}"><tspan font-weight="bold">{name}</tspan> '
            f'{meaning}</text>'
        )
    return '\n'.join([*parts, '</svg>', ''])


def _places() -> dict[str, list[Point]]:
    """Where the nodes of each type are; a modality's items are beside its cells."""
    places: dict[str, list[Point]] = {'modality': []}
    for k, (m, names) in enumerate(ITEMS.items()):
        top = TOP + k * (len(LABELS) + 0.25) * STEP
        middle = top + (len(LABELS) - 1) / 2 * STEP
        places[m] = _column(X['items'], middle, len(names))
        places['modality'] += _column(X['modality'], middle, len(LABELS))
    rows = [y for _, y in places['modality']]
    places['label'] = _column(X['label'], (rows[0] + rows[-1]) / 2, len(LABELS))
    return places


def _column(x: float, middle: float, number: int) -> list[Point]:
    return [(x, middle + (i - (number - 1) / 2) * STEP) for i in range(number)]


def _edge(start: Point, end: Point, color: str) -> str:
    (x, y), (u, v) = start, end
    if x == u:  # Arcs join the nodes of one column, so that no line hides another.
        x = u = x - WIDTH / 2
        bend = x - 14 - abs(v - y) * 0.5
    else:
        x, u = x + WIDTH / 2, u - WIDTH / 2
        bend = (x + u) / 2
    path = f'M{x:g} {y:g}Q{bend:g} {(y + v) / 2:g} {u:g} {v:g}'
    return (
        f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.6" '
        'opacity="0.75"/>'
    )


def _text(x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ''
    return f'<text x="{x}" y="{y:g}" text-anchor="middle"{weight}>{text}</text>'


if __name__ == '__main__':
    Path(__file__).with_suffix('.svg').write_text(draw(), encoding='utf-8')
