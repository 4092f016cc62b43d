from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import hetero_mmer


def test_version_is_that_of_the_metadata():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / 'setup.cfg')
    assert hetero_mmer.__version__ == setup['metadata']['version']


def test_version_costs_nothing_until_it_is_asked_for():
    code = (
        "import sys, hetero_mmer; print('importlib.metadata' in sys.modules);"
        "hetero_mmer.__version__; print('importlib.metadata' in sys.modules)"
    )
    # Without site, whose files may import anything.
    run = [sys.executable, '-c', code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['False', 'True']
