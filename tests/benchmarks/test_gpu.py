from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words):
    return subprocess.run(
        [sys.executable, ROOT / 'benchmarks' / 'gpu.py', *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
    )


@pytest.mark.slow
def test_without_a_gpu_one_sentence_says_so():
    done = run()
    assert done.returncode == 0, done.stderr
    assert 'no CUDA GPU' in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert run('--device', 'cpu').returncode == 2  # The papers' sizes take too long.


@pytest.mark.slow
def test_it_runs_on_a_cpu_and_what_is_not_ready_in_time_is_a_row(tmp_path):
    out = tmp_path / 'gpu.json'
    words = ['--device', 'cpu', '--quick', '--formats', 'bf16']
    done = run(*words, '--compile-seconds', 0, '--out', out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert [row['model'] for row in found['equality']] == ['CARAT', 'HHMPN']
    assert all(row['reached'] for row in found['equality'])
    for row in found['steps']:
        if row['way'] in ('eager', 'GEMM alone'):
            assert math.isfinite(row['ms'])
            assert 'reason' not in row
        else:
            assert 'no time left' in row['reason']
            assert 'ms' not in row
    ways = {row['way'] for row in found['steps']}
    assert {'eager', 'layers compiled', 'compiled', 'CUDA graphs'} <= ways
    assert [row['way'] for row in found['epochs']] == ['eager', 'eager']
    assert '| CARAT | bf16 | CUDA graphs | 6 |' in done.stdout
