"""What a finished run says of itself; reading it takes no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, did_you_mean_path
from hetero_mmer.files.plain import check_plain
from hetero_mmer.run import files
from hetero_mmer.run.build import Facts
from hetero_mmer.run.old import renewed_model
from hetero_mmer.run.reading import Reading
from hetero_mmer.run.rows import rows_of
from hetero_mmer.schema import Kind
from hetero_mmer.spec import LABEL_RELATIONS, LABEL_VECTORS, NUM_EMBEDDINGS, is_known
from hetero_mmer.store import Store
from hetero_mmer.store.about import read_about


@dataclass(frozen=True)
class Record:
    """What ``model.json`` says of a finished run; reading it takes no torch."""

    path: Path
    about: dict[str, Any]

    @property
    def label_names(self) -> list[str]:
        """Names of the labels, in the order of the model's output."""
        return self.about['label_names']

    @property
    def in_channels(self) -> dict[str, int]:
        """Feature width of each modality, in the model's order."""
        return {m: v['channels'] for m, v in self.about['modalities'].items()}

    @property
    def num_embeddings(self) -> dict[str, int]:
        """Size of the vocabulary of each modality whose items are ids."""
        sizes = {m: v.get(NUM_EMBEDDINGS) for m, v in self.about['modalities'].items()}
        return {m: size for m, size in sizes.items() if size is not None}

    @property
    def kinds(self) -> dict[str, Kind]:
        """``sequence`` or ``set`` for each modality."""
        return {m: v['kind'] for m, v in self.about['modalities'].items()}

    @property
    def facts(self) -> Facts:
        """What the model was told of its data."""
        import torch

        given = {
            name: torch.tensor(value)
            for name in (LABEL_VECTORS, LABEL_RELATIONS)
            if (value := self.about.get(name)) is not None
        }
        return Facts(
            self.in_channels, len(self.label_names), self.num_embeddings, **given
        )

    @property
    def reading(self) -> Reading:
        """How the run reads samples."""
        import torch

        found = {m: v['scale'] for m, v in self.about['modalities'].items()}
        edges = self.about['label_graph']
        return Reading(
            list(self.in_channels),
            {
                m: (np.array(scale['mean']), np.array(scale['std']))
                for m, scale in found.items()
                if scale is not None
            },
            None if edges is None else torch.tensor(edges),
            self.about['skip_empty'],
        )

    def rows(self, store: Store) -> dict[str, NDArray[np.int64]]:
        """The samples of each split of the run's own data.

        Args:
            store: Its data.
        """
        of = self.about['data']
        keys = ('split_file', 'fold', 'split_sha256')
        split_file, fold, sha256 = (of.get(key) for key in keys)
        return rows_of(store, split_file, fold, sha256=sha256)

    @property
    def left_out(self) -> list[str]:
        """Modalities that the data had and the model does not use."""
        return self.about['left_out']


def read_record(path: str | Path) -> Record:
    """What ``model.json`` says of a finished run; takes no torch.

    Args:
        path: Its folder.

    Raises:
        InputError: For a folder that holds no finished run, or a damaged one.
    """
    path = Path(path)
    if (path / files.CONFIG).is_file() and not (path / files.METRICS).is_file():
        raise InputError(
            f"the run in '{path}' has not finished; "
            f'`resume({str(path)!r})` goes on with it'
        )
    if not (path / files.MODEL).is_file():
        hint = '' if path.exists() else did_you_mean_path(path)
        raise InputError(f"there is no run in '{path}' (no {files.MODEL}){hint}")
    about = read_about(path / files.MODEL)
    return Record(path, {**about, 'model': renewed_model(about['model'])})


def read_options(path: Path) -> dict[str, Any]:
    """The options of a finished run, of which those that are read again are checked.

    Args:
        path: Its folder.

    Raises:
        InputError: If they are not there, or damaged.
    """
    config, where = files.read_config(path), f"'{path / files.CONFIG}'"
    for name, kind in (('data', str), ('root', str | None), ('seed', int)):
        if name not in config:
            raise InputError(f"there is no '{name}' in {where}")
        check_plain(config[name], kind, where, name)
    check_plain(config.get('monitor', ''), str, where, 'monitor')
    return config


def needs_trust(path: str | Path) -> bool:
    """Whether the model of a run is code that only trust runs.

    Args:
        path: The folder of the run, finished or not.
    """
    return not is_known(files.read_config(path)['model'])
