"""Damaged files never cause a traceback, a hang, much memory, or a half-written file.

``make fuzz`` runs each target for minutes, with new seeds that are printed. The tests
here are the same with few examples, always the same ones.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

import child
import edits
import hostile
import hostile_csd
import raw_files

#: Seconds for each target, and the first seed; few fixed examples where not set.
SECONDS = float(os.environ.get('FUZZ_SECONDS', 0))
SEED = int(os.environ.get('FUZZ_SEED', 0))

TRAIN = ('train', '--device', 'cpu', '--batch_size', '8', '--seed', '1')
CANARY = """
from pathlib import Path
Path(__file__).with_name('ran').touch()
class Canary: pass
run = Canary
"""


@dataclass(frozen=True)
class Target:
    """Files of a folder that are damaged one at a time, and who reads them then.

    Args:
        folder: Where everything lies.
        files: Those that are damaged.
        commands: Command lines that are run after it, in the folder.
        made: What the commands make, or change; put back before each example.
    """

    folder: Path
    files: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    made: tuple[str, ...] = ()


@pytest.fixture(scope='session')
def base(tmp_path_factory) -> Path:
    """A store, a recipe, a finished run, and two that were stopped on their way."""
    child.prepare()
    folder = tmp_path_factory.mktemp('base')
    hostile.write_good(folder / 'store.h5')
    (folder / 'recipe.yaml').write_text(
        'model:\n  class_path: hetero_mmer.models.HHMPN\n  init_args:\n'
        '    hidden_channels: 8\n    num_steps: 1\n    f2l:\n'
        '      class_path: torch_geometric.nn.GATv2Conv\n'
        '      init_args: {heads: 1}\nepochs: 1\nthreshold: tuned\n'
    )
    words = (*TRAIN, '--data', 'store.h5', '--recipe', 'recipe.yaml', '--out')
    ended = child.run([*words, 'run'], folder)
    assert ended.status == 0, ended.err
    rows = folder / 'stopped' / 'metrics.csv'
    _stop(
        [*words, 'stopped', '--epochs', '8'],
        folder,
        lambda: rows.is_file() and len(rows.read_text().splitlines()) > 2,
    )
    _stop([*words, 'begun'], folder, (folder / 'begun' / 'config.yaml').is_file)
    assert (folder / 'begun' / 'checkpoints' / 'start.yaml').is_file()
    return folder


def _stop(words: list[str], folder: Path, when: Callable[[], bool]) -> None:
    """Begins a run and kills it."""
    pid = child.start(words, folder)
    assert child.within(60, when)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    run = folder / words[words.index('--out') + 1]
    assert not (run / 'metrics.json').is_file()


def _of_format(name: str, folder: Path) -> Target:
    folder.mkdir()
    raw = raw_files.FORMATS[name](folder, np.random.default_rng(0))
    command = ('data', 'convert', *raw.words, '--output', 'out/new.h5')
    return Target(folder, raw.files, (command,), ('out',))


def _like(folder: Path) -> Target:
    """New samples that are encoded as those of a run."""
    raw = _of_format('meld', folder)
    recipe = 'model: {class_path: hetero_mmer.models.HHMPN}\nepochs: 1\n'
    (folder / 'recipe.yaml').write_text(recipe)
    words = ('--data', 'out/new.h5', '--recipe', 'recipe.yaml', '--out', 'run')
    for command in (*raw.commands, (*TRAIN, *words)):
        assert child.run(command, folder).status == 0
    (command,) = raw.commands
    told = ('--text_channels', '--num_speakers')  # As the run says.
    places = [
        i for name in told for i in (command.index(name), command.index(name) + 1)
    ]
    command = tuple(word for i, word in enumerate(command) if i not in places)
    command = (*command, '--like', 'run')
    return Target(folder, ('run/encoders.h5', 'run/model.json'), (command,), ('out',))


def _targets(folder: Path) -> dict[str, Target]:
    """Targets beside those of formats, in a folder with all that they need."""
    predict = ('predict', 'run', 'store.h5', '--output', 'out/p.csv')
    run = ('run/model.json', 'run/metrics.json', 'run/config.yaml')
    stopped = ('config.yaml', 'metrics.csv', 'checkpoints/last.ckpt')
    return {
        'store': Target(
            folder,
            ('store.h5',),
            (
                ('data', 'validate', 'store.h5'),
                ('data', 'describe', 'store.h5'),
                predict,
            ),
            ('out',),
        ),
        'run': Target(folder, run, (('evaluate', 'run'), predict), ('out', 'run')),
        'weights': Target(
            folder, ('run/model.safetensors',), (predict,), ('out', 'run')
        ),
        'stopped': Target(
            folder,
            tuple(f'stopped/{name}' for name in stopped),
            (('train', '--resume', 'stopped'),),
            ('stopped',),
        ),
        'begun': Target(
            folder,
            ('begun/config.yaml', 'begun/checkpoints/start.yaml'),
            (('train', '--resume', 'begun'),),
            ('begun',),
        ),
        'recipe': Target(
            folder,
            ('recipe.yaml',),
            ((*TRAIN, '--recipe', 'recipe.yaml', '--data', 'store.h5', '--epochs', '1',
              '--out', 'out/run'),),
            ('out',),
        ),
    }  # fmt: skip


OTHERS = ('store', 'run', 'weights', 'stopped', 'begun', 'recipe')


@pytest.mark.parametrize('name', [*raw_files.FORMATS, 'like', *OTHERS])
def test_damaged_files(name, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name
    if name in raw_files.FORMATS:
        target = _of_format(name, folder)
    elif name == 'like':
        target = _like(folder)
    else:
        shutil.copytree(base, folder)
        target = _targets(folder)[name]
    (folder / 'canary.py').write_text(CANARY)
    for command in target.commands:  # The files as they are are good.
        outcome = None if '--resume' in command else child.run(command, folder)
        assert outcome is None or outcome.status == 0, outcome
    seeds, num_examples, faults = _fuzz(target, tmp_path / 'kept')
    print(f'{name}: FUZZ_SEED={seeds[0]} to {seeds[-1]}, {num_examples} files')
    if faults:
        pytest.fail('\n\n'.join(faults), pytrace=False)


SLOW = [
    pytest.param(c, marks=pytest.mark.slow) for c in ('describe', 'validate', 'train')
]


@pytest.mark.parametrize('command', ['predict', *SLOW])
def test_hostile_stores(command, base, tmp_path):
    """What the fuzzer would never make; each is refused by each command."""
    folder = tmp_path / 'here'
    shutil.copytree(base, folder)
    words = {
        'predict': ('predict', 'run', 'bad.h5', '--output', 'out/p.csv'),
        'train': (
            *TRAIN,
            '--data',
            'bad.h5',
            '--recipe',
            'recipe.yaml',
            '--out',
            'out',
        ),
    }.get(command, ('data', command, 'bad.h5'))
    target = Target(folder, ('bad.h5',), (words,))
    _refused(target, hostile.hostile_stores(tmp_path))


def test_hostile_sequences(tmp_path):
    folder = tmp_path / 'here'
    target = _of_format('cmu-mosei', folder)
    _refused(
        Target(folder, ('glove_vectors.csd',), target.commands),
        hostile_csd.hostile_csd(tmp_path),
    )


def _refused(target: Target, bad: Iterator[tuple[str, Path]]) -> None:
    """Judges how a command ends on files of which it may believe none."""
    for name, path in bad:
        for old in target.folder.glob('secret.*'):
            old.unlink()
        for one in (path, *path.parent.glob('secret.*')):
            to = target.files[0] if one == path else one.name
            shutil.copy(one, target.folder / to)
        for command in target.commands:
            ended = child.run(command, target.folder)
            size = path.stat().st_size
            assert not _fault(ended, command, target, size), (name, ended)
            assert ended.status == 2, (name, ended)
        path.unlink()


def _fuzz(target: Target, kept: Path) -> tuple[list[int], int, list[str]]:
    """Damages files until the time is over.

    Returns:
        The seeds, the number of files that were damaged, and what was wrong.
    """
    for name in target.made:
        if (target.folder / name).exists():
            shutil.copytree(target.folder / name, kept / name)
    originals = {f: (target.folder / f).read_bytes() for f in target.files}
    end = time.monotonic() + SECONDS
    faults: dict[str, str] = {}
    examples: list[str] = []

    @settings(
        max_examples=100 if SECONDS else 6,
        deadline=None,
        derandomize=not SECONDS,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.sampled_from(target.files).flatmap(_damage))
    def example(damage: tuple[str, list[edits.Edit]]) -> None:
        if SECONDS and time.monotonic() > end:
            return
        name, changes = damage
        damaged = edits.edited(originals[name], changes)
        examples.append(name)
        for command in target.commands:
            _put_back(target, kept)
            (target.folder / name).write_bytes(damaged)
            ended = child.run(command, target.folder)
            if fault := _fault(ended, command, target, len(damaged)):
                # What the last line says tells faults apart.
                last = (ended.err.splitlines() or [''])[-1]
                told = f'{fault}: {" ".join(command)}\n{damage}\n{ended.err[-2000:]}'
                faults.setdefault(f'{fault} {last[:40]}', f'{told}\n{ended}'[:6000])
            (target.folder / name).write_bytes(originals[name])

    seeds: list[int] = []
    while not seeds or time.monotonic() < end:
        seeds.append(SEED + len(seeds))
        if SECONDS:
            example = hypothesis.seed(seeds[-1])(example)
        example()
    return seeds, len(examples), list(faults.values())


def _damage(name: str) -> st.SearchStrategy[tuple[str, list[edits.Edit]]]:
    text = name.endswith(('.csv', '.json', '.yaml', '.arff', '.xml'))
    return st.tuples(st.just(name), edits.TEXT if text else edits.BINARY)


def _put_back(target: Target, kept: Path) -> None:
    for name in target.made:
        shutil.rmtree(target.folder / name, ignore_errors=True)
        if (kept / name).exists() and name != 'out':
            shutil.copytree(kept / name, target.folder / name)


def _fault(
    ended: child.Outcome, command: tuple[str, ...], target: Target, size: int
) -> str:
    """What is wrong with how a command ended; nothing if all is well."""
    errors = [e for e in ended.err.splitlines() if e.startswith('hetero-mmer: error:')]
    one = len(errors) == 1 and ended.err.rstrip().endswith(errors[0])
    new = target.folder / 'out' / 'new.h5'
    told = ended.out + ended.err
    faults = {
        'hangs': ended.late or ended.seconds > 10,
        'traceback': ended.status not in (0, 2) or 'Traceback' in ended.err,
        'memory': ended.grown > 2 * size + (300 << 20),
        'code of the file ran': (target.folder / 'ran').exists(),
        'not one sentence': ended.status == 2
        and command[:2] != ('data', 'validate')
        and not one,
        'raw control characters': re.search(r'[\x00-\x08\x0b-\x1f\x7f\u202e]', told),
        'a warning of Python': re.search(r'\.py:\d+: \w*Warning', ended.err),
        'files left': any(_left(target.folder)),
        'no store, or half of one': command[1] == 'convert'
        and new.exists() != (ended.status == 0),
    }
    return ', '.join(name for name, found in faults.items() if found)


def _left(folder: Path) -> Iterator[Path]:
    """Files under names that are for the time of writing only."""
    for path in (folder / 'out').rglob('*'):
        if path.name.startswith(('.', 'tmp')) or path.suffix in ('.tmp', '.part'):
            yield path
