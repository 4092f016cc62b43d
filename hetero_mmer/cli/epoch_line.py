from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hetero_mmer.run.options import Monitor, watched

#: The time that is left is judged by so many epochs, since a machine's load changes.
_RECENT: Final = 5


def epoch_line(
    rows: Sequence[Mapping[str, float]],
    epochs: int,
    monitor: Monitor,
    best_epoch: int,
    *,
    ends: bool = False,
) -> str:
    """How training goes, in a plain line.

    Args:
        rows: The metrics of all epochs so far.
        epochs: How many there are to be at most.
        monitor: By what the best epoch is chosen.
        best_epoch: The best so far.
        ends: Whether the last one was the last.

    Example:
        >>> row = {'train/total': 0.41234, 'valid/f1_micro': 0.6829, 'seconds': 4.06}
        >>> epoch_line([row], 50, 'f1_micro', 1)
        'epoch 1/50  loss 0.4123  valid f1_micro 0.6829, the best  4.1 s, 3 min left'
    """
    row = rows[-1]
    name = watched(monitor)
    title = name.replace('/', ' ').replace('total', 'loss')
    score = f'{title} {row[name]:.4f}'
    if monitor != 'last' and best_epoch == len(rows):
        score += ', the best'
    elif monitor != 'last':
        score += f', best {rows[best_epoch - 1][name]:.4f} (epoch {best_epoch})'
    time = _duration(row['seconds'])
    if not ends and len(rows) < epochs:
        recent = [r['seconds'] for r in rows[-_RECENT:]]
        left = (epochs - len(rows)) * sum(recent) / len(recent)
        time += f', {_duration(left)} left'
    loss = f'loss {row["train/total"]:.4f}'
    return '  '.join([f'epoch {len(rows)}/{epochs}', loss, score, time])


def _duration(seconds: float) -> str:
    """Time in the unit in which one thinks of it.

    Example:
        >>> [_duration(s) for s in (0.04, 4.06, 89, 100, 5399, 9000)]
        ['0.0 s', '4.1 s', '89 s', '2 min', '90 min', '2.5 h']
    """
    if seconds < 90:
        return f'{seconds:.1f} s' if seconds < 10 else f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'
