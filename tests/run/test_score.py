from __future__ import annotations

import csv
import re

import pytest
import torch
from sklearn.metrics import f1_score

from hetero_mmer.files.escape import unguard_cell
from hetero_mmer.loader import StoreDataset
from hetero_mmer.run import load_run
from hetero_mmer.run.place import check_predictions_path
from hetero_mmer.run.score import (
    predicted,
    rounded,
    score,
    tune_both,
    write_predictions,
    write_truth,
)
from hetero_mmer.store import Store

PROBS = torch.tensor([[0.9, 0.2], [0.4, 0.3], [0.1, 0.6]])
Y = torch.tensor([[1, 1], [1, 0], [0, 1]])


def test_size_of_batches_changes_nothing(finished, data):
    run = load_run(finished)
    with Store(data) as store:
        samples = StoreDataset(store)
        whole, single = (
            predicted(run.model, samples, size, torch.device('cpu')).probs
            for size in (1000, 1)
        )
    assert whole.shape == (80, 3)
    torch.testing.assert_close(whole, single)


def test_tuned_thresholds_by_hand():
    thresholds = tune_both(PROBS, Y, ['a', 'b'])
    # Below 0.2 five are positive, four rightly; F1 = 2·4 / (5 + 4) is the best.
    assert thresholds['tuned'] == pytest.approx(0.15)
    assert thresholds['per-label']['a'] == pytest.approx(0.25)
    assert thresholds['per-label']['b'] == pytest.approx(0.1)


def test_files_hold_what_a_float32_holds():
    values = {'a': torch.tensor(0.1), 'b': torch.tensor(-0.0), 'c': torch.tensor(1 / 3)}
    assert repr(rounded(values)) == "{'a': 0.1, 'b': 0.0, 'c': 0.3333333}"
    assert score(PROBS[:0], Y[:0], ['a', 'b'], 0.5)['metrics'] == {}


def test_score_takes_the_decisions_of_a_model():
    pred = torch.tensor([[1, 0], [1, 0], [0, 0]])
    result = score(PROBS, Y, ['a', 'b'], 0.5, pred)
    assert result['threshold'] is None
    expected = f1_score(Y, pred, average='micro')
    assert result['metrics']['f1_micro'] == pytest.approx(expected, abs=1e-6)
    assert result['metrics']['map'] == score(PROBS, Y, 'ab', 0.5)['metrics']['map']


def test_score_takes_a_threshold_for_each_label():
    result = score(PROBS, Y, ['a', 'b'], torch.tensor([0.25, 0.5]))
    assert result['threshold'] == {'a': 0.25, 'b': 0.5}
    pred = [[1, 0], [1, 0], [0, 1]]
    expected = f1_score(Y, pred, average='micro')
    assert result['metrics']['f1_micro'] == pytest.approx(expected, abs=1e-6)


def test_tables(tmp_path):
    write_truth(tmp_path / 'a.csv', 'xyz', PROBS, Y, ['a', 'b'])
    write_predictions(tmp_path / 'b.csv', 'xyz', PROBS, ['a', 'b'], PROBS > 0.25)
    truth, predicted = (
        list(csv.reader((tmp_path / name).open())) for name in ('a.csv', 'b.csv')
    )
    assert truth[0] == ['sample_id', 'a', 'b', 'a_true', 'b_true']
    assert predicted[0] == ['sample_id', 'a', 'b', 'a_predicted', 'b_predicted']
    assert [row[0] for row in truth[1:]] == ['x', 'y', 'z']
    assert [row[3:] for row in truth[1:]] == [['1', '1'], ['1', '0'], ['0', '1']]
    assert [row[3:] for row in predicted[1:]] == [['1', '0'], ['1', '1'], ['0', '1']]
    assert float(predicted[1][1]) == pytest.approx(0.9)


IDS = [
    '=1+1',
    "'=1+1",
    '-3',
    '@x',
    '+x',
    '\tx',
    '\rx',
    ' =x',
    'a;=x',
    'x\t=y',
    'a\n@b',
    'a";-b',
    "it's",
]
NAMES = ['=cmd|x!1', 'a;@b', '-1', 'joy']


def formulas(path, separator):
    """Cells that a spreadsheet would run, if it takes this for the separator."""
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.reader(file, delimiter=separator))
    return [
        cell
        for row in rows
        for cell in row
        if re.match(r'\s*[=+@\t\r-]', cell) and not re.fullmatch(r'-?[\d.e-]+', cell)
    ]


@pytest.mark.parametrize('write', [write_truth, write_predictions])
def test_ids_and_labels_are_no_formulas_and_are_found_again(write, tmp_path):
    path = tmp_path / 'a.csv'
    probs = torch.rand(len(IDS), len(NAMES), generator=torch.Generator().manual_seed(0))
    y = torch.ones(len(IDS), len(NAMES), dtype=torch.long)
    for _ in range(2):  # The second time they replace predictions.
        if write is write_truth:
            write(path, IDS, probs, y, NAMES)
        else:
            check_predictions_path(path)
            write(path, IDS, probs, NAMES, probs > 0.5)
    for separator in ',;\t':
        assert not formulas(path, separator)
    with path.open(newline='', encoding='utf-8') as file:
        header, *rows = csv.reader(file)
    assert [unguard_cell(row[0]) for row in rows] == IDS
    assert [unguard_cell(name) for name in header[1 : 1 + len(NAMES)]] == NAMES
    found = [[float(cell) for cell in row[1 : 1 + len(NAMES)]] for row in rows]
    torch.testing.assert_close(torch.tensor(found), probs)


def test_names_that_look_like_formulas_were_written_as_they_are_before(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('sample_id,=x,=x_predicted\na,0.5,1\n')
    check_predictions_path(path)
