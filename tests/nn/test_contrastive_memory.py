from __future__ import annotations

import torch
import torch.nn.functional as F

from hetero_mmer.nn.contrastive_memory import ContrastiveMemory

MASK = torch.tensor([[True, False], [True, True]])
Y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 2, 3, 4, generator=generator, dtype=torch.double)
    return F.normalize(x, dim=-1)


def cells():
    """Order in the queue: sample, level, modality, label; the missing left out."""
    for b in range(2):
        for k in range(3):
            for m in range(2):
                for i in range(3):
                    if MASK[b, m]:
                        yield b, k, m, i


def loop(x, temperature):
    """Eq. 6 and 7 in a batch without a past."""
    names, total = list(cells()), 0.0
    for a in names:
        kind = (a[2], a[3], Y[a[0], a[3]])
        others = [c for c in names if c != a]
        same = [c for c in others if (c[2], c[3], Y[c[0], c[3]]) == kind]
        norm = sum((x[a] @ x[c] / temperature).exp() for c in others)
        for p in same:
            ratio = (x[a] @ x[p] / temperature).exp() / norm
            total = total - ratio.log() / len(same)
    return total / len(names)


def test_cells_are_alike_if_modality_label_and_polarity_are():
    memory, x = ContrastiveMemory(4, queue_size=7, temperature=0.5), draw()
    torch.testing.assert_close(memory(x, Y, MASK), loop(x, 0.5))


def test_queue_takes_in_the_batch_in_training_only():
    memory, x = ContrastiveMemory(4, queue_size=50).double(), draw()
    memory.eval()
    memory(x, Y, MASK)
    assert memory.queue.position == 0
    memory.train()
    memory(x, Y, MASK)
    names = list(cells())
    assert memory.queue.position == len(names) == 27
    stored = torch.stack([x[c] for c in names])
    assert torch.equal(memory.queue.values[:27], stored)
    classes = [3 * (2 * m + 1 - int(Y[b, i])) + i for b, _, m, i in names]
    assert memory.queue.label[:27].tolist() == classes
    assert (memory.queue.label[27:] == -1).all()


def test_batch_larger_than_the_queue():
    memory, x = ContrastiveMemory(4, queue_size=10).double(), draw()
    before = memory(x, Y, MASK)
    assert memory.queue.position == 27 % 10
    after = memory(draw(1), Y, MASK)
    assert before.isfinite()
    assert after.isfinite()


def test_reset_forgets():
    memory = ContrastiveMemory(4, queue_size=10).double()
    memory(draw(), Y, MASK)
    memory.reset_parameters()
    assert (memory.queue.label == -1).all()
