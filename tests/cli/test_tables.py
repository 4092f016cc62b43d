from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from hetero_mmer.cli.tables import Table, description_tables, render, result_table
from hetero_mmer.store import ModalitySpec, StoreWriter, describe

LONG = 'a sentence of many words and 喜悦 and one' + 'x' * 70


def width_of(line):
    return sum(1 + (unicodedata.east_asian_width(c) in 'WF') for c in line)


def blocks(text):
    """The tables of a text as rows of cells; folded lines are put together."""
    found = []
    for line in text.splitlines():
        if line.startswith('┏'):
            found.append([])
        if line.startswith(('┃', '│')):
            cells = [cell.strip() for cell in re.split('[┃│]', line)[1:-1]]
            found[-1].append(cells)
    return found


@pytest.mark.parametrize('width', [24, 40, 80, 200, None])
@pytest.mark.parametrize('num_columns', [1, 3, 10])
def test_nothing_is_cut_at_any_width(width, num_columns):
    names = [f'name_{i}' for i in range(num_columns)]
    rows = [
        ['short', *(f'v{i}' for i in range(num_columns))],
        ['long', *(f'{LONG}{i}' for i in range(num_columns))],
    ]
    text = render([Table('Title', ['', *names], rows)], width=width)
    if width is not None:
        assert max(map(width_of, text.splitlines())) <= width
    seen = []
    for block in blocks(text):
        assert block[0][0] == ''
        assert block[1][0] == 'short'
        for c in range(1, len(block[0])):
            column = [''.join(row[c].split()) for row in block]
            seen.append((column[0], column[1], ''.join(column[2:])))
    expected = ''.join(LONG.split())
    assert seen == [
        (f'name_{i}', f'v{i}', f'{expected}{i}') for i in range(num_columns)
    ]
    assert (len(blocks(text)) == 1) >= (width is None)
    assert '…' not in text


@pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'cp437', 'gbk', 'utf-8'])
def test_any_encoding_shows_the_whole_table_in_line(encoding):
    table = Table('T', ['', 'joy 喜'], [['é', 1], ['x', 2.5]])
    lines = render([table], encoding=encoding).splitlines()[1:]
    text = '\n'.join(lines)
    assert text.encode(encoding).decode(encoding) == text
    assert '?' not in text
    assert len(set(map(width_of, lines))) == 1
    shown = 'joy 喜' if encoding in ('gbk', 'utf-8') else r'joy \u559c'
    assert shown in text


def test_markup_emoji_and_controls_are_text():
    name = ':smile: [red]x[/red] \x1b[31m\n\u202e'
    text = render([Table(name, [name, ''], [[name, name]])])
    assert text.count(r':smile: [red]x[/red] \x1b[31m\n\u202e') == 4
    assert '\x1b' not in text


def test_a_threshold_for_each_label_has_rows():
    result = {
        'model': 'M', 'data': 'a.h5', 'split': 'test', 'seed': 0, 'monitor': 'map',
        'threshold': {'joy': 0.3, 'anger': 0.61}, 'best_epoch': 2,
        'metrics': {'map': 0.5, 'wa_joy': float('nan')},
    }  # fmt: skip
    rows = dict(result_table(result).rows)
    assert rows == {
        'seed': 0, 'threshold joy': 0.3, 'threshold anger': 0.61, 'monitor': 'map',
        'best_epoch': 2, 'map': '0.5000', 'wa_joy': 'nan',
    }  # fmt: skip


def store(path, num_labels, labelled=True):
    specs = {f'm{i}': ModalitySpec(2, extractor='wav2vec') for i in range(10)}
    names = [f'label{i:03}' for i in range(num_labels)]
    with StoreWriter(path, specs, names, labelled=labelled) as w:
        for i in range(12):
            y = [(i + k) % 3 == 0 for k in range(num_labels)]
            items = {m: [[i, 1.0]] for m in specs}
            split = ['train', 'valid', 'test', ''][i % 4]
            w.add(f's{i}', items, y if labelled else None, split=split)
    return describe(path)


@pytest.mark.parametrize('num_labels', [1, 6, 200])
def test_a_store_reads_well_on_80_columns(tmp_path, num_labels):
    text = render(description_tables(store(tmp_path / 'a.h5', num_labels)), width=80)
    assert max(map(width_of, text.splitlines())) <= 80
    for name in [f'label{i:03}' for i in range(num_labels)]:
        row = re.search(rf'^│ {name} │ 4 \(33.3%\) ', text, re.MULTILINE)
        assert row is not None
    rows = [row[0] for block in blocks(text) for row in block]
    assert rows.count('items per sample') == len(re.findall('┃ m[0-9]+ .*┃\n', text))
    assert len(text.splitlines()) < 150 + num_labels
    assert '{' not in text


def test_a_store_without_labels(tmp_path):
    text = render(description_tables(store(tmp_path / 'a.h5', 2, labelled=False)))
    assert re.search(r'│ labels +│ label000, label001 +│', text)
    assert 'Labels' not in text


def test_the_most_frequent_pairs_of_many_labels(tmp_path):
    y = np.random.default_rng(0).random((50, 20)) < np.linspace(0.1, 0.9, 20)
    names = [f'label{i:02}' for i in range(20)]
    with StoreWriter(tmp_path / 'a.h5', {'text': ModalitySpec(1)}, names) as w:
        for i, row in enumerate(y):
            w.add(f's{i}', {'text': [[i]]}, row.astype(int), split='train')
    table = description_tables(describe(tmp_path / 'a.h5'))[-1]
    counts = Counter()
    for row in y:
        counts.update(
            combinations([n for n, has in zip(names, row, strict=True) if has], 2)
        )
    assert [row[2] for row in table.rows] == [c for _, c in counts.most_common(12)]
    assert all(counts[row[0], row[1]] == row[2] for row in table.rows)
