from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError
from hetero_mmer.run.recipe import FOLDER, recipe_lines, recipe_names, recipe_text
from hetero_mmer.run.study import variants


@pytest.mark.parametrize('name', recipe_names())
def test_the_first_line_says_model_and_data(name):
    line = recipe_lines()[name]
    recipe = yaml.safe_load(recipe_text(name))
    assert line.startswith(recipe['model']['class_path'])
    known = ['CMU-MOSEI', 'M3ED', 'MELD', 'NEMu', 'music-emotions', 'generated', 'own']
    assert any(data in line for data in known)
    assert any(word in line for word in ('our own values', 'paper', 'code'))


def test_the_command_lists_each_in_one_line(capsys):
    assert main(['recipes']) == 0
    lines = capsys.readouterr().out.splitlines()
    files = [path.stem for path in FOLDER.glob('*.yaml')]
    assert [line.split()[0] for line in lines] == sorted([*files, *variants()])
    assert max(map(len, lines)) <= 120


def test_the_command_prints_a_recipe_to_copy(capsys):
    assert main(['recipes', 'carat_own']) == 0
    assert capsys.readouterr().out == (FOLDER / 'carat_own.yaml').read_text()
    assert main(['recipes', 'carat_onw']) == 2
    assert "did you mean 'carat_own'?" in capsys.readouterr().err


def test_names_are_no_paths():
    for name in ('../recipes/carat_own', 'carat_own.yaml', ''):
        with pytest.raises(InputError, match='there is no recipe'):
            recipe_text(name)


def test_the_list_needs_no_torch():
    code = (
        'import sys; from hetero_mmer.cli import main; main(["recipes"]); '
        'print(sorted({"torch", "numpy", "h5py", "rich"} & set(sys.modules)))'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == '[]'
