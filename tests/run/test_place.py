from __future__ import annotations

import csv
import shutil

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.run import predict
from hetero_mmer.run.place import check_predictions_path


def test_predictions_replace_predictions(finished, data, tmp_path):
    path = tmp_path / 'new' / 'p.csv'
    first = predict(finished, data, path).read_bytes()
    path.write_bytes(first[: len(first) // 2])
    (path.parent / '.p.csv.0123456789abcdef0123456789abcdef.tmp').touch()
    assert predict(finished, data, path).read_bytes() == first
    assert list(path.parent.iterdir()) == [path]
    path.write_text('')
    assert predict(finished, data, path).read_bytes() == first


@pytest.mark.parametrize(
    'name', ['model.json', 'predictions_test.csv', 'metrics.csv', 'model.safetensors']
)
def test_predictions_replace_no_file_of_a_run(name, finished, data, tmp_path):
    run = tmp_path / 'run'
    shutil.copytree(finished, run)
    before = {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
    with pytest.raises(InputError, match=rf"{name}' .* holds no predictions"):
        predict(run, data, run / name)
    assert {p: p.read_bytes() for p in run.rglob('*') if p.is_file()} == before


@pytest.mark.parametrize(
    'header',
    [
        'id,joy,anger',
        'sample_id',
        'sample_id,joy,joy_true',
        'sample_id,joy,anger_predicted',
        'sample_id,joy,anger,joy_predicted',
        '\ufeffsample_id,joy,joy_predicted',
        'sample_id;joy;joy_predicted',
    ],
)
def test_predictions_replace_no_other_table(header, tmp_path):
    path = tmp_path / 'p.csv'
    path.write_text(f'{header}\na,0.5,1\n', encoding='utf-8')
    with pytest.raises(InputError, match='holds no predictions'):
        check_predictions_path(path)


def test_predictions_replace_predictions_of_other_labels(tmp_path):
    path = tmp_path / 'p.csv'
    with path.open('w', newline='') as file:
        csv.writer(file).writerow(
            ['sample_id', 'a,b', 'c', 'a,b_predicted', 'c_predicted']
        )
    check_predictions_path(path)
    check_predictions_path(tmp_path / 'new.csv')
    with pytest.raises(InputError, match='the folder'):
        check_predictions_path(tmp_path)


def test_the_input_is_no_output(finished, data, tmp_path, monkeypatch):
    store = tmp_path / 'own.h5'
    shutil.copy(data, store)
    (tmp_path / 'link.csv').hardlink_to(store)
    monkeypatch.chdir(tmp_path)
    for output in ('own.h5', './own.h5', 'link.csv'):
        with pytest.raises(InputError, match=r'one of the sources, .*own\.h5'):
            predict(finished, store, output)
    assert store.read_bytes() == data.read_bytes()
