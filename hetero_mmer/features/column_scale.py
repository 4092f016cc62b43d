from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.features.fitted import Fitted


class ColumnScale:
    """Mean and standard deviation of columns, over what is known of them.

    Args:
        columns: Names of the columns.

    Example:
        >>> scale = ColumnScale(['pitch']).fit(np.array([[1.0], [np.nan], [3.0]]))
        >>> scale.transform(np.array([[5.0]]))
        array([[3.]])
    """

    name: Final = 'column-scale-1'

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.mean = np.zeros(len(self.columns))
        self.std = np.ones(len(self.columns))

    def fit(self, values: NDArray) -> ColumnScale:
        """Learns mean and deviation; 0 and 1 where nothing is known or all is equal.

        Args:
            values: The columns in train, [N, F]; what is not finite is unknown.
        """
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        self.mean = np.where(known, values, 0).sum(axis=0) / count
        square = np.where(known, values - self.mean, 0) ** 2
        std = np.sqrt(square.sum(axis=0) / count)
        self.std = np.where(std == 0, 1, std)
        return self

    def transform(self, values: NDArray) -> NDArray[np.float64]:
        """Standardised columns, [N, F]; what is not finite stays so.

        Args:
            values: The columns, [N, F].
        """
        return (values - self.mean) / self.std

    @property
    def fitted(self) -> Fitted:
        """What was learned."""
        return Fitted(self.name, self.columns, {'mean': self.mean, 'std': self.std})

    @classmethod
    def of(cls, fitted: Fitted) -> ColumnScale:
        """The encoder that learned something.

        Args:
            fitted: What it learned.
        """
        scale = cls(fitted.names)
        scale.mean, scale.std = fitted.arrays['mean'], fitted.arrays['std']
        return scale
