"""What ``config.yaml`` of a run holds: repeating it repeats the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetero_mmer.errors import InputError
from hetero_mmer.run import files
from hetero_mmer.run.old import renewed_options
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.spec import Spec


@dataclass(frozen=True)
class Config:
    """A model, data, and how the model is trained on them.

    Args:
        model: Class and arguments of the model.
        data: A store, or the name of a data set.
        options: All other options.
    """

    model: Spec
    data: str
    options: TrainOptions

    def to_plain(self) -> dict[str, Any]:
        """The configuration as YAML holds it."""
        return {'model': self.model, 'data': self.data, **self.options.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], *, trust: bool, where: str) -> Config:
        """Reads what :meth:`to_plain` gave.

        Args:
            plain: All options.
            trust: Whether classes may be of any module.
            where: Where they stand, for messages.
        """
        options = {k: v for k, v in plain.items() if k not in ('model', 'data')}
        checked = TrainOptions.from_plain(options, trust=trust, where=where)
        return cls(plain['model'], plain['data'], checked)


def read_plain(folder: Path) -> dict[str, Any]:
    """The configuration of a run, which may be older than some options.

    Args:
        folder: The folder of the run.

    Raises:
        InputError: If it has none, or an option that no run has.
    """
    config = renewed_options(files.read_config(folder))
    known = {'data': None, **TrainOptions().to_plain()}
    where = f"'{folder / files.CONFIG}' is no run's config"
    if unknown := set(config) - {'model', *known}:
        raise InputError(f"{where}: it has an unknown '{min(unknown)}'")
    if 'data' not in config:
        raise InputError(f"{where}: it has no 'data'")
    return {**known, **config}
