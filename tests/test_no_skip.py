"""HETERO_MMER_NO_SKIP=1 makes a skip a failure, wherever it happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    'test_each.py': """
import pytest

@pytest.fixture
def lacking():
    pytest.skip('no data')

def test_fixture(lacking): pass

@pytest.mark.skipif(True, reason='no fork')
def test_mark(): pass

def test_inside(): pytest.importorskip('no_such_module')

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

@pytest.mark.gpu
def test_gpu(): pass

def test_passes(): pass
""",
    'test_import.py': "import pytest\npytest.importorskip('no_such_package')\n",
    'test_module.py': "import pytest\npytest.skip('no ray', allow_module_level=True)\n",
    'pytest.ini': '[pytest]\nmarkers = gpu\naddopts = -rA -p no:cacheprovider\n',
}


@pytest.fixture
def outcome(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    shutil.copy(Path(__file__).with_name('conftest.py'), tmp_path)

    def run(no_skip, *words):
        env = {**os.environ, 'HETERO_MMER_NO_SKIP': no_skip, 'CUDA_VISIBLE_DEVICES': ''}
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env,
        )
        return done.returncode, done.stdout

    return run


def test_a_skip_is_a_failure_where_none_is_allowed(outcome):
    status, text = outcome('1', '--continue-on-collection-errors')
    assert status == 1
    last = text.splitlines()[-1]  # What a fixture or an import skips is an error.
    assert '1 failed, 1 passed, 1 deselected, 1 xfailed' in last
    assert '4 errors' in last
    for reason in (
        *('no data', 'no fork', "could not import 'no_such_module'"),
        *("could not import 'no_such_package'", 'no ray'),
    ):
        sentence = next(
            line
            for line in text.splitlines()
            if 'allows no skip' in line and reason in line
        )
        assert sentence.startswith('HETERO_MMER_NO_SKIP=1 allows no skip, but test_')


def test_so_it_is_in_processes_side_by_side(outcome):
    status, text = outcome('1', '-n1')
    assert status == 1
    assert 'allows no skip, but test_module.py: Skipped: no ray' in text


def test_otherwise_a_skip_is_a_skip(outcome):
    status, text = outcome('0')
    assert status == 0
    assert '1 passed, 5 skipped, 1 deselected, 1 xfailed' in text
