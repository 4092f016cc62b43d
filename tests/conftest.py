from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder ``shared`` beside the checkout, with real files of public data."""
    folder = Path(__file__).parents[1].parent / 'shared'
    if not folder.is_dir():
        pytest.skip(f'needs real data in {folder}, which is not there')
    return folder


@pytest.fixture(params=['sparse', 'sparse-scatter', 'messages', 'messages-scatter'])
def kernel(request, monkeypatch):
    """How layers compute on explicit edges, and whether PyG uses torch-scatter."""
    import torch_geometric.typing

    from hetero_mmer.nn.conv import attention_conv, label_attention_conv

    route, _, scatter = request.param.partition('-')
    if scatter:
        pytest.importorskip('torch_scatter', reason='torch-scatter is not installed')
    monkeypatch.setattr(torch_geometric.typing, 'WITH_TORCH_SCATTER', bool(scatter))
    if route == 'messages':
        for module in (attention_conv, label_attention_conv):
            monkeypatch.setattr(module, 'is_plain', lambda *args: False)
    return request.param
