"""Runs the speed cases beside this file, and writes their table.

    python benchmarks/speed/run.py [CASE ...] [--threads 2] [--write]

``--write`` puts the numbers with machine and versions into ``results.json`` and the
table into ``README.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

# As the command line does: threads that wait sleep, if another process needs the core.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # For the cases, which import each other.

import torch
from case import Case, measure, print_memory

from hetero_mmer.training.files import versions

HELPERS = ('case', 'run', 'data')


def main() -> None:
    names = sorted(p.stem for p in HERE.glob('*.py') if p.stem not in HELPERS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cases', nargs='*', metavar='CASE', help=', '.join(names))
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--memory-of', help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.memory_of:
        print_memory(load(args.cases[0]), args.memory_of)
        return
    results: dict[str, Any] = {}
    for name in args.cases or names:
        case = load(name)
        sides = measure(case, HERE / f'{name}.py', args.threads)
        results[name] = {'name': case.name, 'sides': sides, 'goals': judge(case, sides)}
        print(table({name: results[name]}), flush=True)
    if args.write:
        write(results, args.threads)


def load(name: str) -> Case:
    """The case of a file."""
    return importlib.import_module(name).CASE


def judge(case: Case, sides: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """The ratio of each goal."""
    found = []
    for goal in case.goals:
        ratio = sides[goal.side][goal.of] / sides[goal.against][goal.of]
        found.append({**vars(goal), 'ratio': ratio, 'reached': ratio <= goal.at_most})
    return found


def table(results: dict[str, Any]) -> str:
    """Markdown of what was measured."""
    lines = []
    for result in results.values():
        lines += [f'**{result["name"]}**', '', '| | ms | MiB |', '| --- | --- | --- |']
        for side, found in result['sides'].items():
            memory = f'{found["memory"]:.0f}' if 'memory' in found else ''
            lines.append(f'| {side} | {found["seconds"] * 1e3:.3g} | {memory} |')
        lines.append('')
        for goal in result['goals']:
            what = 'time' if goal['of'] == 'seconds' else 'memory'
            word = 'reached' if goal['reached'] else 'MISSED'
            lines.append(
                f'* {what} of {goal["side"]} ÷ {goal["against"]}: {goal["ratio"]:.3g} '
                f'(goal: at most {goal["at_most"]:.3g}, {word})'
            )
        lines.append('')
    return '\n'.join(lines)


def write(results: dict[str, Any], threads: int) -> None:
    """Writes ``results.json`` and the table in ``README.md``."""
    path = HERE / 'results.json'
    known = json.loads(path.read_text())['cases'] if path.exists() else {}
    cases = dict(sorted((known | results).items()))
    about = {'machine': machine(), 'threads': threads, 'versions': versions()}
    path.write_text(json.dumps({**about, 'cases': cases}, indent=2) + '\n')
    readme = HERE / 'README.md'
    head = readme.read_text().split('## Results')[0]
    where = f'{about["machine"]}, {threads} threads, torch {torch.__version__}'
    readme.write_text(f'{head}## Results\n\n{where}.\n\n{table(cases)}')


def machine() -> str:
    """Name of the processor and number of cores."""
    name = platform.processor() or platform.machine()
    if sys.platform == 'linux':
        info = Path('/proc/cpuinfo').read_text()
        models = [x for x in info.splitlines() if x.startswith('model name')]
        name = models[0].split(':')[1].strip() if models else name
    return f'{name}, {os.cpu_count()} cores'


if __name__ == '__main__':
    main()
