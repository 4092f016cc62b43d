from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.cells import read_labels, read_number, read_truth
from hetero_mmer.io.csv import Table

#: As pandas, Excel and R write zeros and ones.
ZEROS = ('0', '0.0', '0.000000', '0.', '.0', '-0.0', '0e0', 'False', 'FALSE', 'false')
ONES = ('1', '1.0', '1.000000', '1.', '+1', '1.0e+00', '1E0', 'True', 'TRUE', 'tRuE')
OTHERS = (
    *('', '2', '-1', '0.5', '0,0', '1,0', '0_1', 'nan', 'NaN', 'NA', 'None', 'inf'),
    *('yes', 'no', 'T', 'F', 'y', 'n', 'x', 'on', 'off', 'truee', '1 0', '0x1', '1j'),
)


def table(cells):
    rows = [{'joy': cell, 'fear': '1'} for cell in cells]
    return Table(['joy', 'fear'], rows, list(range(2, 2 + len(rows))))


def read(cells, **options):
    ids = [f's{i}' for i in range(len(cells))]
    return read_labels(
        table(cells), ids, ['joy', 'fear'], Path('a.csv'), is_chosen=True, **options
    )


@pytest.mark.parametrize('cell', ZEROS)
def test_zeros(cell):
    assert read_truth(cell) == 0
    assert read([cell, '1']).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize('cell', ONES)
def test_ones(cell):
    assert read_truth(cell) == 1
    assert read([cell, '0']).tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize('cell', OTHERS)
def test_others_are_refused(cell):
    assert read_truth(cell) is None
    with pytest.raises(InputError, match="for 'joy' of sample 's1', line 3") as error:
        read(['0', cell])
    is_number = cell in ('2', '-1', '0.5')
    assert ('`positive_above=0`' in str(error.value)) == is_number


def test_a_column_may_mix_them():
    assert read([*ZEROS, *ONES])[:, 0].tolist() == [0] * len(ZEROS) + [1] * len(ONES)


@pytest.mark.parametrize('cell', ['True', 'FALSE', '', 'nan', '0,5', '1e999', 'high'])
def test_intensities_are_numbers(cell):
    with pytest.raises(InputError, match=r'finite numbers such as 0\.5 \(got'):
        read(['0.5', cell], positive_above=0)


@pytest.mark.parametrize('number', [0.0, 1 / 3, -2.5, 1e-7, 3e20, 12.0])
@pytest.mark.parametrize('form', ['{}', '{:.17g}', '{:+e}', '{:.3f}'])
def test_numbers_are_read_as_python_does(number, form):
    cell = form.format(number)
    assert read_number(cell) == float(cell)
    np.testing.assert_array_equal(read([cell], positive_above=0), [[float(cell), 1]])


def test_empty_cells_are_no_labels():
    rows = [{'joy': '', 'fear': ''}]
    empty = Table(['joy', 'fear'], rows, [2])
    found = read_labels(empty, ['a'], ['joy', 'fear'], Path('a.csv'), is_chosen=True)
    assert found is None
