"""Runs the speed cases beside this file, and writes their tables.

    python benchmarks/speed/run.py [CASE ...] [--threads 2] [--write]

``--write`` puts the numbers with machine and versions into ``results.json`` beside this
file, and the tables into ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# As the command line does: threads that wait sleep, if another process needs the core.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # For the cases, which import each other.

import torch
from case import Case, measure, print_memory

from hetero_mmer.run.files import versions

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
    cases = args.cases or names
    if len(cases) > 1:  # Apart: what one leaves in memory helps or hinders the next.
        options = ['--threads', str(args.threads), *['--write'] * args.write]
        for name in cases:
            subprocess.run([sys.executable, __file__, name, *options], check=True)
        return
    case = load(cases[0])
    sides = measure(case, HERE / f'{cases[0]}.py', args.threads)
    result = {
        'name': case.name,
        'sides': sides,
        'goals': judge(case, sides),
        'machine': machine(),
        'threads': args.threads,
        'versions': versions(),
    }
    print(f'{details([result])}\n{summary([result])}', flush=True)
    if args.write:
        write({cases[0]: result})


def load(name: str) -> Case:
    """The case of a file."""
    return importlib.import_module(name).CASE


def judge(case: Case, sides: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """What came of each goal: a ratio, or seconds or MiB."""
    found = []
    for goal in case.goals:
        value = sides[goal.side][goal.of]
        if goal.against is not None:
            value /= sides[goal.against][goal.of]
        found.append({**vars(goal), 'value': value, 'reached': value <= goal.at_most})
    return found


def summary(results: Iterable[dict[str, Any]]) -> str:
    """Markdown of all goals."""
    lines = ['| what | | against | found | goal | reached |', '| --- ' * 6 + '|']
    for result in results:
        for goal in result['goals']:
            of = 'time' if goal['of'] == 'seconds' else 'memory'
            unit = ' s' if goal['of'] == 'seconds' else ' MiB'
            unit = unit if goal['against'] is None else ''
            lines.append(
                f'| {result["name"]} | {goal["side"]}, {of} | {goal["against"] or ""} '
                f'| {number(goal["value"])}{unit} | ≤ {number(goal["at_most"])}{unit} '
                f'| {"yes" if goal["reached"] else "**no**"} |'
            )
    return '\n'.join(lines) + '\n'


def details(results: Iterable[dict[str, Any]]) -> str:
    """Markdown of what was measured."""
    lines = []
    for result in results:
        where = (
            f'{result["machine"]}, {result["threads"]} threads, '
            f'torch {result["versions"]["torch"]}'
        )
        lines += [f'**{result["name"]}** ({where})', '']
        lines += ['| | ms | MiB |', '| --- | --- | --- |']
        for side, found in result['sides'].items():
            memory = f'{found["memory"]:.0f}' if 'memory' in found else ''
            lines.append(f'| {side} | {number(found["seconds"] * 1e3)} | {memory} |')
        lines.append('')
    return '\n'.join(lines)


def number(value: float) -> str:
    """Three digits, or all that stand before the point."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def write(results: dict[str, Any]) -> None:
    """Writes ``results.json`` and the tables in ``benchmarks/README.md``."""
    path = HERE / 'results.json'
    known = json.loads(path.read_text()) if path.exists() else {}
    cases = dict(sorted((known | results).items()))
    path.write_text(json.dumps(cases, indent=2) + '\n')
    readme = HERE.parent / 'README.md'
    head = readme.read_text().split('## Results')[0]
    tables = f'{summary(cases.values())}\n{details(cases.values())}'
    readme.write_text(f'{head}## Results\n\n{tables}')


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
