from __future__ import annotations

from torch import Tensor
from torch.nn import Dropout, Linear, ReLU, Sequential


class Update(Sequential):
    r"""The update function of HHMPN (Zhang et al., AAAI 2021), Eq. 7.

    .. math::
        \mathrm{UPD}(\mathbf{g}) = \mathbf{W}^{b}
        \mathrm{ReLU}(\mathbf{W}^{r} \mathbf{g} + \mathbf{b}_1) + \mathbf{b}_2

    The residual of Eq. 8 is the caller's.

    Args:
        in_channels: Width of the message.
        out_channels: Width of the result and of the hidden layer.
        dropout: Dropout on the result.

    Shapes:
        - **input**: ``[N, in_channels]``
        - **output**: ``[N, out_channels]``

    Example:
        >>> import torch
        >>> Update(6, 4)(torch.randn(3, 6)).shape
        torch.Size([3, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__(
            Linear(in_channels, out_channels),
            ReLU(),
            Linear(out_channels, out_channels),
            Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Updates each message."""
        return super().forward(x)

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self[0].reset_parameters()
        self[2].reset_parameters()
