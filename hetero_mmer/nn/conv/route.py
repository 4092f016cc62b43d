from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

_STEPS = ('propagate', 'message', 'aggregate', 'message_and_aggregate', 'edge_update')


def is_plain(
    conv: MessagePassing, kind: type[MessagePassing], edge_index: object, x: Tensor
) -> bool:
    """Whether a layer may compute on sparse matrices instead of message by message.

    Not so if somebody looks at single messages, under a compiler, or where PyTorch
    lacks the products (on GPUs they are there, but unproven here).

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
        and not torch.compiler.is_compiling()
        and not looks_at_messages(conv, kind)
    )


def looks_at_messages(conv: MessagePassing, kind: type[MessagePassing]) -> bool:
    """Whether a hook, an explainer or a subclass wants each message by itself.

    Args:
        conv: The layer.
        kind: The class whose steps are known.
    """
    return (
        bool(conv.explain)
        or any(getattr(type(conv), s, None) is not getattr(kind, s) for s in _STEPS)
        or any(
            hooks
            for name, hooks in vars(conv).items()
            if name.endswith('_hooks') and name[1:].startswith(_STEPS)
        )
    )
