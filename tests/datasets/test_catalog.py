from __future__ import annotations

from pathlib import Path

import pytest

from hetero_mmer.datasets import DATA_SETS, FORMATS, catalog, data_root, resolve_data
from hetero_mmer.errors import InputError
from hetero_mmer.store import Store, describe


def test_the_table_agrees_with_a_generated_store(tmp_path):
    row = DATA_SETS['synthetic']
    description = describe(resolve_data('synthetic', tmp_path))
    assert description.num_samples == row.num_samples
    assert description.label_names == row.label_names
    assert tuple(description.modalities) == row.modalities
    assert description.licence == row.licence


@pytest.mark.parametrize(
    ('name', 'format', 'source', 'options'),
    [
        ('music_emotions', 'music-emotions', 'music_emotions/emotions.arff', {}),
        ('meld', 'meld', 'meld', {'text_channels': 4}),
    ],
)
def test_the_table_agrees_with_a_converted_store(
    shared, tmp_path, name, format, source, options
):
    row = DATA_SETS[name]
    output = tmp_path / row.file_name
    FORMATS[format]([shared / 'data' / source], output, **options).close()
    description = describe(resolve_data(name, tmp_path))
    assert description.num_samples == row.num_samples
    assert description.label_names == row.label_names
    assert tuple(description.modalities) == row.modalities


@pytest.mark.parametrize('sources', [[], [Path('a'), Path('b')]])
def test_the_number_of_raw_files_is_checked(sources, tmp_path):
    with pytest.raises(InputError, match=f'got {len(sources)} files'):
        FORMATS['music-emotions'](sources, tmp_path / 'a.h5')


def test_data_root(tmp_path):
    assert data_root(tmp_path) == tmp_path
    checkout = Path(catalog.__file__).parents[2]
    assert data_root() == checkout / 'datasets'


def test_data_root_of_an_installed_package(tmp_path, monkeypatch):
    installed = tmp_path / 'site-packages' / 'hetero_mmer' / 'sources' / 'catalog.py'
    monkeypatch.setattr(catalog, '__file__', str(installed))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert data_root() == tmp_path / 'cache' / 'hetero_mmer'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert data_root() == tmp_path / '.cache' / 'hetero_mmer'


def test_paths_stand_for_themselves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'features').touch()
    for path in ('features', 'features.h5', 'some/features', Path('a.h5')):
        assert resolve_data(path, tmp_path / 'root') == Path(path)


def test_synthetic_is_made_once(tmp_path):
    path = resolve_data('synthetic', tmp_path / 'root')
    made = path.stat().st_mtime_ns
    assert path.name == 'synthetic-v1.2.h5'
    assert resolve_data('synthetic', tmp_path / 'root') == path
    assert path.stat().st_mtime_ns == made
    assert len(Store(path).rows('train')) == 600


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'music_emotion',
            r"no data set or file 'music_emotion'.*mean 'music_emotions'",
        ),
        ('synthetik', "mean 'synthetic'"),
        ('xyz', r"'xyz' \(known: synthetic, music_emotions, [^)]*\)$"),
        (
            'music_emotions',
            r"run `fetch_data_set\('music_emotions'\)` or `het.*data convert.*arff",
        ),
    ],
)
def test_names_without_a_store(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        resolve_data(name, tmp_path)
