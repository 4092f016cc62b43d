"""How a run reads the samples of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from hetero_mmer.loader import StoreDataset
    from hetero_mmer.store import Store


@dataclass(frozen=True)
class Reading:
    """What samples of any store become before a run's model sees them.

    Args:
        modalities: Which modalities, in the model's order.
        scale: Mean and deviation of each column of those that are standardised.
        label_graph: Edges among the labels that came with the data, ``[2, E]``; all
            pairs if ``None``.
        skip_empty: Whether samples without an item are left out.
        extras: Other arrays of the store that the model reads.
    """

    modalities: list[str]
    scale: Mapping[str, tuple[np.ndarray, np.ndarray]]
    label_graph: Tensor | None
    skip_empty: bool
    extras: Sequence[str] = ()

    def samples(
        self,
        store: Store,
        rows: np.ndarray | None = None,
        *,
        skip_empty: bool | None = None,
    ) -> StoreDataset:
        """Some samples of a store.

        Args:
            store: An open store that fits.
            rows: Which samples; all by default.
            skip_empty: Whether samples without an item are left out; by default as in
                the run.
        """
        from hetero_mmer.loader import StoreDataset

        return StoreDataset(
            store,
            rows,
            modalities=self.modalities,
            label_graph=self.label_graph,
            skip_empty=self.skip_empty if skip_empty is None else skip_empty,
            scale=self.scale,
            extras=self.extras,
        )
