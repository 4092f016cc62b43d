from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

_STEPS = ('propagate', 'message', 'aggregate', 'message_and_aggregate', 'edge_update')


def is_plain(
    conv: MessagePassing, kind: type[MessagePassing], edge_index: object, x: Tensor
) -> bool:
    """Whether a layer may compute on sparse matrices instead of message by message.

    Not so if somebody looks at single messages (hooks, explainers, a subclass with
    steps of its own, a compiler), or where PyTorch lacks the products (on GPUs they
    are there, but unproven here).

    Args:
        conv: The layer.
        kind: The class whose steps are known.
        edge_index: Its edges.
        x: What it computes with.
    """
    return (
        isinstance(edge_index, Tensor)
        and edge_index.layout is torch.strided
        and x.device.type == 'cpu'
        and x.dtype in (torch.float32, torch.float64)
        and conv.flow == 'source_to_target'
        and not conv.explain
        and not torch.compiler.is_compiling()
        and all(getattr(type(conv), s, None) is getattr(kind, s) for s in _STEPS)
        and not any(
            hooks
            for name, hooks in vars(conv).items()
            if name.endswith('_hooks') and name[1:].startswith(_STEPS)
        )
    )
