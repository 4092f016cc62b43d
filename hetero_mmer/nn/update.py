from __future__ import annotations

from torch import Tensor
from torch.nn import Dropout, Linear, Module


class Update(Module):
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
        super().__init__()
        self.lin_hidden = Linear(in_channels, out_channels)  # W^r, b_1
        self.lin_out = Linear(out_channels, out_channels)  # W^b, b_2
        self.dropout = Dropout(dropout)

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self.lin_hidden.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(self, g: Tensor) -> Tensor:
        """Updates each message."""
        return self.dropout(self.lin_out(self.lin_hidden(g).relu()))
