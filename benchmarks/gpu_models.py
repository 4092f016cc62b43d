"""Models, batches and training steps for `gpu.py`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import LABELS, WIDTHS, make_batch
from torch import Tensor
from torch.nn import Module

from hetero_mmer.loader import StoreDataset
from hetero_mmer.models import CARAT, HHMPN
from hetero_mmer.nn import ContrastiveMemory
from hetero_mmer.nn.encoder.transformer_encoder import TransformerLayer
from hetero_mmer.nn.feed_forward import ResidualBlock, ResidualFeedForward
from hetero_mmer.store import ModalitySpec, Store, StoreWriter

#: Which part of a step is compiled, and how.
WAYS = {
    'eager': None,
    'layers compiled': ('layers', 'default'),
    'layers as CUDA graphs': ('layers', 'reduce-overhead'),
    'compiled': ('step', 'default'),
    'CUDA graphs': ('step', 'reduce-overhead'),
}
LAYERS = (TransformerLayer, ResidualFeedForward, ResidualBlock)


@dataclass(frozen=True)
class Size:
    """How large everything is; by default as in the papers."""

    batch: int = 64
    items: int = 60
    shortest: int = 5
    channels: int = 256
    steps: int = 3
    layers: int | None = None
    queue: int = 8192
    samples: int = 16_326
    gemm: int = 8192
    repeats: int = 15
    inner: int = 5
    compile_seconds: float = 100


QUICK = Size(4, 6, 2, 16, 1, 1, 32, samples=10, gemm=64, repeats=2, compile_seconds=20)


def make_model(name: str, size: Size) -> Any:
    """A model with its memory full."""
    torch.manual_seed(0)
    width = {'hidden_channels': size.channels}
    if name == 'HHMPN':
        return HHMPN(WIDTHS, LABELS, num_steps=size.steps, **width)
    contrast = partial(ContrastiveMemory, queue_size=size.queue)
    model = CARAT(
        WIDTHS,
        LABELS,
        num_layers=size.layers or {'text': 6, '*': 4},
        contrast=contrast,
        **width,
    )
    classes = torch.randint(2 * LABELS * len(WIDTHS), (size.queue,))
    model.contrast.queue.push_(torch.randn(size.queue, 64) / 8, classes)
    model.space.prototypes.values.normal_(std=1 / 8)
    return model


def draw_batches(size: Size, device: torch.device) -> dict[str, Any]:
    """Batches of equal lengths, of ragged ones, of equal ones with as many pairs."""
    generator = torch.Generator().manual_seed(0)
    shape = (size.batch,)
    ragged = torch.randint(size.shortest, size.items + 1, shape, generator=generator)
    same = round(math.sqrt(ragged.square().float().mean()))
    lengths = {
        f'{size.items}': torch.full(shape, size.items),
        f'{size.shortest} to {size.items}': ragged,
        f'{same}, as many pairs': torch.full(shape, same),
    }
    return {
        name: make_batch(dict.fromkeys(WIDTHS, n)).to(device)
        for name, n in lengths.items()
    }


def loss_of(model: Any, batch: Any) -> Tensor:
    y = batch['label'].y.view(batch.num_graphs, -1)
    return model.loss(model(batch), y)['total']


def make_step(model: Module, way: str, bf16: bool) -> Callable[[Any], Tensor]:
    """A training step on any batch."""
    device = next(model.parameters()).device.type
    optimizer = torch.optim.AdamW(model.parameters(), 5e-5, fused=device == 'cuda')
    loss = partial(loss_of, model)
    part, mode = WAYS[way] or (None, None)
    if part == 'step':
        loss = torch.compile(loss, mode=mode)
    elif part == 'layers':
        for module in model.modules():
            if isinstance(module, LAYERS):
                module.compile(mode=mode)

    def step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        if mode == 'reduce-overhead':
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            value = loss(batch)
        value.backward()
        optimizer.step()
        return value.detach()

    return step


def make_samples(size: Size, device: torch.device) -> StoreDataset:
    """A store of the size of CMU-MOSEI, on the device if that can be."""
    rng = np.random.default_rng(0)
    pool = {
        m: rng.standard_normal((1000 + size.items, width), np.float32)
        for m, width in WIDTHS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'store.h5'
        specs = {m: ModalitySpec(width) for m, width in WIDTHS.items()}
        with StoreWriter(path, specs, [f'label-{i}' for i in range(LABELS)]) as writer:
            for i in range(size.samples):
                x = {m: values[i % 1000 :][: size.items] for m, values in pool.items()}
                writer.add(f'sample-{i}', x, rng.integers(0, 2, LABELS))
        store = Store(path)
        try:
            return StoreDataset(store, device=device.type)
        except TypeError:  # No such argument.
            return StoreDataset(store, in_memory=True)
