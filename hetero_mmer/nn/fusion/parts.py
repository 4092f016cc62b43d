"""The protocols of the exchangeable parts of a model with (modality, label) cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from hetero_mmer.errors import InputError
from hetero_mmer.nn.fusion.semantics import Semantics


@runtime_checkable
class Space(Protocol):
    """Maps states ``[B, M, L, d]`` and their mask ``[B, M]`` to semantics."""

    def __call__(self, u: Tensor, mask: Tensor) -> Semantics:
        """The semantics of all cells."""

    def update_(self, u: Tensor, out: Semantics, y: Tensor, mask: Tensor) -> None:
        """Updates the buffers after a training step."""

    def reset_parameters(self) -> None:
        """Resets parameters and buffers."""


@runtime_checkable
class EmbeddingSpace(Space, Protocol):
    """A space with latent vectors, which a contrastive loss needs."""

    latent_channels: int

    def embed(self, states: Tensor) -> Tensor:
        """Normalised latent vectors ``[*, M, L, d_z]`` of states ``[*, M, L, d]``."""


@runtime_checkable
class Fusion(Protocol):
    """Maps states and their semantics to levels of states ``[B, M', L, d]``.

    The last of ``levels`` is predicted from; ``num_states`` is M', which is M or 1.
    """

    levels: Sequence[str]
    num_states: int

    def __call__(
        self, u: Tensor, semantics: Semantics, mask: Tensor
    ) -> dict[str, Tensor]:
        """The states of each level, by its name."""

    def loss(self, levels: dict[str, Tensor], mask: Tensor) -> Tensor:
        """The loss of the states of all levels."""

    def reset_parameters(self) -> None:
        """Resets all parameters."""


@runtime_checkable
class Aggregation(Protocol):
    """Maps states ``[B, M', L, d]`` to rows of logits ``[B, R, L]`` and their mask."""

    def __call__(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[B, R, L]`` and mask ``[B, R]``."""

    def loss(
        self, logits: Tensor, states: Tensor, y: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """The losses of the logits of these states, by name."""

    def reset_parameters(self) -> None:
        """Resets all parameters."""


@runtime_checkable
class Contrast(Protocol):
    """A contrastive loss of embeddings ``[B, K, M, L, D]`` of K levels."""

    def __call__(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """The loss of a batch with labels ``[B, L]``."""

    def reset_parameters(self) -> None:
        """Resets parameters and buffers."""


def check_part(part: Any, protocol: type, name: str) -> Any:
    """Refuses a part that lacks something of its protocol.

    Args:
        part: The part.
        protocol: One of the protocols above.
        name: The argument that made it, for the message.

    Raises:
        InputError: If it does.
    """
    if not isinstance(part, protocol):
        raise InputError(
            f"'{name}' makes a part with the methods of hetero_mmer.nn.fusion."
            f'{protocol.__name__} (got {type(part).__name__})'
        )
    return part
