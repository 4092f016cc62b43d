from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Semantics(NamedTuple):
    """What a space makes of the states of the cells."""

    semantic: Tensor  # [B, M, L, d], what a cell says; filled in if it is missing
    intrinsic: Tensor  # [B, M, L, d], what cells of its kind are like
    latent: Tensor | None  # [B, M, L, d_z], normalised, if there are latent vectors
