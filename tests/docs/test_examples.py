"""What the pages and the README show runs, and prints what they say."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
SESSIONS = runpy.run_path(str(DOCS / 'sessions.py'))
PAGES = [ROOT / 'README.md', *sorted(DOCS.rglob('*.md'))]


@pytest.mark.parametrize('name', sorted(p.name for p in (DOCS / 'examples').iterdir()))
def test_sessions_print_what_the_pages_show(name, tmp_path):
    found = SESSIONS['run_folder'](DOCS / 'examples' / name, tmp_path)
    assert found
    for path, text in found.items():
        shown = path.read_text(encoding='utf-8')
        assert SESSIONS['mask'](text) == SESSIONS['mask'](shown), path


def test_every_example_is_shown_on_a_page():
    pages = '\n'.join(page.read_text(encoding='utf-8') for page in PAGES)
    for path in (DOCS / 'examples').rglob('*.*'):
        if '__pycache__' not in path.parts:
            assert f'{path.parent.name}/{path.name}' in pages, path


def test_python_of_the_readme_runs(tmp_path):
    blocks = _blocks(ROOT / 'README.md', 'python')
    assert blocks
    subprocess.run([sys.executable, '-c', '\n'.join(blocks)], cwd=tmp_path, check=True)


def test_picture_is_what_its_script_draws():
    drawn = runpy.run_path(str(DOCS / 'graph.py'))['draw']()
    assert drawn == (DOCS / 'graph.svg').read_text(encoding='utf-8')


def test_commands_and_options_of_the_pages_are_there(capsys):
    """All lines that begin with our command, in whatever block of a page."""
    from hetero_mmer.cli import main

    lines = {
        line.removeprefix('$ ').partition('#')[0]
        for page in PAGES
        for block in _blocks(page, r'(?:sh|console|text)')
        for line in block.replace('\\\n', ' ').splitlines()
        if re.match(r'(\$ )?hetero-mmer \w', line)
    }
    assert len(lines) > 20
    for line in sorted(lines):
        _, *words = line.split()
        size = 1 + (words[0] == 'data') + (words[:2] == ['data', 'convert'])
        assert main([*words[:size], '--help']) == 0, line
        known = capsys.readouterr().out
        for option in re.findall(r'--[a-z_]+(?![\w.-])', line):
            assert re.search(rf'{option}\b', known), f'{option} of: {line}'


def _blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding='utf-8')
    return re.findall(rf'^```{language}\n(.*?)^```', text, flags=re.M | re.S)
