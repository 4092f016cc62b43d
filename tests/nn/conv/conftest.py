from __future__ import annotations

import pytest
import torch_geometric.typing


@pytest.fixture(params=['torch', 'torch_scatter'])
def kernel(request, monkeypatch):
    """Whether PyG's segment functions use torch-scatter."""
    if request.param == 'torch_scatter':
        pytest.importorskip('torch_scatter', reason='torch-scatter is not installed')
    monkeypatch.setattr(
        torch_geometric.typing, 'WITH_TORCH_SCATTER', request.param == 'torch_scatter'
    )
