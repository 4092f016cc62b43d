"""Writes the reference before each build: of the commands, and of the Python API.

Nothing is listed by hand. Commands, formats and models come from the package, their
options from their parsers, and public names from ``__all__``.
"""

from __future__ import annotations

import importlib
import inspect
import io
import os
import pkgutil
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

import hetero_mmer
from hetero_mmer import cli, datasets, models
from hetero_mmer.cli.main import COMMANDS

#: Packages without ``__all__`` whose modules are public as they are.
SHELVES = ('hetero_mmer', 'hetero_mmer.functional', 'hetero_mmer.nn')


def write_reference(app: Sphinx) -> None:
    """Writes both parts into the folder ``reference``."""
    folder = Path(app.srcdir) / 'reference'
    for name, pages in (('cli', command_pages()), ('api', module_pages())):
        _write(folder / name, dict(pages))


def command_pages() -> Iterator[tuple[str, str]]:
    """The pages of all commands, by name."""
    for command in COMMANDS:
        words = command.split()
        parts = [_help(words)]
        if command == 'train':
            parts += [_help([*words, '--model', name]) for name in models.__all__]
        if command == 'data convert':
            parts += [_help([*words, name]) for name in datasets.FORMATS]
        if command in ('recipes', 'data list'):
            parts.append(_console(words))
        title = f'# {command}\n'
        yield f'{command.replace(" ", "_")}.md', '\n'.join([title, *parts])


def module_pages() -> Iterator[tuple[str, str]]:
    """The pages of all packages that say what is public, and of single modules."""
    for module in _public_modules():
        name = module.__name__
        title = name.partition('.')[2]
        lines = [title, '=' * len(title), '', f'.. automodule:: {name}']
        if hasattr(module, '__path__'):
            for member in vars(module)['__all__']:
                lines += ['', *_entry(module, member)]
        else:
            lines.append('   :members:')
        yield f'{name}.rst', '\n'.join([*lines, ''])


def _public_modules() -> Iterator[ModuleType]:
    """Packages with ``__all__``, and modules of those that are shelves of modules."""
    for found in pkgutil.walk_packages(hetero_mmer.__path__, 'hetero_mmer.'):
        parent = found.name.rpartition('.')[0]
        if found.name.startswith(('hetero_mmer.cli', 'hetero_mmer.__main__')):
            continue
        module = importlib.import_module(found.name)
        if '__all__' in vars(module) if found.ispkg else parent in SHELVES:
            yield module


def _entry(module: ModuleType, member: str) -> list[str]:
    """The directive of a public name."""
    name, value = f'{module.__name__}.{member}', getattr(module, member)
    if inspect.isfunction(value):
        return [f'.. autofunction:: {name}']
    if inspect.isclass(value):
        kind = 'exception' if issubclass(value, BaseException) else 'class'
        return [f'.. auto{kind}:: {name}', '   :members:']
    # autodoc finds the comment on a value only where it is defined.
    for found in pkgutil.iter_modules(module.__path__, f'{module.__name__}.'):
        docs = ModuleAnalyzer.for_module(found.name).find_attr_docs()
        if text := docs.get(('', member)):
            return [f'.. py:data:: {name}', '', *(f'   {line}' for line in text)]
    return [f'.. py:data:: {name}']


def _help(words: list[str]) -> str:
    title = ' '.join(word for word in words if word not in ('train', 'data', 'convert'))
    heading = f'## {title}\n\n' if title and len(words) > 2 else ''
    return heading + _console([*words, '--help'])


def _console(words: list[str]) -> str:
    """What a command prints."""
    out = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS='88'),
        redirect_stdout(out),
        redirect_stderr(out),
    ):
        status = cli.main(words)
    if status:
        raise RuntimeError(f'{words} ends with {status}: {out.getvalue()}')
    text = out.getvalue().replace(' \b', '')  # jsonargparse's way to join two words.
    return f'```console\n$ hetero-mmer {" ".join(words)}\n{text}```\n'


def _write(folder: Path, pages: dict[str, str]) -> None:
    """Writes what has changed, so that the rest need not be built again."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8')


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the reference before each build."""
    app.connect('builder-inited', write_reference)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
