"""Ids with folders in them, and files that lie elsewhere."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.own.csv import convert
from hetero_mmer.errors import InputError
from hetero_mmer.io.inside import can_be_a_file
from hetero_mmer.run import predict
from hetero_mmer.store import Store

IDS = ('v1/0', 'v1/1', 'v2/a/b', 'plain', 'v1.x/0', 'c:1', '~', 'v3/0')
BAD = (
    *('../x', 'v1/../../x', 'v1/..', '..', '.', '/etc/x', '//x', 'v1//0', 'v1/', '/'),
    *('./x', 'v1/./0', 'C:/x', 'c:\\x', '..\\x', 'v1\\0', '...', 'v1/.. /x', ' / x'),
)


def write(folder, ids=IDS):
    """A table, and the arrays as a folder and as an archive, each of its own value."""
    folder.mkdir(exist_ok=True)
    arrays = {id_: np.full((2, 3), float(k)) for k, id_ in enumerate(ids)}
    for id_, array in arrays.items():
        (folder / f'text/{id_}.npy').parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f'text/{id_}.npy', array)
    np.savez(folder / 'audio.npz', **arrays)
    splits = ('train', 'train', 'valid', 'test')
    rows = [f'"{id_}",{splits[k % 4]},{k % 2}' for k, id_ in enumerate(ids)]
    (folder / 'a.csv').write_text('\n'.join(['id,split,joy', *rows]))
    features = {'text': str(folder / 'text'), 'audio': str(folder / 'audio.npz')}
    return [folder / 'a.csv'], {'features': features}


def table(folder, ids):
    rows = [f'"{id_}",1' for id_ in ids]
    (folder / 'a.csv').write_text('\n'.join(['id,joy', *rows]))


def test_folders_in_ids(tmp_path):
    sources, options = write(tmp_path)
    store = convert(sources, tmp_path / 'a.h5', **options)
    assert store.ids.tolist() == list(IDS)
    for i in range(len(IDS)):
        for m in ('text', 'audio'):
            assert store.read(m, i).tolist() == [[i] * 3] * 2
    notes = ' '.join(store.attrs['notes'])
    assert 'belong to no row' not in notes
    assert 'rows of the table have no' not in notes


def test_entries_in_folders_are_told(tmp_path):
    sources, options = write(tmp_path)
    np.save(tmp_path / 'text/v1/9.npy', np.ones(3))
    (tmp_path / 'text/v1/.hidden.npy').touch()
    (tmp_path / 'text/v2.npy').mkdir()  # A folder, whatever its name.
    store = convert(sources, tmp_path / 'a.h5', **options)
    assert any('(v1/9.npy)' in note for note in store.attrs['notes'])


@pytest.mark.parametrize('name', BAD)
def test_ids_that_lead_elsewhere(name, tmp_path):
    assert not can_be_a_file(name)
    sources, options = write(tmp_path / 'in')
    np.save(tmp_path / 'x.npy', np.ones((1, 3)))
    table(tmp_path / 'in', ['plain', name])
    with pytest.raises(InputError, match=r'name of a file.*in line 3') as error:
        convert(sources, tmp_path / 'a.h5', **options)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'a.h5').exists()


@pytest.mark.parametrize('link', ['text/v9/out.npy', 'text/v9', 'text/v9/d'])
@pytest.mark.parametrize('is_relative', [False, True])
def test_links_that_lead_elsewhere(link, is_relative, tmp_path):
    sources, options = write(tmp_path / 'in')
    (tmp_path / 'other').mkdir()
    np.save(tmp_path / 'other/0.npy', np.ones((1, 3)))
    path = tmp_path / 'in' / link
    path.parent.mkdir(exist_ok=True)
    target = tmp_path / 'other' / ('0.npy' if path.suffix else '')
    path.symlink_to(os.path.relpath(target, path.parent) if is_relative else target)
    id_ = 'v9/out' if path.suffix else f'{link.removeprefix("text/")}/0'
    table(tmp_path / 'in', ['plain', id_])
    with pytest.raises(InputError, match=r"read from within '.*text'.*is a link"):
        convert(sources, tmp_path / 'a.h5', **options)
    table(tmp_path / 'in', ['plain'])  # A link that no row names harms nobody.
    assert len(convert(sources, tmp_path / 'a.h5', **options)) == 1


def test_links_within_the_folder_and_to_it(tmp_path):
    sources, options = write(tmp_path / 'in')
    (tmp_path / 'in/text/again.npy').symlink_to('v1/1.npy')
    (tmp_path / 'in/text/v3/again.npy').symlink_to('../v1/1.npy')
    (tmp_path / 'other.npy').write_bytes((tmp_path / 'in/text/v1/1.npy').read_bytes())
    (tmp_path / 'in/text/cached.npy').symlink_to(tmp_path / 'other.npy')
    (tmp_path / 'link').symlink_to(tmp_path / 'in/text')
    ids = ['again', 'v1/1', 'v3/again', 'cached']
    table(tmp_path / 'in', ids)
    options = {'features': {'text': str(tmp_path / 'link')}}
    store = convert(sources, tmp_path / 'a.h5', **options)
    assert [store.read('text', i).tolist() for i in range(4)] == [[[1] * 3] * 2] * 4


@pytest.mark.parametrize('kind', ['fifo', 'loop', 'dangling'])
def test_what_is_no_file(kind, tmp_path):
    sources, options = write(tmp_path)
    path = tmp_path / 'text/odd.npy'
    if kind == 'fifo':
        os.mkfifo(path)
    else:
        path.symlink_to('odd.npy' if kind == 'loop' else 'none.npy')
    table(tmp_path, ['plain', 'odd'])
    with pytest.raises(InputError, match=r"odd.npy' is no file that can be read"):
        convert(sources, tmp_path / 'a.h5', **options)


def test_ids_with_folders_go_through_a_run(tmp_path, capsys):
    from hetero_mmer import training
    from hetero_mmer.models import HHMPN

    sources, options = write(tmp_path)
    words = ['data', 'convert', 'csv', *map(str, sources)]
    words += ['--features', json.dumps(options['features'])]
    assert main([*words, '--output', str(tmp_path / 'a.h5')]) == 0
    assert main(['data', 'validate', str(tmp_path / 'a.h5')]) == 0
    run = tmp_path / 'run'
    training.train(HHMPN, data=tmp_path / 'a.h5', out=run, epochs=1, batch_size=4)
    before = {path for path in tmp_path.rglob('*') if path.is_dir()}
    predict(run, tmp_path / 'a.h5', tmp_path / 'p.csv')
    assert {path for path in tmp_path.rglob('*') if path.is_dir()} == before
    with open(tmp_path / 'p.csv', newline='') as file:
        assert [row['sample_id'] for row in csv.DictReader(file)] == list(IDS)
    with open(run / 'predictions_test.csv', newline='') as file:
        tested = [row['sample_id'] for row in csv.DictReader(file)]
    with Store(tmp_path / 'a.h5') as store:
        assert tested == store.ids[store.rows('test')].tolist()
