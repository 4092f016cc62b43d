"""Private names of PyG: in one file, checked, and with a way back."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest
import torch_geometric
from torch_geometric.data import Batch

import hetero_mmer
from hetero_mmer.loader import StoreDataset, _pyg

PACKAGE = Path(hetero_mmer.__file__).parent
PYG = Path(torch_geometric.__file__).parent / 'data'
#: Where PyG says what a user may import.
PUBLIC = {
    *('torch_geometric', 'torch_geometric.data', 'torch_geometric.data.storage'),
    *('torch_geometric.loader', 'torch_geometric.nn', 'torch_geometric.transforms'),
    *('torch_geometric.typing', 'torch_geometric.utils'),
}
#: Without an underscore, but nowhere else; what layers and models are made of.
OF_LAYERS = {'torch_geometric.nn.module_dict', 'torch_geometric.nn.conv.hetero_conv'}


@pytest.fixture(autouse=True)
def asked_anew():
    _pyg.fits.cache_clear()
    yield
    _pyg.fits.cache_clear()


def private_names():
    """What PyG's graphs, storages and batches keep under names with an underscore."""
    files = ('batch', 'collate', 'data', 'hetero_data', 'separate', 'storage', 'view')
    text = ''.join((PYG / f'{name}.py').read_text() for name in files)
    python = {'_asdict', '_fields', '_replace'}  # Of named tuples.
    return set(re.findall(r'(?<![\w_])_[a-z]\w*[a-z]\b(?!__)', text)) - python


def names_of(path):
    """Attributes, keyword arguments and strings of a file that may be names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def own_names():
    """What our own classes and modules call so."""
    for path in PACKAGE.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ast.unparse(node.value) == 'self'
            ):
                yield node.attr


def test_private_names_of_pyg_stand_in_one_file():
    wrong = private_names()
    assert {'_slice_dict', '_mapping', '_global_store', '_num_nodes', '_key'} <= wrong
    wrong -= set(own_names()) - {'_mapping', '_key', '_parent'}
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.rglob('*.py')
        for name in names_of(path)
        if name in wrong
    }
    assert {place for place, _ in found} == {'loader/_pyg.py'}, found


def test_what_is_imported_of_pyg_is_public():
    found = set()
    for path in PACKAGE.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            for module in modules:
                place = path.relative_to(PACKAGE)
                known = OF_LAYERS if place.parts[0] in ('nn', 'models') else set()
                if module.startswith('torch_geometric') and module not in PUBLIC:
                    found |= {(str(place), module)} if module not in known else set()
    assert not found


def test_setup_has_the_same_ceiling():
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / 'setup.cfg')
    needed = config['options']['install_requires'].split()
    (line,) = [line for line in needed if line.startswith('torch-geometric')]
    assert line.endswith(f'<{".".join(map(str, _pyg.CEILING))}')


def test_pyg_is_as_expected():
    assert _pyg.fits()


@pytest.mark.parametrize('version', ['2.9.0', '2.10.0.dev1', '3.0'])
def test_a_version_that_nobody_tried(monkeypatch, version):
    monkeypatch.setattr(torch_geometric, '__version__', version)
    assert not _pyg.fits()


def without(name):
    """PyG that keeps something under another name."""
    collate = Batch.from_data_list.__func__

    def from_data_list(cls, data_list, *args, **kwargs):
        batch = collate(cls, data_list, *args, **kwargs)
        for store in batch.stores:
            vars(store).pop(name, None)
        return batch

    return classmethod(from_data_list)


@pytest.mark.parametrize(
    'name', ['_slice_dict', '_inc_dict', '_num_graphs', '_num_nodes']
)
def test_an_attribute_that_is_gone(monkeypatch, name):
    monkeypatch.setattr(Batch, 'from_data_list', without(name))
    assert not _pyg.fits()


@pytest.mark.parametrize('labelled', [True, False])
@pytest.mark.parametrize('device', [None, 'cpu'])
def test_the_way_back_gives_the_same(
    make_store, assert_same_batch, monkeypatch, labelled, device
):
    store = make_store(labelled=labelled, facts=True)
    dataset = StoreDataset(store, extras=('score', 'pair'), device=device)
    fast = dataset.batch([4, 1, 5, 1])
    monkeypatch.setattr(torch_geometric, '__version__', '2.9.0')
    _pyg.fits.cache_clear()
    monkeypatch.setattr(_pyg, 'make_batch', None)  # Which nobody calls.
    assert_same_batch(dataset.batch([4, 1, 5, 1]), fast)
