from __future__ import annotations

from torch import Tensor
from torch.nn import LayerNorm, Linear, Module

from hetero_mmer.nn.dropout import Dropout


class FeedForward(Module):
    r"""Two-layer perceptron, HHMPN's update function (Zhang et al., AAAI 2021, Eq. 7).

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
        >>> FeedForward(6, 4)(torch.randn(3, 6)).shape
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
        """Resets all parameters."""
        self.lin_hidden.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(self, g: Tensor) -> Tensor:
        """Transforms each message."""
        return self.dropout(self.lin_out(self.lin_hidden(g).relu()))


class ResidualFeedForward(Module):
    r"""Residual feed-forward of a message: HHMPN, Eq. 10, read as Eq. 6 and 8.

    .. math::
        \mathbf{z} = \mathbf{v} + \mathrm{UPD}(\mathbf{g})

    Args:
        in_channels: Width of the message.
        channels: Width of the state.
        dropout: Dropout on the result of the feed-forward.
        norm: Whether a layer norm follows; the equations have none.

    Shapes:
        - **x**: ``[N, channels]``
        - **message**: ``[N, in_channels]``
        - **output**: ``[N, channels]``
    """

    def __init__(
        self, in_channels: int, channels: int, *, dropout: float, norm: bool
    ) -> None:
        super().__init__()
        self.update = FeedForward(in_channels, channels, dropout=dropout)
        self.norm = LayerNorm(channels) if norm else None

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in self.children():
            module.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, message: Tensor) -> Tensor:
        """The next states."""
        x = x + self.update(message)
        return x if self.norm is None else self.norm(x)


class ResidualBlock(Module):
    r"""Residual sum of message and state, then a residual feed-forward.

    HHMPN, Eq. 11 to 14:

    .. math::
        \mathbf{g} = \mathbf{u} + \mathrm{MP}, \qquad
        \mathbf{u}' = \mathbf{g} + \mathrm{UPD}(\mathbf{g})

    Args:
        channels: Width of state and message.
        dropout: Dropout on the result of the feed-forward.
        norm: Whether a layer norm follows each sum; the equations have none.
        feed_forward: Whether it follows; else the output is the first sum.

    Shapes:
        - **x**, **message**, **output**: ``[N, channels]``
    """

    def __init__(
        self, channels: int, *, dropout: float, norm: bool, feed_forward: bool = True
    ) -> None:
        super().__init__()
        self.norm = LayerNorm(channels) if norm and feed_forward else None
        self.update = None
        if feed_forward:
            self.update = ResidualFeedForward(
                channels, channels, dropout=dropout, norm=norm
            )

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in self.children():
            module.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, message: Tensor) -> Tensor:
        """The next states."""
        g = x + message
        g = g if self.norm is None else self.norm(g)
        return g if self.update is None else self.update(g, g)
