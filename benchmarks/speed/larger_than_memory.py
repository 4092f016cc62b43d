"""An epoch of shuffled batches from a store on the disk, beside reading it in order.

Before each pass the system forgets what it has cached of the file, as it would have to
with a file larger than the memory.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
from case import Case, Goal, Step
from data import WIDTHS, make_store

from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.store import Store

SIZE, BATCH, ROWS = 2_500_000_000, 64, 65_536
FOLDER = TemporaryDirectory()  # Deleted when the process ends.


@cache
def path() -> Path:
    return make_store(FOLDER.name, SIZE)


def forget() -> None:
    with open(path(), 'rb') as file:
        os.fsync(file.fileno())  # What is not yet written cannot be forgotten.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ours() -> Step:
    dataset = StoreDataset(Store(path()), in_memory=False)
    loader = StoreLoader(dataset, BATCH, shuffle=True)

    def step() -> None:
        forget()
        for _ in loader:
            pass

    return step


def in_order() -> Step:
    file = h5py.File(path())

    def step() -> None:
        forget()
        for modality in WIDTHS:
            values = file[f'features/{modality}/values']
            for start in range(0, len(values), ROWS):
                values[start : start + ROWS]

    return step


CASE = Case(
    'an epoch of shuffled batches of 64 from a store of 2.5 GB on the disk',
    {'ours': ours, 'h5py in order, 65,536 items at once': in_order},
    [
        Goal('ours', 'h5py in order, 65,536 items at once', 1 / 0.7),
        Goal('ours', None, 200, 'memory'),
    ],
    repeats=3,
)
