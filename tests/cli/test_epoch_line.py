from __future__ import annotations

import csv
import re

import pytest

from hetero_mmer.cli.epoch_line import epoch_line
from hetero_mmer.cli.progress import EpochLines
from hetero_mmer.run.options import monitored
from hetero_mmer.training import train

LINE = re.compile(
    r'epoch (?P<epoch>\d+)/(?P<epochs>\d+)  loss (?P<loss>\S+)  valid (?P<name>\S+) '
    r'(?P<value>[^\s,]+)(, (?P<is_best>the best)|, best (?P<best>\S+) \(epoch '
    r'(?P<best_epoch>\d+)\))?  (?P<seconds>\S+) s(, (?P<left>.*) left)?'
)


@pytest.mark.parametrize('monitor', ['f1_micro', 'map', 'loss', 'last'])
def test_lines_say_what_the_table_says(monitor, tmp_path, data, model, options, capfd):
    train(
        *(model, data, tmp_path / 'run'),
        epochs=4,
        monitor=monitor,
        callbacks=[EpochLines()],
        **options,
    )
    out, err = capfd.readouterr()
    assert not out
    found = [LINE.fullmatch(line).groupdict() for line in err.splitlines()]
    with open(tmp_path / 'run' / 'metrics.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(found) == len(rows) == 4
    name = monitored(monitor) or 'valid/total'
    values = [float(row[name]) for row in rows]
    for i, (line, row) in enumerate(zip(found, rows, strict=True)):
        assert (line['epoch'], line['epochs']) == (str(i + 1), '4')
        assert line['name'] == ('loss' if name == 'valid/total' else monitor)
        assert line['loss'] == f'{float(row["train/total"]):.4f}'
        assert line['value'] == f'{values[i]:.4f}'
        assert float(line['seconds']) == pytest.approx(float(row['seconds']), abs=0.06)
        assert (line['left'] is None) == (i == 3)
        best = (min if monitor == 'loss' else max)(values[: i + 1])
        if monitor == 'last':
            assert line['is_best'] is line['best'] is None
        elif values.index(best) == i:
            assert line['is_best']
        else:
            assert line['best'] == f'{best:.4f}'
            assert line['best_epoch'] == str(values.index(best) + 1)


def test_the_time_that_is_left():
    def line(seconds, epochs=50, **more):
        rows = [{'train/total': 1, 'valid/map': 0.5, 'seconds': s} for s in seconds]
        return epoch_line(rows, epochs, 'map', 1, **more)

    assert line([4.0]).endswith('  4.0 s, 3 min left')  # 49 epochs of 4 s.
    assert line([900.0] * 9 + [1, 1, 1, 1, 1]).endswith('  1.0 s, 36 s left')
    assert line([600.0] * 10).endswith('  10 min, 6.7 h left')
    assert line([4.0], epochs=1).endswith('  4.0 s')
    assert line([4.0], ends=True).endswith('  4.0 s')
    assert not line([4.0], ends=True).endswith('left')


def test_a_run_that_stops_early_has_no_time_left(tmp_path, data, model, options, capfd):
    frozen = {**options, 'learning_rate': 1e-12}
    train(
        *(model, data, tmp_path / 'run'),
        epochs=9,
        patience=2,
        callbacks=[EpochLines()],
        **frozen,
    )
    lines = capfd.readouterr().err.splitlines()
    assert 'left' in lines[0]
    assert 'left' not in lines[-1]
    assert len(lines) < 9
