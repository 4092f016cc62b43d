"""What an encoder learned, as plain names and arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fitted:
    """What an encoder learned; two that hold the same make the same features.

    Args:
        encoder: Which encoder, with the version of what it computes.
        names: Names it learned or was given, such as speakers, columns, or a model.
        arrays: Numbers it learned.

    Example:
        >>> one = Fitted('scale-1', ('pitch',), {'mean': np.array([3.0])})
        >>> two = Fitted('scale-1', ('pitch',), {'mean': np.array([4.0])})
        >>> one.sha256[:6], one.sha256 == two.sha256
        ('fd02ff', False)
    """

    encoder: str
    names: tuple[str, ...] = ()
    arrays: Mapping[str, NDArray] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content, the same on every machine."""
        plain = {k: little_endian(self.arrays[k]) for k in sorted(self.arrays)}
        head = [
            self.encoder,
            list(self.names),
            [[k, array.dtype.str, array.shape] for k, array in plain.items()],
        ]
        digest = hashlib.sha256(json.dumps(head).encode())
        for array in plain.values():
            digest.update(array.data)
        return digest.hexdigest()


def short(sha256: str) -> str:
    """The part of a hash that people read.

    Args:
        sha256: The hash.
    """
    return sha256[:12]


def little_endian(array: NDArray) -> NDArray:
    """An array whose bytes are the same on every machine.

    Args:
        array: Of any byte order.
    """
    return np.ascontiguousarray(array, array.dtype.newbyteorder('<'))
