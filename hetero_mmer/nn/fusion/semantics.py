from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Semantics(NamedTuple):
    """The semantic and intrinsic vectors of the cells."""

    semantic: Tensor  # [B, M, L, d], of each cell; filled where a modality is missing
    intrinsic: Tensor  # [B, M, L, d], of its class
    latent: Tensor | None  # [B, M, L, d_z], normalised, if there are latent vectors
