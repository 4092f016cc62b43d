"""What is refused before a run begins or goes on; takes no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hetero_mmer.datasets import resolve_data
from hetero_mmer.datasets.catalog import SYNTHETIC
from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import check_plain
from hetero_mmer.run import files
from hetero_mmer.run.check import check_device_name, check_folder
from hetero_mmer.run.config import read_plain
from hetero_mmer.run.options import TrainOptions, check_types
from hetero_mmer.run.rows import rows_of
from hetero_mmer.run.start import MAY_DIFFER
from hetero_mmer.store import Store


def check_early(data: str | Path, out: str | Path, options: TrainOptions) -> None:
    """Refuses what can be refused before torch is imported, let alone a model.

    Args:
        data: As in :func:`hetero_mmer.training.train`.
        out: Likewise.
        options: Likewise.

    Raises:
        InputError: If that is bad.
    """
    folder = Path(out)
    if folder.is_file() or (folder / files.CONFIG).is_file():
        check_folder(folder)
    if str(data) != SYNTHETIC:  # Which may have to be made first.
        with Store(resolve_data(data, options.root)) as store:
            store.chosen(options.modalities)
            rows_of(store, options.split_file, options.fold)


def check_resumable(folder: str | Path, data: str | Path | None = None) -> None:
    """Refuses a run that cannot go on, as far as that can be told without torch.

    Args:
        folder: As in :func:`hetero_mmer.training.resume`.
        data: Likewise.

    Raises:
        InputError: If there is none, or it has finished, or its data are not there.
    """
    plain = read_unfinished(Path(folder), data)
    Store(resolve_data(plain['data'], plain['root'])).close()


def read_unfinished(folder: Path, data: str | Path | None) -> dict[str, Any]:
    """The options of a run that has not finished, as its file has them.

    Args:
        folder: Its folder.
        data: Where its data lie now, if they were moved.

    Raises:
        InputError: If there is none, or it has finished, or its data are not there.
    """
    plain = read_plain(folder)
    if (folder / files.METRICS).exists():
        raise InputError(f"the run in '{folder}' has finished; nothing is left to do")
    # Others are compared with what the run started with.
    where = f"'{folder / files.CONFIG}'"
    check_plain(plain['data'], str, where, 'data')
    check_types({n: plain[n] for n in MAY_DIFFER if n != 'data'}, where)
    if data is not None:
        plain['data'] = lasting_name(data, plain['root'])
    elif not (path := resolve_data(plain['data'], plain['root'])).exists():
        raise InputError(
            f"the data of the run in '{folder}', '{path}', are not there; if they lie "
            f'elsewhere now, `resume({str(folder)!r}, data=PATH)` goes on'
        )
    check_device_name(plain['device'])
    return plain


def with_lasting_paths(options: TrainOptions) -> TrainOptions:
    """Options whose files are found from every working directory."""
    names = ('root', 'split_file', 'label_vectors', 'label_relations', 'init')
    paths: dict[str, Any] = {
        name: str(Path(path).absolute())
        for name in names
        if (path := getattr(options, name)) is not None
    }
    return replace(options, **paths)


def lasting_name(data: str | Path, root: str | Path | None) -> str:
    """A path that holds in every working directory; a name stays a name."""
    path = resolve_data(data, root)
    return str(path.absolute()) if path == Path(data) else str(data)
