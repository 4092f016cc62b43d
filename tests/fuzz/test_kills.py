"""Commands that are killed at any moment and given again end as if nothing happened."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import child
import raw_files

SEED = int(os.environ.get('FUZZ_SEED', 0))
KILLS = 20


class Commands:
    """Raw files to a store, to a run, to its metrics and predictions, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        raw = raw_files.csv(folder, np.random.default_rng(0))
        self.convert = ('data', 'convert', *raw.words, '--output', 'own.h5')
        self.train = ('train', '--data', 'own.h5', '--out', 'run', '--model', 'HHMPN',
                      '--model.hidden_channels', '8', '--epochs', '12', '--seed', '3',
                      '--threshold', 'tuned', '--device', 'cpu')  # fmt: skip
        self.evaluate = ('evaluate', 'run', '--split', 'valid')
        self.predict = ('predict', 'run', 'own.h5', '--output', 'all.csv')

    def all(self) -> list[tuple[str, ...]]:
        return [self.convert, self.train, self.evaluate, self.predict]

    def again(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """What a user types after this command was killed."""
        begun = (self.folder / 'run' / 'config.yaml').is_file()
        if command[0] == 'train' and begun:
            return 'train', '--resume', 'run'
        return command

    def made(self) -> dict[str, bytes]:
        """What was made, without times."""
        names = ['own.h5', 'all.csv', 'run/predictions_test.csv', 'run/metrics.json',
                 'run/model.safetensors', 'run/metrics.csv']  # fmt: skip
        files = {name: (self.folder / name).read_bytes() for name in names}
        rows = [row.split(b',') for row in files['run/metrics.csv'].splitlines()]
        clock = rows[0].index(b'seconds')
        rows = [row[:clock] + row[clock + 1 :] for row in rows]
        files['run/metrics.csv'] = b'\n'.join(b','.join(row) for row in rows)
        seconds = rb'"[a-z_]*seconds[a-z_]*": [0-9.e-]+'
        files['run/metrics.json'] = re.sub(seconds, b'', files['run/metrics.json'])
        return files


def undisturbed(folder: Path) -> tuple[dict[str, bytes], dict[str, float]]:
    """What the commands make, and the seconds each takes."""
    child.prepare()
    commands = Commands(folder)
    seconds = {}
    for command in commands.all():
        begin = time.monotonic()
        ended = child.run(command, folder, limit=300)
        assert ended.status == 0, ended
        seconds[command[0]] = time.monotonic() - begin
    return commands.made(), seconds


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_no_trace(tmp_path):
    print(f'FUZZ_SEED={SEED}')
    # Files are compared to the last bit, paths in them, too: all have one folder.
    folder = tmp_path / 'here'
    expected, seconds = undisturbed(folder)
    folder.rename(tmp_path / 'undisturbed')
    rng = random.Random(SEED)
    kills = []
    while len(kills) < KILLS:
        commands = Commands(folder)
        for command in commands.all():
            for last in (False,) * (3 if command[0] == 'train' else 1) + (True,):
                moment = rng.uniform(0, seconds[command[0]])
                pid = child.start(commands.again(command), folder)
                if not last and not child.within(moment, partial(_ended, pid)):
                    os.kill(pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                if status == 0:
                    break
                assert status == -signal.SIGKILL, (folder / '.err').read_text()
                kills.append((command[0], round(moment, 3)))
        assert commands.made() == expected, kills
        names = ('.out', '.err', '.grown')
        assert [p for p in folder.rglob('.*') if p.name not in names] == [], kills
        folder.rename(tmp_path / f'killed-{len(kills)}')
    print(kills)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
