"""Where predictions may be written: over nothing but older ones."""

from __future__ import annotations

import csv
from pathlib import Path

from hetero_mmer.files.output import check_replaceable


def predictions_header(names: list[str]) -> list[str]:
    """The columns of predictions.

    Args:
        names: Names of the labels.

    Example:
        >>> predictions_header(['joy'])
        ['sample_id', 'joy', 'joy_predicted']
    """
    return ['sample_id', *names, *(f'{name}_predicted' for name in names)]


def check_predictions_path(path: Path) -> None:
    """Refuses a path where something else than predictions lies.

    Args:
        path: Where predictions are to be written.

    Raises:
        InputError: For a folder, or a file that holds anything else.
    """
    check_replaceable(
        path,
        _are_predictions,
        what='predictions are a file',
        otherwise='holds no predictions',
    )


def _are_predictions(path: Path) -> bool:
    if not path.stat().st_size:
        return True  # Nothing is lost.
    try:
        with path.open(newline='', encoding='utf-8') as file:
            header = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    names = header[1 : 1 + len(header) // 2]
    return bool(names) and header == predictions_header(names)
