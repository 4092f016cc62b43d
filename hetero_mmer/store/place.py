"""Where a store and its report may be written: over nothing but older ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hetero_mmer.errors import InputError
from hetero_mmer.files.escape import visible
from hetero_mmer.files.output import check_replaceable, claim, replacing
from hetero_mmer.io import safe_h5
from hetero_mmer.store.format import FORMAT
from hetero_mmer.store.like import ENCODERS, MODEL
from hetero_mmer.store.reader import Store
from hetero_mmer.store.report import report


def check_store_path(path: Path) -> None:
    """Refuses a path where something else than a store lies.

    Args:
        path: Where a store is to be written.

    Raises:
        InputError: For a folder, a file that is neither a store nor empty, or the name
            of the encoders in the folder of a run, which would be taken for them.
    """
    # Some file systems tell no capitals apart.
    if path.name.lower() == ENCODERS and (path.parent / MODEL).exists():
        raise InputError(
            f"'{path}' is a file of the run in '{path.parent}', so no store is written "
            f'there; name another output'
        )
    check_replaceable(
        path, _is_store, what='a store is a file', otherwise='is no store'
    )


def check_report_path(store: Path, end: str = '.report.md') -> Path:
    """The path of a store's report, refused where something else lies.

    Args:
        store: The store's path.
        end: How the report's name ends.

    Raises:
        InputError: For anything but the report of such a store.

    Example:
        >>> check_report_path(Path('data/own.h5')).name
        'own.report.md'
    """
    path = store.with_suffix(end)
    if path.exists() and not (path.is_file() and _is_report(path, store)):
        raise InputError(
            f"the report of '{store}' goes to '{path}', which is there already and is "
            'not its report, so it is not replaced; name another output, or move it'
        )
    return path


def write_report(store: Store) -> Path:
    """Writes the report of a store beside it.

    Args:
        store: An open store.

    Returns:
        The report's path.

    Raises:
        InputError: As in :func:`check_report_path`.
    """
    return _write(report(store), check_report_path(store.path))


def write_report_of_none(store: Path, text: str) -> Path:
    """Writes why there is no store, where its report would have been.

    The report of an older store that lies there stays.

    Args:
        store: Where the store would have been.
        text: The report.

    Returns:
        The report's path.

    Raises:
        InputError: As in :func:`check_report_path`.
    """
    end = '.dropped.report.md' if store.exists() else '.report.md'
    return _write(text, check_report_path(store, end))


def _write(text: str, path: Path) -> Path:
    with claim(path, wait=True), replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return path


def _is_store(path: Path) -> bool:
    if not path.stat().st_size:
        return True  # Nothing is lost.
    for options in ({}, {'locking': False}):  # As it may be open already.
        with (
            contextlib.suppress(*safe_h5.DAMAGE),  # No HDF5, or a damaged one.
            safe_h5.open_h5(path, **options) as file,
        ):
            return safe_h5.format_of(file)[0] == FORMAT
    return False


def _is_report(path: Path, store: Path) -> bool:
    try:
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        return False
    head = f'# {visible(store.name)}\n'
    return not text or (text.startswith(head) and '\n## Kept\n' in text)
