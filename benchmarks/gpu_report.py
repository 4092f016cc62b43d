"""Tables of what `gpu.py` measured."""

from __future__ import annotations

import platform
from typing import Any

import torch
import torch_geometric

Row = dict[str, Any]


def machine(device: torch.device) -> Row:
    """Device and versions."""
    cuda = device.type == 'cuda'
    return {
        'device': torch.cuda.get_device_name() if cuda else platform.machine(),
        'python': platform.python_version(),
        'torch': torch.__version__,
        'cuda': torch.version.cuda,
        'torch_geometric': torch_geometric.__version__,
    }


def table(rows: list[Row], columns: dict[str, str]) -> str:
    """Markdown of some columns, each with its format; a reason in the last one."""
    lines = [f'| {" | ".join(columns)} | |', '| --- ' * (len(columns) + 1) + '|']
    for row in rows:
        cells = [f'{row[c]:{f}}' if c in row else '' for c, f in columns.items()]
        lines.append(f'| {" | ".join(cells)} | {row.get("reason", "")} |')
    return '\n'.join(lines) + '\n'


def report(found: Row) -> str:
    """Markdown of everything."""
    steps = dict.fromkeys(('model', 'format', 'way', 'items'), '')
    steps |= {'ms': '.3g', 'samples_per_second': '.0f', 'share_of_roof': '.1%'}
    rates = [
        f'{rate:.4g} TFLOP/s ({number_format}, beside {name})'
        for name, rates in found['gemm_tflops'].items()
        for number_format, rate in rates.items()
    ]
    return '\n'.join(
        [
            ', '.join(f'{k} {v}' for k, v in found['machine'].items()) + '\n',
            f'GEMM roof: {"; ".join(rates)}\n',
            table(found['steps'], {**steps, 'graphs': ''}),
            table(
                found['epochs'],
                {'model': '', 'way': '', 'seconds': '.3g', 'kept_on': ''},
            ),
            table(found['equality'], {'model': '', 'probs': '.1e', 'gradients': '.1e'}),
            *found['goals'],
        ]
    )


def judge(found: Row, epochs: dict[str, float], tolerance: float) -> list[str]:
    """A line for each goal."""
    lines = []
    for row in found['equality']:
        word = 'reached' if row.get('reached') else 'MISSED'
        lines.append(f'* {row["model"]} equals the CPU to {tolerance:g}: {word}')
    for name, most in epochs.items():
        rows = [r for r in found['epochs'] if r['model'] == name and 'seconds' in r]
        if not rows:
            lines.append(f'* {name}: no epoch was measured')
            continue
        best = min(rows, key=lambda row: row['seconds'])
        word = 'reached' if best['seconds'] <= most else 'MISSED'
        lines.append(
            f'* {name}, epoch of {found["size"]["samples"]} samples in bf16, '
            f'{best["way"]}: {best["seconds"]:.2f} s (goal: at most {most:g} s, {word})'
        )
    return lines
